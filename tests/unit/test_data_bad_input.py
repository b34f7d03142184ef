import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.progress import Meter
from autoresearch_dagster.data import build
from autoresearch_dagster.data.encoding import Encoder
from autoresearch_dagster.data.reading import read_strings, read_texts, strings
from autoresearch_dagster.data.tokenizing import tokenize_shard
from tests import corpora


def silent(_told):
    """Nobody listens."""


@pytest.fixture
def corpus(tmp_path):
    return corpora.write_corpus(tmp_path / "corpus", corpora.texts(), 200)


def refused(corpus, tmp_path, sentence):
    with pytest.raises(BundleError, match=sentence) as caught:
        build.build_shards(str(corpus), 3, tmp_path / "root", silent)
    text = str(caught.value)
    assert text.endswith(".")
    assert "\n" not in text
    assert not (tmp_path / "root" / "shards").exists()


def test_an_empty_file_is_named(corpus, tmp_path):
    (corpus / "part-9.parquet").write_bytes(b"")
    refused(corpus, tmp_path, r"part-9\.parquet is empty; replace it")


def test_a_truncated_shard_is_named(corpus, tmp_path):
    path = corpus / "part-9.parquet"
    path.write_bytes(path.read_bytes()[:-100])
    refused(corpus, tmp_path, r"part-9\.parquet is not readable .*; replace it by a whole parquet file")


def test_a_file_that_is_not_parquet_is_named(corpus, tmp_path):
    (corpus / "part-9.parquet").write_text("text " * 1000)
    refused(corpus, tmp_path, r"part-9\.parquet is not readable")


def test_a_shard_without_documents_is_named(corpus, tmp_path):
    corpora.write(corpus / "part-9.parquet", [])
    refused(corpus, tmp_path, r"part-9\.parquet holds no documents")


def test_without_a_text_column_the_columns_found_are_listed(corpus, tmp_path):
    pq.write_table(pa.table({"content": ["a"], "url": ["b"]}), corpus / "part-9.parquet")
    refused(corpus, tmp_path, r"part-9\.parquet has no column 'text' but 'content', 'url'; rename")


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        (pa.int64(), [1, 2]),
        (pa.binary(), [b"a"]),
        (pa.list_(pa.string()), [["a"]]),
        (pa.dictionary(pa.int32(), pa.int64()), [1]),
        (pa.null(), [None]),
    ],
)
def test_other_types_than_text_are_refused(corpus, tmp_path, kind, values):
    corpora.write(corpus / "part-9.parquet", values, kind=kind)
    refused(corpus, tmp_path, r"The column 'text' of .*part-9\.parquet holds .*, not text")


@pytest.mark.parametrize(
    "kind", [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())]
)
def test_every_kind_of_string_is_text(tmp_path, kind):
    documents = ["one", "", "zwei €", "one", " \n", "x" * 5000]
    path = corpora.write(tmp_path / "a.parquet", documents, kind=kind, row_group_size=2)
    assert list(read_strings([path])) == documents
    assert [texts.group for texts in read_texts(path)] == [0, 1, 2]


def damage(path, old, new):
    data = path.read_bytes()
    assert data.count(old) >= 1
    path.write_bytes(data.replace(old, new))


def invalid(path):
    """Write a shard whose second row group holds bytes that are not UTF-8."""
    documents = ["fine"] * 20 + ["broken MARK"] + ["fine"] * 19
    table = pa.table({"text": documents})
    pq.write_table(table, path, row_group_size=20, compression="none", use_dictionary=False, write_statistics=False)
    damage(path, b"MARK", b"MA\xff\xfe")
    return path


def test_a_text_that_is_not_utf_8_is_named_by_shard_and_row_group(sample_bundle, tmp_path):
    path = invalid(tmp_path / "a.parquet")
    sentence = r"row group 1 of .*a\.parquet is not UTF-8 \(invalid start byte\); repair that shard"
    with pytest.raises(BundleError, match=sentence):
        list(read_strings([path]))
    with pytest.raises(BundleError, match=sentence):
        tokenize_shard(path, Encoder(sample_bundle.tokenizer, 9), tmp_path, Meter("x", 1, "documents", silent))


