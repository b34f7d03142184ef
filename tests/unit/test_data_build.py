import json
import shutil

import numpy as np
import pytest

from autoresearch_dagster.core.errors import BundleError, UserError
from autoresearch_dagster.data import build, sample, shards
from autoresearch_dagster.data.checks import check_digests, check_disjoint, check_no_duplicates, check_round_trip
from autoresearch_dagster.data.folders import publish
from autoresearch_dagster.data.layout import CANDIDATE_SPLITS, TRUSTED_SPLITS, Bundle
from autoresearch_dagster.data.reading import read_strings
from autoresearch_dagster.data.statistics import statistics

SPLITS = (*CANDIDATE_SPLITS, *TRUSTED_SPLITS)


def test_second_build_does_no_work_and_says_so(sample_bundle, sample_root):
    before = sample_bundle.packed.stat().st_mtime_ns
    said = []
    again = build.build_bundle("sample", 2, 512, sample_root, said.append)
    assert again == sample_bundle
    assert again.packed.stat().st_mtime_ns == before
    assert len(said) == 3
    assert all("already built" in line for line in said)


def test_sample_gives_enough_rows_for_training_and_scoring(sample_bundle):
    assert len(sample_bundle.rows("train").tokens) >= 1500
    validation = sum(len(sample_bundle.rows(split).tokens) for split in TRUSTED_SPLITS)
    assert validation >= 200
    assert len(sample_bundle.rows("selection").tokens) >= validation // 2
    assert sample_bundle.vocab_size == 8192


def test_rows_and_documents_have_the_shapes_of_the_layout(sample_bundle):
    for split in SPLITS:
        rows = sample_bundle.rows(split)
        assert rows.tokens.dtype == np.uint16
        assert rows.documents.dtype == np.int32
        assert rows.tokens.shape[1] == 513
        assert rows.documents.shape == (len(rows.tokens), 512)
        assert (rows.tokens[:, 0] == 8188).all()


def test_no_document_stands_in_two_splits(sample_bundle):
    assert check_disjoint(sample_bundle)[0]
    owners = [set(np.unique(sample_bundle.rows(split).documents).tolist()) for split in SPLITS]
    assert len(set().union(*owners)) == sum(map(len, owners))


def test_every_owner_changes_where_a_document_begins(sample_bundle):
    rows = sample_bundle.rows("selection")
    begins = rows.tokens[:, 2:] == 8188
    changes = rows.documents[:, 1:] != rows.documents[:, :-1]
    assert np.array_equal(begins, changes)


def test_nothing_needs_pickle(sample_bundle):
    arrays = [*sample_bundle.packed.rglob("*.npy"), *sample_bundle.tokenizer.rglob("*.npy")]
    assert len(arrays) == 15
    for path in arrays:
        np.load(path, allow_pickle=False)
    files = [
        path
        for folder in (sample_bundle.shards, sample_bundle.tokenizer, sample_bundle.packed)
        for path in folder.rglob("*")
        if path.is_file()
    ]
    assert {path.suffix for path in files} == {".npy", ".json", ".tiktoken", ".parquet"}


def test_candidate_folder_holds_train_and_development_only(sample_bundle):
    names = {path.name for path in sample_bundle.candidate_folder.iterdir()}
    assert names == {
        "train.npy",
        "development.npy",
        "meta.json",
        "tokenizer.json",
        "tokenizer.tiktoken",
        "token_bytes.npy",
    }
    meta = json.loads((sample_bundle.candidate_folder / "meta.json").read_text())
    assert meta == {
        "sequence_length": 512,
        "vocab_size": 8192,
        "bos_token_id": 8188,
        "bundle": sample_bundle.digest,
    }


def test_bundle_is_found_by_digest_and_by_its_prefix(sample_bundle, sample_root):
    assert build.find_bundle(sample_bundle.digest, sample_root) == sample_bundle
    assert build.find_bundle(sample_bundle.digest[:16], sample_root) == sample_bundle


@pytest.mark.parametrize("digest", ["", "0" * 16, "../shards"])
def test_unknown_digest_is_refused_with_what_to_do(digest, sample_bundle, sample_root):
    with pytest.raises(BundleError, match="build it again"):
        build.find_bundle(digest, sample_root)


