import os
import shutil
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from autoresearch_dagster.core.errors import BundleError, UserError
from autoresearch_dagster.data import build, tokenizer
from autoresearch_dagster.data.checks import check_digests, check_disjoint, check_no_duplicates, check_round_trip
from autoresearch_dagster.data.digests import FileDigests
from autoresearch_dagster.data.layout import TRUSTED_SPLITS, Bundle
from autoresearch_dagster.data.own_corpus import shards_in
from autoresearch_dagster.data.reading import read_strings
from autoresearch_dagster.data.sources import absolute_source
from autoresearch_dagster.data.statistics import sample_rows, statistics
from tests import corpora, packing_reference


@pytest.fixture(scope="module")
def documents():
    return corpora.texts()


@pytest.fixture
def corpus(tmp_path, documents):
    return corpora.write_corpus(tmp_path / "corpus", documents)


def silent(_told):
    """Nobody listens."""


def bundle_of(corpus, sample_bundle, root, **options):
    made = corpora.build_rows(corpus, sample_bundle.tokenizer, root, report=silent, **options)
    shards = build.build_shards(str(corpus), options.get("shards", 3), root, silent).path
    return Bundle(shards, sample_bundle.tokenizer, made.path)


def test_rows_of_an_own_corpus_are_those_of_the_tutorials_scan(corpus, sample_bundle, tmp_path):
    bundle = bundle_of(corpus, sample_bundle, tmp_path / "root")
    encoding = tokenizer.load(bundle.tokenizer)

    def expected(names):
        batches = packing_reference.batches([corpus / name for name in names], encoding, 8188)
        return packing_reference.rows(batches, 129)

    train = expected(corpora.TRAIN)
    found = bundle.rows("train").tokens
    assert found.tolist() == [row for row, _ in train[: len(found)]]
    validation = np.concatenate([bundle.rows(split).tokens for split in TRUSTED_SPLITS])
    assert sorted(validation.tolist()) == sorted(row for row, _ in expected([corpora.VALIDATION]))


def test_shards_are_linked_and_not_copied(corpus, tmp_path):
    said = []
    made = build.build_shards(str(corpus), 2, tmp_path / "root", said.append)
    links = {path.name: path.readlink() for path in made.path.glob("*.parquet")}
    assert links == {
        "shard_00000.parquet": corpus / "part-2.parquet",
        "shard_00001.parquet": corpus / "part-9.parquet",
        "shard_06542.parquet": corpus / "part-11.parquet",
    }
    assert any("hashing part-2.parquet" in str(told) for told in said)


def test_numbers_in_names_count_as_numbers(tmp_path):
    for name in ("b1.parquet", "a10.parquet", "a9.parquet", "a09.parquet", ".hidden.parquet", "notes.txt"):
        (tmp_path / name).write_text("x")
    (tmp_path / "folder.parquet").mkdir()
    assert [path.name for path in shards_in(tmp_path)] == ["a09.parquet", "a9.parquet", "a10.parquet", "b1.parquet"]


def test_second_build_neither_hashes_nor_tokenises(corpus, sample_bundle, tmp_path):
    root = tmp_path / "root"
    first = corpora.build_rows(corpus, sample_bundle.tokenizer, root, report=silent)
    said = []
    again = corpora.build_rows(corpus, sample_bundle.tokenizer, root, report=said.append)
    assert (first.built, again.built) == (True, False)
    assert len(said) == 2
    assert all("already built" in line for line in said)
    assert list((root / "tokenized").iterdir()) == []


