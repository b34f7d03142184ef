"""Folders and files: temporary ones, how they are deleted, how a file is written whole."""

import os
import subprocess
import tempfile
from pathlib import Path

from autoresearch_dagster.core.limits import SOCKET_PATH_BYTES

SHORT_PARENT = Path("/tmp")
UNIQUE_CHARS = 8  # that mkdtemp adds to a prefix


def short_folder(prefix: str, *below: str) -> Path:
    """Make a temporary folder in which a Unix socket at the path `below` can be bound.

    `TMPDIR` where that is short enough, else `/tmp`: some systems have temporary folders with long names.
    """
    wanted = Path(tempfile.gettempdir(), prefix + UNIQUE_CHARS * "x", *below)
    fits = len(str(wanted).encode()) <= SOCKET_PATH_BYTES
    return Path(tempfile.mkdtemp(prefix=prefix, dir=None if fits else SHORT_PARENT))


def find_folders(prefix: str) -> list[Path]:
    """Return the temporary folders whose names begin so."""
    parents = {Path(tempfile.gettempdir()), SHORT_PARENT}
    return [folder for parent in parents for folder in parent.glob(f"{prefix}*")]


def remove_tree(folder: Path) -> None:
    """Delete a folder and all in it, links not followed; what cannot be deleted is left.

    `rm` and not `shutil.rmtree`, which recurses: thousands of nested folders would end in a RecursionError.
    """
    subprocess.run(["rm", "-rf", "--", str(folder)], check=False, capture_output=True)


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a reader, and whoever comes after a kill, finds all of it or what was there before."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(temporary).replace(path)
    except OSError:
        Path(temporary).unlink(missing_ok=True)
        raise


def sync(path: Path) -> None:
    """Put a file, or the names in a folder, on the disk itself: a power cut then leaves them as they are."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
