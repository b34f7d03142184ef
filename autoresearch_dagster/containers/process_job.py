"""One job that is a tree of processes on this machine, in its own control group where that could be made."""

import contextlib
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

from autoresearch_dagster.containers.cgroup import Meter
from autoresearch_dagster.containers.escape import printable
from autoresearch_dagster.containers.job_group import JobGroup
from autoresearch_dagster.containers.process_tree import Usage, is_running, kill_tree, usage_of
from autoresearch_dagster.containers.protocol import SIGNALLED, JobStatus
from autoresearch_dagster.containers.registry import Entry
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.limits import LOG_BYTES, REMOVE_S


class ProcessJob:
    """A started process with all its descendants."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        memory_limit: int,
        entry: Entry,
        group: JobGroup | None = None,
        check: Callable[[int], None] = lambda _code: None,
    ) -> None:
        """Follow `process`; `check` is called with its exit code and raises where the fault is ours."""
        self._process = process
        self._limit = memory_limit
        self._entry = entry
        self._group = group
        self._meter: Meter | None = group.meter() if group else None
        self._check = check
        self._usage = Usage()
        self._oom = False
        self._code: int | None = None
        self._log = ""

    @property
    def id(self) -> str:
        """Process id."""
        return str(self._process.pid)

    def status(self) -> JobStatus:
        """Look at all of it; where no kernel does that, one that is above its memory is killed here."""
        if self._code is None:
            self._measure()
            too_much = self._meter is None and self._oom
            if too_much or not is_running(self._process.pid):
                self._end()
                self._check(self._code or 0)
        return JobStatus(self._code, self._oom, self._usage.cpu_s, self._usage.peak_bytes)

    def _measure(self) -> None:
        if self._meter is None:
            self._usage = self._usage.then(usage_of(self._process.pid, self._limit))
            self._oom = self._oom or self._usage.memory_bytes > self._limit
        elif (reading := self._meter()) is not None:
            self._usage = self._usage.then(Usage(reading.cpu_s, 0, reading.peak_bytes))
            self._oom = self._oom or reading.oom_kills > 0

    def _end(self) -> None:
        """End the whole group, then reap its leader: until then nobody else can have got its process id."""
        oom = self._oom
        self._measure()
        if self._meter is None:
            self._oom = oom  # what is seen now did not end it
        kill_tree(self._process.pid)
        try:
            code = self._process.wait(REMOVE_S)
        except subprocess.TimeoutExpired:
            raise ContainerError(
                f"Process {self._process.pid} does not die; it hangs in the kernel: restart the machine."
            ) from None
        self._code = code if code >= 0 else SIGNALLED - code

    def ran_s(self) -> float | None:
        """Nobody asks: a local job ends with its driver."""
        return None

    def log(self) -> str:
        """Return the last part of what it printed."""
        with contextlib.suppress(FileNotFoundError), log_file(self._entry).open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_BYTES))
            self._log = printable(file.read(LOG_BYTES), LOG_BYTES)
        return self._log

    def remove(self) -> None:
        """End the tree and delete the job's group, folder and record."""
        self.log()
        if self._code is None:
            self._end()
        if self._group:
            self._group.remove()
        self._entry.remove()


def log_file(entry: Entry) -> Path:
    """Where the job's output goes."""
    return entry.folder / "log"
