import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.limits import PACKED_PER_SHARD_BYTE
from autoresearch_dagster.data.record import Record, RemoteFile, read_record, write_record

A, B = "a" * 40, "b" * 40
FILE = RemoteFile(size_bytes=1, sha256="0" * 64)
digests = st.text("0123456789abcdef", min_size=64, max_size=64)
files = st.dictionaries(
    st.text(max_size=20), st.builds(RemoteFile, size_bytes=st.integers(1), sha256=digests), max_size=3
)


@settings(max_examples=25)
@given(steps=st.lists(st.tuples(st.text(), st.sampled_from([A, B]), files), max_size=4))
def test_what_is_learned_is_kept_and_comes_back(steps, tmp_path_factory):
    path = tmp_path_factory.mktemp("record") / "climbmix.json"
    record = Record(repository="r")
    for revision, commit, some in steps:
        record = record.learned(revision, commit, some)
        write_record(path, record)
        assert read_record(path, "r") == record
        assert record.revisions[revision] == commit
        assert record.files[commit].items() >= some.items()


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"repository": "r", "revisions": {"main": "../.."}}', '{"repository": "r", "x": 1}']
)
def test_damaged_record_is_refused(text, tmp_path):
    path = tmp_path / "climbmix.json"
    path.write_text(text)
    with pytest.raises(BundleError, match="restore it, or delete it"):
        read_record(path, "r")


def test_record_of_another_repository_is_refused(tmp_path):
    write_record(tmp_path / "climbmix.json", Record(repository="other"))
    with pytest.raises(BundleError, match="belongs to other"):
        read_record(tmp_path / "climbmix.json", "r")


def test_the_estimate_of_rows_covers_the_sample(sample_bundle):
    made = sum(path.stat().st_size for path in sample_bundle.packed.rglob("*") if path.is_file())
    made += sum(path.stat().st_size for path in sample_bundle.tokenizer.iterdir())
    shards = sum(path.stat().st_size for path in sample_bundle.shards.glob("*.parquet"))
    assert made < PACKED_PER_SHARD_BYTE * shards < 3 * made
