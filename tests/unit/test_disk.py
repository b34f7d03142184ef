import errno
import os

import pytest

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.limits import DISK_RESERVE_BYTES, PACKED_PER_SHARD_BYTE
from autoresearch_dagster.data.disk import check_room, disk_faults


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOSPC, "is full; free some space"),
        (errno.EDQUOT, "is full; free some space"),
        (errno.EACCES, "may not be used"),
        (errno.EROFS, "may not be used"),
        (errno.EIO, "cannot be used"),
    ],
)
def test_every_refusal_of_the_disk_is_one_sentence(number, words, tmp_path):
    with pytest.raises(BundleError) as refused, disk_faults(tmp_path):
        raise OSError(number, os.strerror(number))
    text = str(refused.value)
    assert words in text
    assert str(tmp_path) in text
    assert "AUTORESEARCH_HOME" in text
    assert text.count(".") - str(tmp_path).count(".") == 1


def test_faults_that_are_not_the_disks_pass():
    with pytest.raises(ConnectionResetError), disk_faults(None):
        raise ConnectionResetError(errno.ECONNRESET, "reset")
    with pytest.raises(OSError, match="not parquet"), disk_faults(None):
        raise OSError("not parquet")


def test_room_is_download_rows_and_reserve(tmp_path):
    shards = 1 << 30
    needed = (shards // 2) + round(shards * PACKED_PER_SHARD_BYTE) + DISK_RESERVE_BYTES
    check_room("climbmix", tmp_path, shards // 2, shards, needed)
    with pytest.raises(BundleError) as refused:
        check_room("climbmix", tmp_path, shards // 2, shards, needed - 1)
    for words in ("7.0 GiB", "512 MiB to download", "5.5 GiB", "1.0 GiB kept free", "free some space"):
        assert words in str(refused.value)
