"""What was once learned from the hub: which commit a revision was, and what its files are."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from pydantic import Field

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.core.experiment import Data, Digest

Commit = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]


class RemoteFile(Data):
    """A file as the hub names it."""

    size_bytes: Annotated[int, Field(gt=0)]
    sha256: Annotated[Digest, Field(pattern=r"^[0-9a-f]{64}$")]


class Record(Data):
    """Revisions as they were when they were first used; data never moves under a research."""

    repository: str
    revisions: dict[str, Commit] = Field(default_factory=dict)
    files: dict[Commit, dict[str, RemoteFile]] = Field(default_factory=dict)

    def learned(self, revision: str, commit: str, files: Mapping[str, RemoteFile]) -> "Record":
        """Add what is known of a commit."""
        known = {**self.files.get(commit, {}), **files}
        return Record(
            repository=self.repository,
            revisions={**self.revisions, revision: commit},
            files={**self.files, commit: dict(sorted(known.items()))},
        )


def read_record(path: Path, repository: str) -> Record:
    """Read the record; an empty one if there is none.

    Raises:
        BundleError: it is damaged or belongs to another repository.
    """
    try:
        record = Record.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Record(repository=repository)
    except ValueError as fault:
        raise BundleError(
            f"{path}, which records the commit that is used, is not readable; restore it, or delete it to take "
            "the present commit."
        ) from fault
    if record.repository != repository:
        raise BundleError(f"{path} belongs to {record.repository}, not to {repository}; move it away.")
    return record


def write_record(path: Path, record: Record) -> None:
    """Replace the record; a reader sees the old or the new one."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with fresh.open("w", encoding="utf-8") as file:
        file.write(record.model_dump_json(indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    fresh.replace(path)
