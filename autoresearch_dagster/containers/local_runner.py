"""Plain subprocesses on this machine: for code that ships with the project, or by explicit choice.

What is covered: a clean environment, one core, a memory ceiling watched over the whole process tree, a size
ceiling for files, a process group that ends as one.
What is not covered: network, file system, other processes of this user.  Scores are marked `unsandboxed`.
"""

import contextlib
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import psutil

from autoresearch_dagster.containers.environment import job_environment
from autoresearch_dagster.containers.escape import printable
from autoresearch_dagster.containers.protocol import Capabilities, JobSpec, JobStatus, Report
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.experiment import digest_of
from autoresearch_dagster.core.limits import LOG_BYTES, OUTPUT_BYTES, REMOVE_S

GONE = (psutil.NoSuchProcess, psutil.ZombieProcess, psutil.AccessDenied)


class LocalJob:
    """One process group."""

    def __init__(self, process: subprocess.Popen[bytes], spec: JobSpec, folder: Path, record: Path) -> None:
        self._process = process
        self._limit = spec.limits.memory_bytes
        self._folder = folder
        self._record = record
        self._oom = False
        self._peak = 0
        self._cpu: dict[int, float] = {}
        self._log = ""

    @property
    def id(self) -> str:
        """Process id."""
        return str(self._process.pid)

    def status(self) -> JobStatus:
        """Look at the whole tree; one that is above its memory is killed here."""
        used = self._look()
        self._peak = max(self._peak, used)
        code = self._process.poll()
        if code is None and used > self._limit:
            self._oom = True
            self._kill()
            code = self._process.wait()
        return JobStatus(code, self._oom, sum(self._cpu.values()), self._peak)

    def _look(self) -> int:
        """Note the CPU time of every live process and return their memory together, in bytes.

        Processes that ended keep the time that was last seen of them.
        """
        used = 0
        for process in _tree(self._process.pid):
            with contextlib.suppress(*GONE):
                times = process.cpu_times()
                self._cpu[process.pid] = times.user + times.system
                used += process.memory_info().rss
        return used

    def log(self) -> str:
        """Return the last part of what it printed."""
        path = self._folder / "log"
        if path.exists():
            with path.open("rb") as file:
                file.seek(max(0, path.stat().st_size - LOG_BYTES))
                self._log = printable(file.read(LOG_BYTES), LOG_BYTES)
        return self._log

    def remove(self) -> None:
        """End the tree and delete the job's folder."""
        self.log()
        self._kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(REMOVE_S)
        _delete(self._folder)
        self._record.unlink(missing_ok=True)

    def _kill(self) -> None:
        kill_tree(self._process.pid)


def _tree(pid: int) -> list[psutil.Process]:
    try:
        root = psutil.Process(pid)
        return [root, *root.children(recursive=True)]
    except GONE:
        return []


def kill_tree(pid: int) -> None:
    """Kill a process, its group and its descendants."""
    descendants = _tree(pid)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)
    for process in descendants:
        with contextlib.suppress(*GONE):
            process.kill()


def _delete(folder: Path) -> None:
    for path in sorted(folder.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink(missing_ok=True)
    with contextlib.suppress(FileNotFoundError):
        folder.rmdir()


class LocalRunner:
    """Runs the harness with this project's own interpreter."""

    name = "local"
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
        environment = {
            "PATH": os.defpath,
            **job_environment([(mount, str(mount.source)) for mount in spec.mounts], str(folder)),
        }
        try:
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(
                    [sys.executable, str(self._program), spec.mode],
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    cwd=folder,
                    env=environment,
                    start_new_session=True,
                )
        except OSError as fault:
            _delete(folder)
            raise ContainerError(f"The process for {spec.name} could not be started ({fault}).") from fault
        _restrict(process.pid, spec)
        return LocalJob(process, spec, folder, self._remember(process.pid, spec, folder))

    def reap(self, labels: Mapping[str, str]) -> int:
        """End the jobs that a dead driver left, found in the registry."""
        count = 0
        for record in self._registry.glob("*.json"):
            try:
                found = json.loads(record.read_text(encoding="utf-8"))
                matches = labels.items() <= found["labels"].items()
            except (OSError, ValueError, KeyError):
                continue
            if not matches:
                continue
            with contextlib.suppress(*GONE):
                if psutil.Process(found["pid"]).create_time() == found["created"]:
                    kill_tree(found["pid"])
            _delete(Path(found["folder"]))
            record.unlink(missing_ok=True)
            count += 1
        return count

    def _remember(self, pid: int, spec: JobSpec, folder: Path) -> Path:
        self._registry.mkdir(parents=True, exist_ok=True)
        record = self._registry / f"{pid}.json"
        created = 0.0
        with contextlib.suppress(*GONE):
            created = psutil.Process(pid).create_time()
        entry = {"pid": pid, "created": created, "labels": dict(spec.labels), "folder": str(folder)}
        temporary = record.with_suffix(".new")
        temporary.write_text(json.dumps(entry), encoding="utf-8")
        temporary.replace(record)
        return record


def _restrict(pid: int, spec: JobSpec) -> None:
    """Pin and cap a process that has just been started; it imports torch for seconds before it runs anything."""
    with contextlib.suppress(OSError, AttributeError):
        os.sched_setaffinity(pid, {spec.limits.core})
    with contextlib.suppress(OSError, AttributeError):
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (OUTPUT_BYTES, OUTPUT_BYTES))
        resource.prlimit(pid, resource.RLIMIT_CORE, (0, 0))
