"""Processes in a sandbox of bubblewrap: the promises of a container where no Docker daemon answers.

What is covered: network, file system, environment, other processes, capabilities, user, system calls, scratch,
files, cores; memory and processes by a control group where this process may make one.
What is not covered: faults of the kernel; without a control group memory is watched from outside, a few times a
second; programs can be executed from /tmp, which bubblewrap cannot forbid.
"""

import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

from autoresearch_dagster.containers.bubblewrap import PASSWD, Descriptors, Host, bubblewrap_arguments, find_host
from autoresearch_dagster.containers.escape import printable_line
from autoresearch_dagster.containers.job_group import JobGroup, make_group, plan_group
from autoresearch_dagster.containers.process_job import log_file
from autoresearch_dagster.containers.process_runner import Launch, ProcessRunner
from autoresearch_dagster.containers.protocol import Capabilities, JobLimits, JobSpec
from autoresearch_dagster.containers.registry import Entry
from autoresearch_dagster.containers.seccomp import can_filter, seccomp_filter
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.limits import LOG_TAIL_CHARS, MIB, PIDS_LIMIT, SANDBOX_TRY_S
from autoresearch_dagster.core.settings import available_cores
from autoresearch_dagster.core.slot import Slot

TRY_AGAIN_S = 0.01
TRY_MEMORY = 128 * MIB
SET_UP_FAILED = 1
"""How bubblewrap exits when it could not make the sandbox; a program may exit so as well."""


class BubblewrapRunner(ProcessRunner):
    """Runs the program with this project's own interpreter, in a sandbox."""

    name = "bubblewrap"

    def __init__(self, program: Path, registry: Path, host: Host) -> None:
        """See `ProcessRunner`; `host` is what `find_sandbox` found to work."""
        super().__init__(program, registry)
        self._host = host
        self.capabilities = Capabilities(
            network_off=True,
            filesystem_sealed=True,
            memory_capped=True,
            pids_capped=host.caps_processes,
            unprivileged=True,
            cpu_pinned=True,
            syscalls_filtered=True,
            memory_by_kernel=host.grouped,
            output_capped=True,
        )

    def _launch(self, spec: JobSpec, entry: Entry) -> Launch:
        for mount in spec.mounts:
            if not mount.source.exists():
                raise FileNotFoundError(f"{str(mount.source)!r} is not there")
        group = self._group(spec, entry) if self._host.grouped else None
        report = entry.folder / "sandbox"
        files = Descriptors(
            seccomp=_readable(seccomp_filter()),
            passwd=_readable(PASSWD),
            status=os.open(report, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600),
        )
        return Launch(
            command=tuple(bubblewrap_arguments(spec, self._program, self._host, files)),
            environment={"PATH": os.defpath},  # of bubblewrap itself; the job gets its own
            descriptors=(files.seccomp, files.passwd, files.status),
            group=group,
            check=lambda code: _check(code, report, log_file(entry)),
        )

    def _group(self, spec: JobSpec, entry: Entry) -> JobGroup:
        group = plan_group(entry.path.stem)
        if group is None:
            raise OSError("there is no place for its control group")
        entry.note(group=group)
        if not make_group(group, spec.limits.memory_bytes, PIDS_LIMIT):
            raise OSError("its control group could not be made")
        return group

    def _at_the_gate(self, launch: Launch, spec: JobSpec, entry: Entry) -> subprocess.Popen[bytes]:
        """Start it from a thread that lives as long as we do: a sandbox dies with the thread that started it."""
        return _starter(os.getpid()).submit(super()._at_the_gate, launch, spec, entry).result()


@functools.cache
def _starter(_process: int) -> ThreadPoolExecutor:
    """Return the one thread of this process; a forked process has lost its parent's."""
    return ThreadPoolExecutor(1, "sandboxes")


def _readable(data: bytes) -> int:
    """Return a descriptor from which `data` can be read; it has no name and goes with its last user."""
    with tempfile.TemporaryFile() as file:
        file.write(data)
        file.flush()
        descriptor = os.dup(file.fileno())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _check(code: int, report: Path, log: Path) -> None:
    if code == SET_UP_FAILED and b'"exit-code"' not in report.read_bytes():
        said = printable_line(log.read_bytes()[-LOG_TAIL_CHARS:], LOG_TAIL_CHARS)
        raise ContainerError(f"bubblewrap could not make a sandbox ({said}); run `autoresearch doctor`.")


@dataclass(frozen=True, slots=True)
class Sandbox:
    """What bubblewrap can do here: `host` is None where it does not work, and `problem` says why."""

    host: Host | None
    problem: str = ""


@functools.cache
def find_sandbox() -> Sandbox:
    """Try once whether a sandbox can be made here, and how good a one: a tenth of a second."""
    bwrap = shutil.which("bwrap")
    if sys.platform != "linux" or not can_filter():
        return Sandbox(None, "bubblewrap needs Linux on x86_64 or aarch64")
    if bwrap is None:
        return Sandbox(None, "bubblewrap is not installed")
    problem = ""
    for host in _variants(find_host(bwrap)):
        failed = _try(host)
        if not failed:
            return Sandbox(host)
        problem = problem or failed
    return Sandbox(None, problem)


def _variants(best: Host) -> Iterator[Host]:
    """From the best sandbox to the least: a user of its own, closed namespaces, control groups."""
    ways = [replace(best, changes_user=False), replace(best, changes_user=False, closes_namespaces=False)]
    for way in [best, *ways] if best.changes_user else ways:
        yield way
        yield replace(way, grouped=False)


def _try(host: Host) -> str:
    """Run an empty program in a sandbox; return '' or what went wrong."""
    with tempfile.TemporaryDirectory(prefix="ar-try-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        program = folder / "nothing.py"
        program.touch()
        limits = JobLimits(TRY_MEMORY, Slot(available_cores()[:1]))
        deadline = time.monotonic() + SANDBOX_TRY_S
        try:
            job = BubblewrapRunner(program, folder / "jobs", host).start(JobSpec("try", "train", (), limits))
            try:
                while (code := job.status().exit_code) is None and time.monotonic() < deadline:
                    time.sleep(TRY_AGAIN_S)
                return "" if code == 0 else printable_line(job.log(), LOG_TAIL_CHARS) or f"exit code {code}"
            finally:
                job.remove()
        except ContainerError as fault:
            return str(fault)
