"""What `test_safe_read.py` leaves out: parts of files, linked folders, counts of batches."""

import json

import pytest

from autoresearch_dagster.training.safe_read import parse_batches, read_part, read_regular


def test_a_folder_that_is_a_link_is_not_followed(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "f").write_bytes(b"x")
    (tmp_path / "linked").symlink_to(tmp_path / "real")
    with pytest.raises(OSError):
        read_regular(tmp_path / "linked", "f", 3)


@pytest.mark.parametrize(("from_end", "expected"), [(False, b"ab"), (True, b"ef")])
def test_a_part_of_a_long_file_may_be_read(tmp_path, from_end, expected):
    (tmp_path / "f").write_bytes(b"abcdef")
    assert read_part(tmp_path, "f", 2, from_end=from_end) == expected


def line(**point):
    return json.dumps(point).encode()


def test_batches_are_the_last_count_without_a_loss():
    data = b"\n".join([line(step=1, loss=None, elapsed_s=0), line(step=9, loss=None, elapsed_s=1), b"junk"])
    assert parse_batches(data) == 9
    assert parse_batches(line(step=9, loss=1.0, elapsed_s=1)) is None