def test_digest_that_only_begins_alike_is_refused(sample_bundle, sample_root):
    with pytest.raises(BundleError, match="no bundle"):
        build.find_bundle(sample_bundle.digest[:16] + "z" * 48, sample_root)


@pytest.mark.parametrize("num_shards", [0, 17])
def test_number_of_shards_out_of_range_is_refused(num_shards, tmp_path):
    with pytest.raises(UserError, match="1 to 16"):
        build.build_shards("sample", num_shards, tmp_path, print)


def test_profile_describes_the_bundle(sample_bundle):
    profile = build.profile(sample_bundle)
    assert profile.source == "sample"
    assert profile.parquet_files == ("shard_00000.parquet", "shard_00001.parquet", "shard_06542.parquet")
    assert profile.n_parquet_files == 3
    assert profile.data_bytes == sum(path.stat().st_size for path in sample_bundle.shards.glob("*.parquet"))
    assert profile.rows["train"] == len(sample_bundle.rows("train").tokens)
    assert 0.1 < profile.tokens_per_byte < 0.5


def test_checks_pass_on_a_fresh_bundle_and_notice_a_changed_byte(sample_bundle, tmp_path):
    assert check_round_trip(sample_bundle)[0]
    assert check_digests(sample_bundle)[0]
    copy = Bundle(sample_bundle.shards, sample_bundle.tokenizer, tmp_path / "packed")
    shutil.copytree(sample_bundle.packed, copy.packed)
    path = copy.packed / "trusted" / "decoy.npy"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    passed, sentence = check_digests(copy)
    assert not passed
    assert "decoy.npy" in sentence


def test_shared_document_is_noticed(sample_bundle, tmp_path):
    copy = Bundle(sample_bundle.shards, sample_bundle.tokenizer, tmp_path / "packed")
    shutil.copytree(sample_bundle.packed, copy.packed)
    trusted = copy.packed / "trusted"
    shutil.copyfile(trusted / "decoy_documents.npy", trusted / "train_documents.npy")
    passed, sentence = check_disjoint(copy)
    assert not passed
    assert "train and decoy" in sentence


def test_document_in_both_train_and_validation_leaves_the_train_rows(sample_bundle, tmp_path):
    validation = list(read_strings([shards.validation_shard(sample_bundle.shards)]))
    train = list(read_strings(shards.train_shards(sample_bundle.shards)))

    def fill(folder, digest):
        shards.write_shard(folder / shards.shard_name(0), [*validation[:5], *train])
        shards.write_shard(folder / shards.shard_name(6542), validation)
        return {"source": "sample", "num_shards": 1}

    folder = publish(tmp_path, "shards", {"mixed": True}, fill, print).path
    packed = build.build_packed_rows(folder, sample_bundle.tokenizer, 512, tmp_path, print).path
    bundle = Bundle(folder, sample_bundle.tokenizer, packed)
    found = statistics(bundle)
    assert found.duplicates_dropped == 5
    assert found.documents == len(validation) + len(train)
    assert check_no_duplicates(bundle)[0]


def test_text_in_both_train_and_validation_rows_is_noticed(sample_bundle, tmp_path):
    copy = Bundle(sample_bundle.shards, sample_bundle.tokenizer, tmp_path / "packed")
    shutil.copytree(sample_bundle.packed, copy.packed)
    path = copy.packed / "trusted" / "document_hashes.npy"
    hashes = np.load(path)
    one, other = (int(sample_bundle.rows(split).documents[0, 0]) for split in ("train", "decoy"))
    hashes[one] = hashes[other]
    np.save(path, hashes)
    passed, sentence = check_no_duplicates(copy)
    assert not passed
    assert "Both train and validation rows have 1 text;" in sentence


def test_sample_documents_are_short_distinct_and_in_a_fixed_order():
    files = sample.source_files()
    documents = sample.documents(files)
    assert documents == sample.documents(files[::-1])
    assert len(set(documents)) == len(documents)
    assert all(200 <= len(document) <= 1601 for document in documents)
    assert not any({"test", "tests", "site-packages"} & set(path.parts) for path in files)


def test_shards_have_climbmix_schema_and_several_row_groups(sample_bundle):
    import pyarrow.parquet as pq

    for path in sample_bundle.shards.glob("*.parquet"):
        file = pq.ParquetFile(path)
        assert file.schema_arrow.names == ["text"]
        assert file.num_row_groups > 1
