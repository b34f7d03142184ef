"""Files named by the SHA-256 of their content: train.py, plans, checkpoints, receipts, curves."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autoresearch_dagster.core.errors import StoreUnavailable
from autoresearch_dagster.core.experiment import Digest, digest_of

CHUNK_BYTES = 1024 * 1024


class Blobs:
    """A folder of blobs.  A blob is whole or absent; the same bytes are kept once."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def path(self, digest: Digest) -> Path:
        """Where a blob is, or would be."""
        return self._root / digest[:2] / digest

    def put(self, data: bytes) -> Digest:
        """Keep some bytes and return their name.

        Raises:
            StoreUnavailable: the folder cannot be written.
        """
        digest = digest_of(data)
        if not self.path(digest).exists():
            with self._temporary() as temporary:
                temporary.write_bytes(data)
                self._install(temporary, self.path(digest))
        return digest

    def put_file(self, source: Path) -> Digest:
        """Keep a copy of a file without holding it in memory.

        Raises:
            StoreUnavailable: the folder cannot be written, or the file not be read.
        """
        digest = hashlib.sha256()
        with self._temporary() as temporary:
            shutil.copyfile(source, temporary)
            with temporary.open("rb") as file:
                while chunk := file.read(CHUNK_BYTES):
                    digest.update(chunk)
            name = Digest(digest.hexdigest())
            self._install(temporary, self.path(name))
        return name

    def get(self, digest: Digest) -> bytes:
        """Return a blob's bytes.

        Raises:
            StoreUnavailable: it is missing or damaged.
        """
        try:
            data = self.path(digest).read_bytes()
        except OSError as fault:
            raise StoreUnavailable(f"The blob {digest[:12]} is missing from {self._root}; restore it.") from fault
        if digest_of(data) != digest:
            raise StoreUnavailable(f"The blob {digest[:12]} in {self._root} is damaged; restore it.")
        return data

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        """A new file in the same file system; what is left of it after a fault is removed."""
        temporary: Path | None = None
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".new-", dir=self._root)
            os.close(handle)
            temporary = Path(name)
            yield temporary
        except OSError as fault:
            raise StoreUnavailable(
                f"A blob cannot be written to {self._root} ({fault.strerror}); "
                "free some space there, or set AUTORESEARCH_HOME to a folder that can be written."
            ) from fault
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)

    def _install(self, temporary: Path, target: Path) -> None:
        """Give a whole file its name, so that neither a crash nor a power cut leaves half a blob."""
        _sync(temporary)
        target.parent.mkdir(exist_ok=True)
        temporary.replace(target)
        _sync(target.parent)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
