"""The climbmix corpus: which shards of which commit, recorded once, and how they come into a folder."""

import re
import shutil
import threading
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

from filelock import FileLock, Timeout
from pydantic import JsonValue

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.core.progress import Report, in_unit, silent
from autoresearch_dagster.data.disk import check_room, disk_faults
from autoresearch_dagster.data.download import Remote, fetch, survey
from autoresearch_dagster.data.folders import SHORT, one_at_a_time
from autoresearch_dagster.data.record import Record, RemoteFile, read_record, write_record
from autoresearch_dagster.data.retries import Passing, Patience, RetryLimits
from autoresearch_dagster.data.shards import shard_name

NAME = "climbmix"
REPOSITORY = "karpathy/climbmix-400b-shuffle"
RECORD = "climbmix.json"
LOCK = ".lock"
_DEFAULT_REVISION = "main"
_COMMIT = re.compile(r"[0-9a-f]{40}")
Answer = TypeVar("Answer")


class Repository(Remote, Protocol):
    """A hub's repository; each call is one try, `Passing` says that another may help."""

    endpoint: str

    def commit_of(self, revision: str) -> str:
        """Resolve a branch, a tag or a shortened commit."""
        ...

    def describe(self, commit: str, names: list[str]) -> dict[str, RemoteFile]:
        """Size and SHA-256 of those files that exist."""
        ...


def _hub() -> Repository:
    from autoresearch_dagster.data.hub import Hub  # its imports take 0.3 s, and most builds need none of it

    return Hub(REPOSITORY)


def _free_bytes(folder: Path) -> int:
    return shutil.disk_usage(folder).free


@dataclass(frozen=True)
class Surroundings:
    """What a download touches besides its folder: the hub, the patience with it, the disk."""

    repository: Callable[[], Repository] = _hub
    numbers: RetryLimits = field(default_factory=RetryLimits)
    free_bytes: Callable[[Path], int] = _free_bytes


@dataclass(frozen=True)
class Climbmix:
    """Some shards of one commit."""

    commit: str
    files: Mapping[str, RemoteFile]
    root: Path
    report: Report
    surroundings: Surroundings

    @property
    def inputs(self) -> Mapping[str, JsonValue]:
        """Identity: repository, commit and hashes."""
        hashes: dict[str, JsonValue] = {name: file.sha256 for name, file in self.files.items()}
        return {"source": NAME, "repository": REPOSITORY, "commit": self.commit, "sha256": hashes}

    @property
    def downloads(self) -> Path:
        """Where files are until they are published, and links to them afterwards."""
        return self.root / "downloads" / NAME / self.commit[:SHORT]

    def fill(self, folder: Path, digest: Digest) -> Mapping[str, JsonValue]:
        """Put the shards into a folder, fetching what is missing.

        Raises:
            BundleError: they cannot be had, or there is no room.
        """
        home = self.downloads
        with disk_faults(home), one_at_a_time(home, LOCK, f"{NAME} {self.commit[:SHORT]}", self.report):
            if missing := survey(NAME, self.files, home, self.report):
                self._fetch(missing)
            else:
                self.report(f"{NAME}: all {len(self.files)} files are here already")
            for name in self.files:
                _link(home / name, folder / name)
        return {
            "source": f"{NAME}@{self.commit}",
            "repository": REPOSITORY,
            "commit": self.commit,
            "num_shards": len(self.files) - 1,
        }

    def _fetch(self, missing: Mapping[str, int]) -> None:
        size = sum(file.size_bytes for file in self.files.values())
        to_fetch = sum(self.files[name].size_bytes - begun for name, begun in missing.items())
        free = self.surroundings.free_bytes(self.downloads)
        check_room(f"{NAME} with num_shards={len(self.files) - 1}", self.root, to_fetch, size, free)
        repository = self.surroundings.repository()
        self.report(
            f"{NAME}: fetching {len(missing)} of {len(self.files)} files, {in_unit(to_fetch, 'bytes')}, "
            f"commit {self.commit[:SHORT]}, from {repository.endpoint}"
        )
        numbers = self.surroundings.numbers
        fetch(NAME, repository, self.commit, self.files, missing, self.downloads, numbers, self.report)

    def tidy(self, published: Path) -> None:
        """Delete downloads that could not be linked and so take their space twice."""
        downloads = {self.downloads / name: published / name for name in self.files}
        twice = [path for path, other in downloads.items() if _only_name(path) and other.is_file()]
        if not twice:
            return
        with suppress(Timeout), disk_faults(self.downloads), FileLock(self.downloads / LOCK, timeout=0):
            for path in twice:  # where another process is at it, a later build tidies
                path.unlink(missing_ok=True)


