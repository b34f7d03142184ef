"""Blobs: whole or absent, named by their content."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from autoresearch_dagster.core.errors import StoreUnavailable
from autoresearch_dagster.core.experiment import Digest, digest_of
from autoresearch_dagster.store.blobs import CHUNK_BYTES, Blobs


def files(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


@given(st.binary(max_size=200))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_bytes_come_back_under_the_name_of_their_content(tmp_path: Path, data: bytes) -> None:
    blobs = Blobs(tmp_path / "blobs")
    assert blobs.put(data) == digest_of(data)
    assert blobs.get(digest_of(data)) == data


def test_the_same_bytes_are_kept_once(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    source = tmp_path / "source"
    source.write_bytes(b"twice")
    assert blobs.put(b"twice") == blobs.put(b"twice") == blobs.put_file(source)
    assert files(tmp_path / "blobs") == [blobs.path(digest_of(b"twice"))]


def test_a_file_larger_than_one_chunk_is_kept_whole(tmp_path: Path) -> None:
    source = tmp_path / "checkpoint"
    data = bytes(range(256)) * (CHUNK_BYTES // 256 + 3)
    source.write_bytes(data)
    blobs = Blobs(tmp_path / "blobs")
    assert blobs.get(blobs.put_file(source)) == data
    assert source.read_bytes() == data


def test_a_damaged_blob_is_never_returned(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    name = blobs.put(b"what was measured")
    blobs.path(name).write_bytes(b"what was wished")
    with pytest.raises(StoreUnavailable, match=f"{name[:12]} .* is damaged; restore it"):
        blobs.get(name)


def test_a_missing_blob_is_reported(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="is missing"):
        Blobs(tmp_path / "blobs").get(Digest("0" * 64))


def test_a_fault_while_copying_leaves_nothing_behind(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        blobs.put_file(tmp_path / "absent")
    assert files(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_reported(tmp_path: Path) -> None:
    (tmp_path / "blobs").write_text("in the way")
    with pytest.raises(StoreUnavailable, match="AUTORESEARCH_HOME"):
        Blobs(tmp_path / "blobs").put(b"data")


def test_blobs_are_found_by_the_beginning_of_their_names(tmp_path: Path) -> None:
    blobs = Blobs(tmp_path / "blobs")
    names = sorted(blobs.put(str(number).encode()) for number in range(600))
    twins = {name[:3] for name in names if sum(other.startswith(name[:3]) for other in names) > 1}

    assert blobs.named(names[0]) == [names[0]]
    assert all(len(blobs.named(prefix)) > 1 for prefix in twins)
    assert twins
    assert blobs.named("0" * 64) == []
    for wrong in ("", "a", "../x", "A" * 8, "*" * 8):
        with pytest.raises(StoreUnavailable, match="does not begin"):
            blobs.named(wrong)
