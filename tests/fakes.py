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

    def __init__(self, statuses: Sequence[JobStatus], log: str) -> None:
        self._statuses = list(statuses)
        self._log = log
        self.removed = False

    def status(self) -> JobStatus:
        """Advance the script by one."""
        return self._statuses.pop(0) if len(self._statuses) > 1 else self._statuses[0]

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

    def __init__(self, *statuses: JobStatus, write: Callable[[Path], object] | None = None, log: str = "") -> None:
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

    def reap(self, labels: Mapping[str, str]) -> int:
        """Find nothing: scripted jobs end with their test."""
        return 0

    def labelled(self, name: str) -> set[str]:
        """Find nothing: scripted jobs end with their test."""
        return set()
