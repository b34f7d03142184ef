"""Your own corpus: a folder of parquet shards, linked and never copied.

The links are symbolic.  A hard link needs the same disk, would have us change the permissions of your file, and
follows a file that is written in place just as well; a path in a manifest would make every reader tell two kinds
of shards apart.  What a link points to may change, so the content names the bundle: it is hashed (once, see
`digests`) before anything is built from it, and looked at again after each time it was read.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.core.progress import Report, counted
from autoresearch_dagster.data.digests import FileDigests
from autoresearch_dagster.data.reading import documents_in
from autoresearch_dagster.data.shards import shard_name

_NUMBER = re.compile(r"(\d+)")


@dataclass(frozen=True)
class OwnCorpus:
    """Shards of a folder by the names they get in the bundle, with their digests."""

    folder: Path
    files: Mapping[str, Path]
    digests: Mapping[str, Digest]

    @property
    def inputs(self) -> Mapping[str, JsonValue]:
        """Identity: contents and places, since the links hold the places."""
        files: dict[str, JsonValue] = {
            name: {"file": path.name, "sha256": self.digests[name]} for name, path in self.files.items()
        }
        return {"source": "folder", "folder": str(self.folder), "files": files}

    def fill(self, folder: Path, digest: Digest) -> Mapping[str, JsonValue]:
        """Link the shards into a folder."""
        for name, path in self.files.items():
            (folder / name).symlink_to(path)
        return {
            "source": str(self.folder),
            "num_shards": len(self.files) - 1,
            "files": {name: str(found) for name, found in self.digests.items()},
        }


def folder_of(source: str) -> Path:
    """Return the folder that a source names, absolute, links resolved, `~` expanded.

    Raises:
        UserError: no folder can have that name.
    """
    try:
        if not source.strip():
            raise ValueError("it is empty")
        return Path(source).expanduser().resolve()
    except (ValueError, RuntimeError, OSError) as fault:
        raise UserError(f"The source {source!r} names no folder ({fault}); write its whole path.") from fault


def open_own_corpus(source: str, num_shards: int, root: Path, report: Report) -> OwnCorpus:
    """Choose the shards of a folder: its last file for validation, the first `num_shards` others for training.

    Raises:
        UserError: there are fewer than two shards, or fewer than asked for.
        BundleError: a shard is no parquet file with documents in a column `text`.
    """
    folder = folder_of(source)
    found = shards_in(folder)
    if len(found) < 2:
        raise UserError(
            f"{folder} holds {counted(len(found), 'parquet file')} and at least 2 are needed: the last one by name "
            "is the validation shard, the others are for training."
        )
    *train, validation = found
    most = min(len(train), limits.VALIDATION_SHARD)
    if not 1 <= num_shards <= most:
        raise UserError(f"num_shards={num_shards} is out of range; {folder} has 1 to {most} train shards.")
    files = {shard_name(number): path for number, path in enumerate(train[:num_shards])}
    files[shard_name(limits.VALIDATION_SHARD)] = validation
    for path in files.values():
        documents_in(path)
    digests = FileDigests(root, report)
    return OwnCorpus(folder, files, {name: digests.of(path) for name, path in files.items()})


def shards_in(folder: Path) -> list[Path]:
    """List the parquet files of a folder by name, where numbers count as numbers: 9 before 10."""

    def place(path: Path) -> tuple[list[tuple[int, int, str]], str]:
        parts = [part for part in _NUMBER.split(path.name) if part]
        return [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts], path.name

    try:
        files = [path for path in folder.glob("*.parquet") if path.is_file() and not path.name.startswith(".")]
    except OSError as fault:
        raise UserError(f"The folder {folder} cannot be listed ({fault.strerror}); make it readable.") from fault
    return sorted(files, key=place)
