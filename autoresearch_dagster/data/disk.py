"""What a disk refuses, told in one sentence; and whether there is room before anything is fetched."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.progress import in_unit

FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_CLOSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_ELSEWHERE = "set AUTORESEARCH_HOME to a folder on another disk"


@contextmanager
def disk_faults(folder: Path) -> Iterator[None]:
    """Tell what the disk refuses while something is written into a folder.

    Raises:
        BundleError: a file could not be made, written or read.
    """
    try:
        yield
    except ConnectionError:
        raise
    except OSError as fault:
        if fault.errno is None:  # no refusal of the disk: libraries raise it for what they read
            raise
        place = fault.filename or folder
        if fault.errno in FULL:
            sentence = (
                f"The disk with {folder} is full; free some space or {_ELSEWHERE}, then run the same command "
                "again: what is there already is kept."
            )
        elif fault.errno in _CLOSED:
            sentence = f"{place} may not be used ({fault.strerror}); let this user write there or {_ELSEWHERE}."
        else:
            sentence = f"{place} cannot be used ({fault.strerror}); move it away or {_ELSEWHERE}."
        raise BundleError(sentence) from fault


def check_room(task: str, folder: Path, to_fetch: int, shards_bytes: int, free: int) -> None:
    """Refuse to begin what would not fit.

    Units: bytes; `to_fetch` is missing, `shards_bytes` is the size of all shards, `free` is what the disk has.

    Raises:
        BundleError: the download, the tokens made from it and the reserve do not fit.
    """
    made = round(shards_bytes * limits.PACKED_PER_SHARD_BYTE)
    needed = to_fetch + made + limits.DISK_RESERVE_BYTES
    if needed > free:
        told = (in_unit(size, "bytes") for size in (needed, to_fetch, made, limits.DISK_RESERVE_BYTES, free))
        whole, fetched, rows, reserve, has = told
        raise BundleError(
            f"{task} needs {whole} ({fetched} to download, about {rows} for tokenizer and rows, {reserve} kept "
            f"free) and the disk with {folder} has {has}; free some space, ask for fewer shards or {_ELSEWHERE}."
        )
