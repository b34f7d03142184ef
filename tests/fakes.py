"""A runner whose jobs are scripts of what a real one would show: for what cannot be provoked on every machine."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from autoresearch_dagster.containers.protocol import Capabilities, JobSpec, JobStatus
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.progress import Report

RUNNING = JobStatus(exit_code=None, oom=False, cpu_s=0.0, memory_peak_bytes=0)


class ScriptedJob:
    """Shows its statuses one after the other and keeps showing the last."""

    id = "scripted"

    def __init__(self, statuses: Sequence[JobStatus | Exception], log: str, ran_s: float | None = None) -> None:
        self._statuses = list(statuses)
        self._ran_s = ran_s
        self._log = log
        self.removed = False

    def status(self) -> JobStatus:
        """Advance the script by one; a fault in it is raised."""
        found = self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]
        if isinstance(found, Exception):
            raise found
        return found

    def ran_s(self) -> float | None:
        """Say how long it ran."""
        return self._ran_s

    def log(self) -> str:
        """Return what it is said to have printed."""
        return self._log

    def remove(self) -> None:
        """Take down that it was removed."""
        self.removed = True


class ScriptedRunner:
    """Starts scripted jobs; `write` fills the output folder as the candidate would."""

    name = "scripted"
    capabilities = Capabilities(True, True, True, True, True, True)

    outlives_driver = True

    def __init__(
        self,
        *statuses: JobStatus | Exception,
        write: Callable[[Path], object] | None = None,
        log: str = "",
        left: ScriptedJob | None = None,
    ) -> None:
        self._left = left
        self._statuses = statuses
        self._write = write
        self._log = log
        self.started: list[tuple[JobSpec, ScriptedJob]] = []

    def prepare(self, report: Report) -> str:
        """Name the script."""
        return "scripted"

    def start(self, spec: JobSpec) -> ScriptedJob:
        """Begin the script, or fail where there is none."""
        if not self._statuses:
            raise ContainerError("The script is empty.")
        if self._write is not None:
            self._write(next(mount.source for mount in spec.mounts if mount.name == "OUT"))
        job = ScriptedJob(self._statuses, self._log)
        self.started.append((spec, job))
        return job

    def answers(self) -> bool:
        """Be there always."""
        return True

    def attach(self, spec: JobSpec) -> ScriptedJob | None:
        """Find the job that another driver is said to have left."""
        return self._left

    def reap(self, labels: Mapping[str, str]) -> int:
        """Find nothing: scripted jobs end with their test."""
        return 0

    def labelled(self, name: str) -> set[str]:
        """Find nothing: scripted jobs end with their test."""
        return set()