def test_every_check_passes_and_statistics_add_up(corpus, sample_bundle, tmp_path, documents):
    bundle = bundle_of(corpus, sample_bundle, tmp_path / "root")
    for check in (check_digests, check_disjoint, check_no_duplicates, check_round_trip):
        assert check(bundle)[0], check(bundle)[1]
    found = statistics(bundle)
    encoding = tokenizer.load(bundle.tokenizer)
    used = documents[: 4 * 1500]
    lengths = [len(encoding.encode_ordinary(text)) + 1 for text in used]
    assert found.documents == len(used)
    assert found.text_bytes == sum(len(text.encode()) for text in used)
    assert found.text_tokens == sum(lengths) - len(used)
    assert found.tokens_per_byte == found.text_tokens / found.text_bytes
    edges = [one.up_to_tokens for one in found.length_histogram]
    assert all(other == 2 * one for one, other in pairwise(edges))
    for one in found.length_histogram:
        assert one.documents == sum(one.up_to_tokens / 2 < length <= one.up_to_tokens for length in lengths)
    tokens_in_rows = sum(found.rows.values()) * 129
    unused = sum(lengths) - tokens_in_rows - found.cropped_tokens
    assert unused > 0
    assert found.unused_documents <= 2 * (1000 + 128) + 2 * 129
    placed = {split: np.unique(bundle.rows(split).documents) for split in found.rows}
    # A document of which only BOS is the first token of a row owns no target.
    assert sum(map(len, placed.values())) <= found.documents - found.unused_documents


def test_sample_rows_are_train_rows_as_text(corpus, sample_bundle, tmp_path):
    bundle = bundle_of(corpus, sample_bundle, tmp_path / "root")
    encoding = tokenizer.load(bundle.tokenizer)
    train = [encoding.decode(row.tolist()) for row in bundle.rows("train").tokens]
    shown = sample_rows(bundle, 3)
    assert [shown[0], shown[-1]] == [train[0], train[-1]]
    assert sample_rows(bundle, 10**6) == train
    assert sample_rows(bundle, 0) == []


def test_relative_paths_and_home_mean_the_same_folder(corpus, tmp_path, monkeypatch):
    monkeypatch.chdir(corpus.parent)
    monkeypatch.setenv("HOME", str(corpus.parent))
    sources = ["corpus", "./corpus", "corpus/", "~/corpus", str(corpus)]
    assert {absolute_source(source) for source in sources} == {str(corpus)}
    made = {build.build_shards(source, 1, tmp_path / "root", silent).path for source in sources}
    assert len(made) == 1
    assert absolute_source("sample") == "sample"
    assert absolute_source("climbmix") == "climbmix"


def test_a_changed_shard_is_said_and_makes_another_bundle(corpus, sample_bundle, tmp_path, documents):
    root = tmp_path / "root"
    bundle = bundle_of(corpus, sample_bundle, root)
    corpora.write(corpus / "part-9.parquet", documents[:1400])
    passed, sentence = check_digests(bundle)
    assert not passed
    assert "shard_00001.parquet" in sentence
    said = []
    made = build.build_shards(str(corpus), 3, root, said.append)
    assert made.built
    assert made.path != bundle.shards
    assert any("part-9.parquet has CHANGED" in str(told) for told in said)


def test_a_touched_shard_is_hashed_again_and_stays_the_same_bundle(corpus, tmp_path):
    root = tmp_path / "root"
    first = build.build_shards(str(corpus), 3, root, silent)
    os.utime(corpus / "part-9.parquet", ns=(1, 1))
    said = []
    again = build.build_shards(str(corpus), 3, root, said.append)
    assert again.path == first.path
    assert any("was touched" in str(told) for told in said)
    assert not any("CHANGED" in str(told) for told in said)


def test_a_shard_that_changes_after_it_was_hashed_is_not_built_from(corpus, sample_bundle, tmp_path, documents):
    root = tmp_path / "root"
    made = build.build_shards(str(corpus), 3, root, silent).path
    corpora.write(corpus / "part-9.parquet", documents[:1400])
    with pytest.raises(BundleError, match=r"part-9\.parquet changed while it was in use"):
        build.build_packed_rows(made, sample_bundle.tokenizer, 128, root, silent)
    assert not list((root / "packed_rows").glob("[0-9a-f]*"))