def test_a_damaged_page_is_named_by_shard_and_row_group(tmp_path):
    path = corpora.write(tmp_path / "a.parquet", corpora.texts()[:40], row_group_size=20)
    place = pq.ParquetFile(path).metadata.row_group(1).column(0).data_page_offset
    data = bytearray(path.read_bytes())
    data[place + 40 : place + 400] = bytes(360)
    path.write_bytes(data)
    with pytest.raises(BundleError, match=r"a\.parquet is not readable in row group 1 \("):
        list(read_strings([path]))


def test_nulls_are_skipped_counted_and_said_once(corpus, sample_bundle, tmp_path):
    documents = corpora.texts()
    with_nulls = [None, *documents[:1200], None, None]
    corpora.write(corpus / "part-2.parquet", with_nulls)
    corpora.write(corpus / "part-11.parquet", [*documents[3000:4400], None])
    said = []
    made = corpora.build_rows(corpus, sample_bundle.tokenizer, tmp_path / "root", report=said.append)
    assert [line for line in said if "null" in str(line)] == [
        "tokenizing: skipped 4 rows of the shards without text (null)"
    ]
    found = json.loads((made.path / "manifest.json").read_text())["statistics"]
    assert found["nulls_skipped"] == 4
    assert found["documents"] == 1200 + 1400 + 2 * 200
    for task in ("tokenizing", "packing"):
        amounts = [told for told in said if not isinstance(told, str) and told.task == task]
        assert amounts[-1].finished


def test_a_shard_of_nulls_only_is_refused(corpus, sample_bundle, tmp_path):
    corpora.write(corpus / "part-9.parquet", [None] * 50, kind=pa.string())
    with pytest.raises(BundleError, match=r"Every text of .*part-9\.parquet is null"):
        corpora.build_rows(corpus, sample_bundle.tokenizer, tmp_path / "root", report=silent)


def test_empty_and_blank_documents_are_packed_as_the_tutorial_does(sample_bundle, tmp_path):
    path = corpora.write(tmp_path / "a.parquet", ["", "  \n ", "", "word"])
    tokenize_shard(path, Encoder(sample_bundle.tokenizer, 9), tmp_path, Meter("x", 4, "documents", silent))
    blanks = [
        8188,
        *Encoder(sample_bundle.tokenizer, 9).encode(np.frombuffer(b"  \n ", np.uint8), np.array([0, 4])).heads[1:],
    ]
    counts, heads = np.load(tmp_path / "counts.npy"), np.load(tmp_path / "heads.npy")
    assert counts.tolist()[:3] == [1, len(blanks), 1]
    assert heads.tolist()[: len(blanks) + 2] == [8188, *blanks, 8188]


def test_too_few_documents_are_said_with_the_shard(corpus, sample_bundle, tmp_path):
    with pytest.raises(BundleError, match=r"part-11\.parquet: these hold fewer than 1000 documents"):
        corpora.build_rows(corpus, sample_bundle.tokenizer, tmp_path / "root", report=silent)


def test_too_few_rows_are_said(corpus, sample_bundle, tmp_path):
    corpora.write(corpus / "part-11.parquet", ["short"] * 1200)
    with pytest.raises(BundleError, match=r"The validation shard gives only \d+ rows, at least 64 are needed"):
        corpora.build_rows(corpus, sample_bundle.tokenizer, tmp_path / "root", report=silent)


@settings(max_examples=50, deadline=None)
@given(documents=st.lists(st.text("aé你🙂\n", max_size=40), min_size=1, max_size=5), characters=st.integers(1, 12))
def test_the_beginning_of_a_text_is_cut_by_characters_and_not_by_bytes(tmp_path_factory, documents, characters):
    path = corpora.write(tmp_path_factory.mktemp("cut") / "a.parquet", documents)
    found = [text for texts in read_texts(path) for text in strings(texts, path, characters)]
    assert found == [document[:characters] for document in documents]
