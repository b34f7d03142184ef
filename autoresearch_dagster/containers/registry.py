"""Which processes of this installation run jobs: records on disk that outlive the driver.

A record is written before anything else of a job is made, so that whatever a killed driver leaves is found.
"""

import contextlib
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import ConfigDict

from autoresearch_dagster.containers.job_group import JobGroup
from autoresearch_dagster.containers.process_tree import identity, kill_tree
from autoresearch_dagster.core.experiment import Data, digest_of
from autoresearch_dagster.core.folders import write_whole

FOLDER_PREFIX = "ar-job-"


class KnownJob(Data):
    """One record; `pid` is 0 until there is a process, which `process` names for good; `groups`: control groups."""

    model_config = ConfigDict(frozen=True, extra="ignore")  # earlier versions wrote other fields, too

    pid: int = 0
    process: str = ""
    folder: str
    labels: dict[str, str]
    groups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A job's record and its folder, both there."""

    path: Path
    folder: Path
    labels: Mapping[str, str]

    def note(self, pid: int = 0, group: JobGroup | None = None) -> None:
        """Take down what there is of the job now."""
        known = KnownJob(
            pid=pid,
            process=identity(pid) if pid else "",
            folder=str(self.folder),
            labels=dict(self.labels),
            groups=tuple(map(str, group.folders)) if group else (),
        )
        write_whole(self.path, known.model_dump_json().encode())

    def remove(self) -> None:
        """Delete the folder, then the record."""
        shutil.rmtree(self.folder, ignore_errors=True)
        self.path.unlink(missing_ok=True)


class Registry:
    """The records of one installation, whatever runner wrote them."""

    def __init__(self, folder: Path) -> None:
        """Keep records in `folder`, which is made when the first one is written."""
        self._folder = folder
        self._owner = digest_of(str(folder.resolve()).encode())[:8]

    def begin(self, labels: Mapping[str, str]) -> Entry:
        """Make the record and the folder of a new job.

        Raises:
            OSError: there is no place for them; nothing is left.
        """
        name = f"{FOLDER_PREFIX}{self._owner}-{uuid.uuid4().hex[:12]}"
        entry = Entry(self._folder / f"{name}.json", Path(tempfile.gettempdir()) / name, labels)
        entry.note()
        try:
            entry.folder.mkdir(mode=0o700)
        except OSError:
            entry.remove()
            raise
        return entry

    def reap(self, labels: Mapping[str, str]) -> int:
        """End and remove every job that carries all of `labels`; return how many there were."""
        count = 0
        for path, known in self._known():
            if not labels.items() <= known.labels.items():
                continue
            if known.pid and identity(known.pid) == known.process:
                kill_tree(known.pid)
            if known.groups:
                JobGroup(tuple(map(Path, known.groups))).remove()
            Entry(path, Path(known.folder), known.labels).remove()
            count += 1
        return count

    def labelled(self, name: str) -> set[str]:
        """Return the values that the label `name` has among all jobs."""
        return {known.labels[name] for _, known in self._known() if name in known.labels}

    def _known(self) -> Iterator[tuple[Path, KnownJob]]:
        """Every record; one that another process removes meanwhile is passed over."""
        for path in sorted(self._folder.glob("*.json")):
            with contextlib.suppress(OSError, ValueError):
                yield path, KnownJob.model_validate_json(path.read_bytes())
