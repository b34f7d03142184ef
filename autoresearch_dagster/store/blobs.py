"""Files named by the SHA-256 of their content: train.py, plans, checkpoints, receipts, curves."""

import hashlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from autoresearch_dagster.core.errors import StoreUnavailable
from autoresearch_dagster.core.experiment import Digest, digest_of
from autoresearch_dagster.core.folders import sync

CHUNK_BYTES = 1024 * 1024
UNFINISHED = ".new-"
"""How the names of files begin that are being written."""
NAME = re.compile(r"[0-9a-f]{64}")
PREFIX = re.compile(r"[0-9a-f]{2,64}")


def _nothing_known(_digest: Digest) -> str:
    return ""


class Blobs:
    """A folder of blobs.  A blob is whole or absent; the same bytes are kept once."""

    def __init__(self, root: Path, why_absent: Callable[[Digest], str] = _nothing_known) -> None:
        """Use a folder; `why_absent` gives the sentence for a blob that was removed on purpose."""
        self._root = root
        self._why_absent = why_absent

    @property
    def root(self) -> Path:
        """The folder."""
        return self._root

    def path(self, digest: Digest) -> Path:
        """Where a blob is, or would be.

        Raises:
            StoreUnavailable: that is not a digest, whoever wrote it there.
        """
        if not NAME.fullmatch(digest):
            raise StoreUnavailable(f"{digest[:80]!r} does not name a blob; the journal that says so is damaged.")
        return self._root / digest[:2] / digest

    def named(self, prefix: str) -> list[Digest]:
        """Return the blobs whose names begin so, in order; two characters of a name at least.

        Raises:
            StoreUnavailable: that is no beginning of a name.
        """
        if not PREFIX.fullmatch(prefix):
            raise StoreUnavailable(f"{prefix[:80]!r} does not begin the name of a blob.")
        found = (self._root / prefix[:2]).glob(f"{prefix}*")
        return sorted(Digest(path.name) for path in found if NAME.fullmatch(path.name))

    def has(self, digest: Digest) -> bool:
        """Whether a blob is there; it may be damaged."""
        return self.path(digest).is_file()

    def require(self, digest: Digest) -> Path:
        """Where a blob is.

        Raises:
            StoreUnavailable: it is missing; the text says why, as far as that is known.
        """
        if not self.has(digest):
            raise self._missing(digest)
        return self.path(digest)

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

    def put_chunks(self, chunks: Iterable[bytes], digest: Digest) -> None:
        """Keep bytes that come in pieces and must have this digest.

        Raises:
            StoreUnavailable: the folder cannot be written, or the bytes are others.
        """
        found = hashlib.sha256()
        with self._temporary() as temporary:
            with temporary.open("wb") as file:
                for chunk in chunks:
                    found.update(chunk)
                    file.write(chunk)
            if found.hexdigest() != digest:
                raise StoreUnavailable(f"The blob {digest[:12]} changed while it was read; try again.")
            self._install(temporary, self.path(digest))

    def get(self, digest: Digest) -> bytes:
        """Return a blob's bytes.

        Raises:
            StoreUnavailable: it is missing or damaged.
        """
        try:
            data = self.path(digest).read_bytes()
        except OSError as fault:
            raise self._missing(digest) from fault
        if digest_of(data) != digest:
            raise StoreUnavailable(f"The blob {digest[:12]} in {self._root} is damaged; restore it.")
        return data

    def _missing(self, digest: Digest) -> StoreUnavailable:
        known = self._why_absent(digest)
        return StoreUnavailable(known or f"The blob {digest[:12]} is missing from {self._root}; restore it.")

    @contextmanager
    def _temporary(self) -> Iterator[Path]:
        """A new file in the same file system; what is left of it after a fault is removed."""
        temporary: Path | None = None
        try:
            self._root.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=UNFINISHED, dir=self._root)
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
        sync(temporary)
        target.parent.mkdir(exist_ok=True)
        temporary.replace(target)
        sync(target.parent)
