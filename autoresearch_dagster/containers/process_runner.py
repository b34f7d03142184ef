"""What runners of plain and of sandboxed processes share: start behind a gate, restrict, record, reap."""

import contextlib
import os
import resource
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from autoresearch_dagster.containers.job_group import JobGroup
from autoresearch_dagster.containers.process_job import ProcessJob, log_file
from autoresearch_dagster.containers.protocol import Capabilities, JobSpec
from autoresearch_dagster.containers.registry import Entry, Registry
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.experiment import digest_of
from autoresearch_dagster.core.progress import Report

GATE = ("/bin/sh", "-c", 'read -r _ && exec "$@" </dev/null', "gate")
"""Waits for a line, then becomes the job.  Until it comes the process is in no group, has no limits and no record;
if its driver dies before, the end of the input ends it."""


@dataclass(frozen=True, slots=True)
class Launch:
    """What to execute: a command and its whole environment; `check` raises where an exit code is our fault.

    The process inherits `descriptors`, which are closed here once it has them.
    """

    command: tuple[str, ...]
    environment: Mapping[str, str]
    descriptors: tuple[int, ...] = ()
    group: JobGroup | None = None
    check: Callable[[int], None] = lambda _code: None


class ProcessRunner(ABC):
    """Runs a program on this machine with this project's own interpreter."""

    name: str
    capabilities: Capabilities
    outlives_driver = False

    def __init__(self, program: Path, registry: Path) -> None:
        """Run `program MODE`; `registry` is a folder that remembers running jobs across a driver's death."""
        self._program = program
        self._registry = Registry(registry)

    @abstractmethod
    def _launch(self, spec: JobSpec, entry: Entry) -> Launch:
        """Say what to execute for a job; a group is noted in the entry before it is made."""

    def prepare(self, report: Report) -> str:
        """Name the harness and the interpreter; there is nothing to build."""
        report(f"Runner {self.name}: {sys.executable}, no image.")
        sources = b"".join(path.read_bytes() for path in sorted(self._program.parent.glob("*.py")))
        return f"{self.name}:{digest_of(sources)[:16]}"

    def start(self, spec: JobSpec) -> ProcessJob:
        """Start the program in its own session; it executes nothing before it is restricted and on record."""
        try:
            entry = self._registry.begin(spec.labels)
        except OSError as fault:
            raise _not_started(spec, fault) from fault
        launch, process = None, None
        try:
            launch = self._launch(spec, entry)
            try:
                process = self._at_the_gate(launch, spec, entry)
            finally:
                for descriptor in launch.descriptors:
                    os.close(descriptor)
            self._open_the_gate(process, launch, spec, entry)
        except (OSError, ValueError) as fault:
            if process:
                process.kill()
                process.wait()
            if launch and launch.group:
                launch.group.remove()
            entry.remove()
            raise _not_started(spec, fault) from fault
        return ProcessJob(process, spec.limits.memory_bytes, entry, launch.group, launch.check)

    def _at_the_gate(self, launch: Launch, spec: JobSpec, entry: Entry) -> subprocess.Popen[bytes]:
        with log_file(entry).open("wb") as log:
            return subprocess.Popen(
                [*GATE, *launch.command],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=log if spec.mode == "train" else subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                cwd=entry.folder,
                env=launch.environment,
                pass_fds=launch.descriptors,
                start_new_session=True,
            )

    def _open_the_gate(self, process: subprocess.Popen[bytes], launch: Launch, spec: JobSpec, entry: Entry) -> None:
        if launch.group:
            launch.group.join(process.pid)
        restrict(process.pid, spec, kernel_caps_memory=launch.group is not None)
        entry.note(process.pid, launch.group)
        assert process.stdin is not None
        process.stdin.write(b"go\n")
        process.stdin.close()

    def answers(self) -> bool:
        """Processes can always be started."""
        return True

    def attach(self, spec: JobSpec) -> ProcessJob | None:
        """There is none: only its own parent learns how a process ended."""
        return None

    def reap(self, labels: Mapping[str, str]) -> int:
        """End the jobs that a dead driver left, found in the registry."""
        return self._registry.reap(labels)

    def labelled(self, name: str) -> set[str]:
        """Look into the registry."""
        return self._registry.labelled(name)


def _not_started(spec: JobSpec, fault: Exception) -> ContainerError:
    return ContainerError(f"The process for {spec.name} could not be started ({fault}); run `autoresearch doctor`.")


def restrict(pid: int, spec: JobSpec, *, kernel_caps_memory: bool) -> None:
    """Pin and cap a process that waits at the gate, as far as this system can."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setaffinity(pid, spec.limits.slot.cores)
    caps = {
        "RLIMIT_FSIZE": lim.OUTPUT_BYTES,
        "RLIMIT_CORE": 0,
        "RLIMIT_NOFILE": lim.OPEN_FILES,
    }
    if not kernel_caps_memory and not spec.limits.slot.gpu:  # CUDA reserves far more than it uses
        caps["RLIMIT_DATA"] = lim.MEMORY_BACKSTOP * spec.limits.memory_bytes
    for name, value in caps.items():
        with contextlib.suppress(OSError, AttributeError, ValueError):
            resource.prlimit(pid, getattr(resource, name), (value, value))
