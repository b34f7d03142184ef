"""Plain subprocesses on this machine: for code that ships with the project, or by explicit choice.

What is covered: a clean environment, one core, a memory ceiling over the whole process tree (looked at each
time the job is), a size ceiling for files, a process group that ends as one.
What is not covered: network, file system, other processes of this user, a child that leaves both the tree and
the group.  Scores are marked `unsandboxed`.
"""

import contextlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from autoresearch_dagster.containers.environment import job_environment
from autoresearch_dagster.containers.escape import printable
from autoresearch_dagster.containers.process_tree import Usage, create_time, is_running, kill_tree, usage_of
from autoresearch_dagster.containers.protocol import Capabilities, JobSpec, JobStatus
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.experiment import Data, digest_of
from autoresearch_dagster.core.limits import LOG_BYTES, OUTPUT_BYTES, REMOVE_S
from autoresearch_dagster.core.progress import Report

CLOCK_STEP_S = 1.0
"""Start times are derived from the clock, which may be set a little; a reused process id is off by more."""
SIGNALLED = 128
"""Added to a signal's number, as a shell and a container do: 137 is SIGKILL."""


class KnownJob(Data):
    """What the registry remembers of a job; `created` is the start time of its process."""

    pid: int
    created: float
    folder: str
    labels: dict[str, str]


class LocalJob:
    """One process group."""

    def __init__(self, process: subprocess.Popen[bytes], spec: JobSpec, folder: Path, record: Path) -> None:
        self._process = process
        self._limit = spec.limits.memory_bytes
        self._folder = folder
        self._record = record
        self._usage = Usage()
        self._oom = False
        self._code: int | None = None
        self._log = ""

    @property
    def id(self) -> str:
        """Process id."""
        return str(self._process.pid)

    def status(self) -> JobStatus:
        """Look at the whole tree; one that is above its memory is killed here."""
        if self._code is None:
            self._usage = self._usage.then(usage_of(self._process.pid, self._limit))
            self._oom = self._usage.memory_bytes > self._limit
            if self._oom or not is_running(self._process.pid):
                self._end()
        return JobStatus(self._code, self._oom, self._usage.cpu_s, self._usage.peak_bytes)

    def _end(self) -> None:
        """End the whole group, then reap its leader: until then nobody else can have got its process id."""
        self._usage = self._usage.then(usage_of(self._process.pid, self._limit))
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
        with contextlib.suppress(FileNotFoundError), (self._folder / "log").open("rb") as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - LOG_BYTES))
            self._log = printable(file.read(LOG_BYTES), LOG_BYTES)
        return self._log

    def remove(self) -> None:
        """End the tree and delete the job's folder."""
        self.log()
        if self._code is None:
            self._end()
        shutil.rmtree(self._folder, ignore_errors=True)
        self._record.unlink(missing_ok=True)


class LocalRunner:
    """Runs the harness with this project's own interpreter."""

    name = "local"
    outlives_driver = False
    capabilities = Capabilities(
        network_off=False,
        filesystem_sealed=False,
        memory_capped=True,
        pids_capped=False,
        unprivileged=False,
        cpu_pinned=hasattr(os, "sched_setaffinity"),
    )

    def __init__(self, program: Path, registry: Path) -> None:
        """Run `program MODE`; `registry` is a folder that remembers running jobs across a driver's death."""
        self._program = program
        self._registry = registry

    def prepare(self, report: Report) -> str:
        """Name the harness and the interpreter; there is nothing to build."""
        report(f"Runner local: {sys.executable}, no image.")
        sources = b"".join(path.read_bytes() for path in sorted(self._program.parent.glob("*.py")))
        return f"local:{digest_of(sources)[:16]}"

    def start(self, spec: JobSpec) -> LocalJob:
        """Start the harness in its own process group."""
        folder = Path(tempfile.mkdtemp(prefix="ar-job-"))
        try:
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, str(self._program), spec.mode],
                    stdin=subprocess.DEVNULL,
                    stdout=log if spec.mode == "train" else subprocess.DEVNULL,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env=_environment(spec, folder),
                    start_new_session=True,
                )
        except OSError as fault:
            shutil.rmtree(folder, ignore_errors=True)
            raise ContainerError(
                f"The process for {spec.name} could not be started ({fault}); run `autoresearch doctor`."
            ) from fault
        _restrict(process.pid, spec)
        return LocalJob(process, spec, folder, self._remember(process.pid, spec, folder))

    def answers(self) -> bool:
        """Processes can always be started."""
        return True

    def attach(self, spec: JobSpec) -> LocalJob | None:
        """There is none: only its own parent learns how a process ended."""
        return None

    def reap(self, labels: Mapping[str, str]) -> int:
        """End the jobs that a dead driver left, found in the registry."""
        count = 0
        for record, known in self._known():
            if not labels.items() <= known.labels.items():
                continue
            if abs(create_time(known.pid) - known.created) < CLOCK_STEP_S:
                kill_tree(known.pid)
            shutil.rmtree(known.folder, ignore_errors=True)
            record.unlink(missing_ok=True)
            count += 1
        return count

    def labelled(self, name: str) -> set[str]:
        """Look into the registry."""
        return {known.labels[name] for _, known in self._known() if name in known.labels}

    def _known(self) -> Iterator[tuple[Path, "KnownJob"]]:
        """Every job of the registry; a record that another process removes meanwhile is passed over."""
        for record in sorted(self._registry.glob("*.json")):
            with contextlib.suppress(OSError, ValueError):
                yield record, KnownJob.model_validate_json(record.read_bytes())

    def _remember(self, pid: int, spec: JobSpec, folder: Path) -> Path:
        self._registry.mkdir(parents=True, exist_ok=True)
        record = self._registry / f"{pid}.json"
        entry = KnownJob(pid=pid, created=create_time(pid), labels={**spec.labels}, folder=str(folder))
        temporary = record.with_suffix(".new")
        temporary.write_text(entry.model_dump_json(), encoding="utf-8")
        temporary.replace(record)
        return record


def _environment(spec: JobSpec, folder: Path) -> dict[str, str]:
    here = [(mount, str(mount.source)) for mount in spec.mounts]
    visible = {"CUDA_VISIBLE_DEVICES": spec.limits.slot.gpu}  # '' hides every GPU from a CPU job
    return {"PATH": os.defpath, **visible, **job_environment(here, str(folder), spec.limits.slot)}


def _restrict(pid: int, spec: JobSpec) -> None:
    """Pin and cap a process that has just been started; it imports torch for seconds before it runs anything."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setaffinity(pid, spec.limits.slot.cores)
    with contextlib.suppress(OSError, AttributeError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (OUTPUT_BYTES, OUTPUT_BYTES))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
