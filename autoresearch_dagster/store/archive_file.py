"""The file that a session is moved in: a plain tar, which has one spelling only.

It is written without compression, times, owners or links, so that equal content gives equal bytes; `tar -tf`
lists it.  Whoever reads it believes nothing: a header must be, byte for byte, the one that we would have
written for its name and size.  That leaves no room for links, devices, paths, sparse files or bombs.
"""

import hashlib
import os
import re
import tarfile
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from autoresearch_dagster.core.errors import StoreUnavailable, UserError
from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.core.limits import ARCHIVE_MEMBERS

BLOCK: Final = 512
END: Final = bytes(2 * BLOCK)
CHUNK_BYTES: Final = 1024 * 1024
MANIFEST, EVENTS, BLOBS = "manifest.json", "events.jsonl", "blobs/"
NAME = re.compile(rf"{MANIFEST}|{EVENTS}|{BLOBS}[0-9a-f]{{64}}")


@dataclass(frozen=True, slots=True)
class Member:
    """One file of an archive: where its bytes are."""

    offset: int
    size: int


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.mtime = size, 0o644, 0
    return info.tobuf(tarfile.USTAR_FORMAT, "ascii", "strict")


def _padding(size: int) -> bytes:
    return bytes(-size % BLOCK)


class ArchiveWriter:
    """Writes members one after the other."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def add(self, name: str, data: bytes) -> None:
        """Write a member that is in memory."""
        self._file.write(_header(name, len(data)) + data + _padding(len(data)))

    def add_blob(self, digest: Digest, path: Path, size: int) -> None:
        """Write a blob without holding it in memory.

        Raises:
            StoreUnavailable: it is damaged.
        """
        self._file.write(_header(BLOBS + digest, size))
        found, left = hashlib.sha256(), size
        with path.open("rb") as source:
            while chunk := source.read(min(CHUNK_BYTES, left)):
                found.update(chunk)
                self._file.write(chunk)
                left -= len(chunk)
        if left or found.hexdigest() != digest:
            raise StoreUnavailable(f"The blob {digest[:12]} is damaged; restore it before you export.")
        self._file.write(_padding(size))


@contextmanager
def new_archive(target: Path) -> Iterator[ArchiveWriter]:
    """Write an archive that is whole or absent.

    Raises:
        UserError: there is something of that name already, or the folder cannot be written.
    """
    if target.exists() or target.is_symlink():
        raise UserError(f"{target} exists already; choose another name, or delete it first.")
    temporary: Path | None = None
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", suffix=".new", dir=target.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as file:
            yield ArchiveWriter(file)
            file.write(END)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as fault:
        raise UserError(f"{target} cannot be written ({fault.strerror}); choose another place.") from fault
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


class ArchiveReader:
    """The members of an archive, each checked to be spelled as we spell them."""

    def __init__(self, file: BinaryIO) -> None:
        """Index an archive by reading nothing but its headers.

        Raises:
            ValueError: it is not an archive of ours; the text is the end of a sentence.
        """
        self._file = file
        self.members: dict[str, Member] = {}
        size = file.seek(0, os.SEEK_END)
        offset = 0
        while True:
            file.seek(offset)
            block = file.read(BLOCK)
            if block == END[:BLOCK]:
                break
            name, length = _parse(block)
            if name in self.members or len(self.members) >= ARCHIVE_MEMBERS:
                raise ValueError(f"it holds {name} twice, or more than {ARCHIVE_MEMBERS} files")
            self.members[name] = Member(offset + BLOCK, length)
            offset += BLOCK + length + len(_padding(length))
            if offset > size:
                raise ValueError("it is cut off")
        if file.read() != END[BLOCK:]:
            raise ValueError("there is something after its end")
        if list(self.members)[:2] != [MANIFEST, EVENTS]:
            raise ValueError(f"it does not begin with {MANIFEST} and {EVENTS}")

    def read(self, name: str, most: int) -> bytes:
        """Return a member's bytes.

        Raises:
            ValueError: it is larger than `most` bytes.
        """
        member = self.members[name]
        if member.size > most:
            raise ValueError(f"its {name} has {member.size} bytes and may have {most}")
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterable[bytes]:
        """Yield a member's bytes in pieces."""
        member = self.members[name]
        self._file.seek(member.offset)
        left = member.size
        while left:
            chunk = self._file.read(min(CHUNK_BYTES, left))
            if not chunk:
                raise ValueError("it was cut off while it was read")
            left -= len(chunk)
            yield chunk


def _parse(block: bytes) -> tuple[str, int]:
    """Read a header and compare it with the only one that it may be."""
    try:
        name = block[:100].rstrip(b"\0").decode("ascii")
        size = int(block[124:135], 8)
    except (ValueError, UnicodeDecodeError):
        raise ValueError("it is not a session that `autoresearch session export` wrote") from None
    if size < 0 or not NAME.fullmatch(name) or block != _header(name, size):
        raise ValueError("it is not a session that `autoresearch session export` wrote, or was packed anew")
    return name, size
