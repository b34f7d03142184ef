"""SHA-256 of large files, computed once: a file whose path, size, time and inode are the same is the same."""

import hashlib
import os
import tempfile
from pathlib import Path
from typing import TypeGuard

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.experiment import Data, Digest, digest_of
from autoresearch_dagster.core.progress import Meter, Report, silent
from autoresearch_dagster.data.faults import reason

FOLDER = "digests"
_READ_BYTES = 1 << 20


class _Known(Data):
    """What a file was when it was hashed."""

    path: str
    size: int
    mtime_ns: int
    inode: int
    sha256: str


class FileDigests:
    """Digests of files outside our folders, remembered in `root/digests`, one small file for each path."""

    def __init__(self, root: Path, report: Report) -> None:
        self._folder = root / FOLDER
        self._report = report

    def of(self, path: Path) -> Digest:
        """Return the digest of a file; a known one that has changed since is said and hashed again.

        Raises:
            BundleError: the file cannot be read, or changes while it is read.
        """
        path = path.resolve()
        now, known = self._look(path), self._recall(path)
        if _same(known, now):
            return Digest(known.sha256)
        if known is not None:
            self._report(f"{path} was touched since it was last read; looking whether its content changed.")
        digest = self._hash(path, now)
        if known is not None and known.sha256 != digest:
            self._report(f"{path} has CHANGED: what is built from it now is another bundle.")
        self._remember(now.model_copy(update={"sha256": digest}))
        return digest

    def peek(self, path: Path) -> Digest:
        """Return the digest of a file without keeping it, so that whoever builds next still hears of a change.

        Raises:
            BundleError: as `of`.
        """
        path = path.resolve()
        now, known = self._look(path), self._recall(path)
        return Digest(known.sha256) if _same(known, now) else self._hash(path, now)

    def _hash(self, path: Path, before: _Known) -> Digest:
        try:
            digest = file_digest(path, Meter(f"hashing {path.name}", before.size, "bytes", self._report))
        except OSError as fault:
            raise _unreadable(path, fault) from fault
        if self._look(path) != before:
            raise BundleError(f"{path} changed while it was being read; start again when nobody writes to it.")
        return digest

    def _look(self, path: Path) -> _Known:
        try:
            found = path.stat()
        except OSError as fault:
            raise _unreadable(path, fault) from fault
        return _Known(path=str(path), size=found.st_size, mtime_ns=found.st_mtime_ns, inode=found.st_ino, sha256="")

    def _place(self, path: Path) -> Path:
        return self._folder / f"{digest_of(str(path).encode())[:16]}.json"

    def _recall(self, path: Path) -> _Known | None:
        try:
            known = _Known.model_validate_json(self._place(path).read_bytes())
        except (OSError, ValueError):
            return None
        return known if known.path == str(path) else None

    def _remember(self, known: _Known) -> None:
        """Write it down; where that cannot be done the next build hashes again, and nothing else is lost."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=self._folder)
            try:
                with os.fdopen(handle, "w", encoding="utf-8") as file:
                    file.write(known.model_dump_json(indent=1) + "\n")
                Path(name).replace(self._place(Path(known.path)))
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise
        except OSError as fault:
            self._report(f"The digest of {known.path} could not be kept ({reason(fault)}); it is computed again.")


def _same(known: _Known | None, now: _Known) -> TypeGuard[_Known]:
    return known is not None and known.model_copy(update={"sha256": ""}) == now


def file_digest(path: Path, meter: Meter | None = None) -> Digest:
    """Hash a file."""
    meter = meter or Meter(path.name, None, "bytes", silent)
    state = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            state.update(block)
            meter.add(len(block))
    return Digest(state.hexdigest())


def _unreadable(path: Path, fault: OSError) -> BundleError:
    return BundleError(f"{path} cannot be read ({reason(fault)}); put it back or make it readable.")
