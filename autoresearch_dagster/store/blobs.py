"""Files named by the SHA-256 of their content: train.py, plans, checkpoints, receipts, curves."""

import hashlib
import os
import shutil
import tempfile
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
        """Keep some bytes and return their name."""
        digest = digest_of(data)
        target = self.path(digest)
        if not target.exists():
            temporary = self._temporary()
            temporary.write_bytes(data)
            self._install(temporary, target)
        return digest

    def put_file(self, source: Path) -> Digest:
        """Keep a copy of a file without holding it in memory."""
        temporary = self._temporary()
        shutil.copyfile(source, temporary)
        digest = hashlib.sha256()
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

    def _temporary(self) -> Path:
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=".new-", dir=self._root)
        except OSError as fault:
            raise StoreUnavailable(f"Blobs cannot be written to {self._root} ({fault.strerror}).") from fault
        os.close(handle)
        return Path(name)

    def _install(self, temporary: Path, target: Path) -> None:
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        target.parent.mkdir(exist_ok=True)
        temporary.replace(target)