def test_a_removed_shard_is_named(corpus, sample_bundle, tmp_path):
    root = tmp_path / "root"
    bundle = bundle_of(corpus, sample_bundle, root)
    (corpus / "part-9.parquet").unlink()
    assert "shard_00001.parquet" in check_digests(bundle)[1]
    with pytest.raises(BundleError, match=r"part-9\.parquet is gone"):
        build.profile(bundle)
    with pytest.raises(BundleError, match=r"part-9\.parquet is not readable \(No such file"):
        list(read_strings([bundle.shards / "shard_00001.parquet"]))


def test_the_same_content_in_another_folder_is_linked_there(corpus, sample_bundle, tmp_path):
    root = tmp_path / "root"
    first = bundle_of(corpus, sample_bundle, root)
    moved = Path(corpus.rename(corpus.parent / "moved"))
    again = build.build_shards(str(moved), 3, root, silent).path
    assert (again / "shard_00000.parquet").readlink() == moved / "part-2.parquet"
    assert not build.build_packed_rows(again, sample_bundle.tokenizer, 128, root, silent).built
    assert first.shards != again


@pytest.mark.parametrize("number", [0, 4])
def test_number_of_shards_out_of_range_is_refused(corpus, tmp_path, number):
    with pytest.raises(UserError, match="has 1 to 3 train shards"):
        build.build_shards(str(corpus), number, tmp_path / "root", silent)


@pytest.mark.parametrize(("files", "held"), [([], "0 parquet files"), (["only.parquet"], "1 parquet file")])
def test_fewer_than_two_shards_are_refused(tmp_path, files, held):
    folder = tmp_path / "corpus"
    folder.mkdir()
    for name in files:
        corpora.write(folder / name, ["text"])
    with pytest.raises(UserError, match=f"holds {held} and at least 2 are needed"):
        build.build_shards(str(folder), 1, tmp_path / "root", silent)


def test_a_source_that_is_nothing_is_refused_with_what_there_is(tmp_path):
    with pytest.raises(UserError, match=r"no source 'nowhere' and no folder .*/nowhere; use source='sample'"):
        build.build_shards("nowhere", 1, tmp_path / "root", silent)


@pytest.mark.parametrize("source", ["", "  ", "~nobody-of-this-name/corpus", "a\0b"])
def test_a_source_that_no_folder_can_have_is_refused(tmp_path, source):
    with pytest.raises(UserError, match="names no folder"):
        build.build_shards(source, 1, tmp_path / "root", silent)


def test_a_shard_that_is_there_twice_is_tokenised_once(corpus, sample_bundle, tmp_path):
    shutil.copyfile(corpus / "part-2.parquet", corpus / "part-9.parquet")
    told = []
    made = corpora.build_rows(corpus, sample_bundle.tokenizer, tmp_path / "root", report=told.append)
    assert made.built
    amounts = [one for one in told if not isinstance(one, str) and one.task == "tokenizing"]
    assert amounts[-1].finished
    assert sum(str(one).startswith("tokenized") and str(one).endswith(": built") for one in told) == 3


def test_digests_are_remembered_by_path_size_time_and_inode(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    told = []
    digests = FileDigests(tmp_path / "root", told.append)
    first = digests.of(path)
    assert len(told) == 1
    assert FileDigests(tmp_path / "root", told.append).of(path) == first
    assert len(told) == 1
    status = path.stat()
    (tmp_path / "b.bin").write_bytes(b"two")
    (tmp_path / "b.bin").replace(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert digests.of(path) != first  # same size and time, another inode


def test_a_damaged_or_closed_digest_cache_only_costs_time(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"one")
    digests = FileDigests(tmp_path / "root", silent)
    first = digests.of(path)
    for known in (tmp_path / "root" / "digests").iterdir():
        known.write_text("{")
    assert digests.of(path) == first
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "digests").write_text("a file in the way")
    told = []
    assert FileDigests(tmp_path / "other", told.append).of(path) == first
    assert "could not be kept" in told[-1]