def open_climbmix(
    source: str, num_shards: int, root: Path, report: Report, surroundings: Surroundings | None = None
) -> Climbmix:
    """Find the shards of `climbmix` or `climbmix@REVISION`; asks the hub only for what is not recorded.

    Raises:
        UserError: there is no such revision, or it has not that many shards.
        BundleError: the hub cannot be asked.
    """
    revision, names = _asked_for(source, num_shards)
    surroundings = surroundings or Surroundings()
    with disk_faults(root):
        record = read_record(root / RECORD, REPOSITORY)
        if not _known(record, revision, names):
            with one_at_a_time(root, f".{RECORD}.lock", NAME, report):
                record = _ask(read_record(root / RECORD, REPOSITORY), revision, names, surroundings, report)
                write_record(root / RECORD, record)
    commit = _commit(record, revision) or ""
    files = {name: record.files[commit][name] for name in names}
    return Climbmix(commit, files, root, report, surroundings)


def recorded_climbmix(source: str, num_shards: int, root: Path) -> Climbmix | None:
    """Find the shards by the record alone, None where it does not know them; nobody is asked, nothing is written.

    Raises:
        UserError: there can be no such revision, or not that many shards.
        BundleError: the record is damaged.
    """
    revision, names = _asked_for(source, num_shards)
    record = read_record(root / RECORD, REPOSITORY)
    if not _known(record, revision, names):
        return None
    commit = _commit(record, revision) or ""
    return Climbmix(commit, {name: record.files[commit][name] for name in names}, root, silent, Surroundings())


def _asked_for(source: str, num_shards: int) -> tuple[str, list[str]]:
    """Return the revision and the names of the files."""
    if not 1 <= num_shards <= limits.VALIDATION_SHARD:
        raise UserError(
            f"num_shards={num_shards} is out of range; climbmix has 1 to {limits.VALIDATION_SHARD} train shards."
        )
    revision = source.removeprefix(NAME).removeprefix("@") or _DEFAULT_REVISION
    if source.endswith("@") or revision != revision.strip():
        raise UserError(f"There is no revision in source={source!r}; use climbmix or climbmix@REVISION.")
    return revision, [shard_name(index) for index in (*range(num_shards), limits.VALIDATION_SHARD)]


def _commit(record: Record, revision: str) -> str | None:
    return revision if _COMMIT.fullmatch(revision) else record.revisions.get(revision)


def _known(record: Record, revision: str, names: list[str]) -> bool:
    commit = _commit(record, revision)
    return commit is not None and set(names) <= set(record.files.get(commit, {}))


def _ask(record: Record, revision: str, names: list[str], surroundings: Surroundings, report: Report) -> Record:
    """Learn from the hub what is not recorded."""
    if _known(record, revision, names):
        return record
    repository = surroundings.repository()
    report(f"{NAME}: asking {repository.endpoint} for {REPOSITORY} at {revision}")
    commit = _commit(record, revision)
    if commit is None:
        commit = _tried(partial(repository.commit_of, revision), surroundings.numbers, report)
    known = record.files.get(commit, {})
    unknown = [name for name in names if name not in known]
    found: dict[str, RemoteFile] = {}
    for start in range(0, len(unknown), limits.HUB_PATHS):
        some = unknown[start : start + limits.HUB_PATHS]
        found |= _tried(partial(repository.describe, commit, some), surroundings.numbers, report)
    if absent := [name for name in unknown if name not in found]:
        others = f" and {len(absent) - 1} more" if len(absent) > 1 else ""
        raise UserError(
            f"{REPOSITORY} has no {absent[0]}{others} at the commit {commit}; ask for fewer shards or another "
            "climbmix@REVISION."
        )
    return record.learned(revision, commit, found)


def _tried(ask: Callable[[], Answer], numbers: RetryLimits, report: Report) -> Answer:
    patience = Patience(NAME, numbers, report, threading.Event().wait)
    while True:
        try:
            return ask()
        except Passing as fault:
            patience.wait(fault)


def _only_name(path: Path) -> bool:
    try:
        return path.stat().st_nlink == 1
    except FileNotFoundError:
        return False


def _link(download: Path, published: Path) -> None:
    try:
        published.hardlink_to(download)
    except OSError:  # a file system without links, or folders on two of them
        shutil.copyfile(download, published)
