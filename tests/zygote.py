"""A runner that forks each job from one process that has imported torch: real harness, no seconds of start-up."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path

from autoresearch_dagster.containers.environment import THREADS, process_environment
from autoresearch_dagster.containers.process_tree import Usage, kill_tree, usage_of
from autoresearch_dagster.containers.protocol import Capabilities, JobSpec, JobStatus
from autoresearch_dagster.containers.select import HARNESS
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.slot import Slot

PROGRAM = Path(__file__).with_name("zygote_program.py")


class ZygoteJob:
    """One forked harness."""

    def __init__(self, runner: "ZygoteRunner", pid: int, folder: Path) -> None:
        self._runner, self._pid, self._folder = runner, pid, folder
        self._usage = Usage()
        self._code: int | None = None
        self._log = ""

    @property
    def id(self) -> str:
        return str(self._pid)

    def status(self) -> JobStatus:
        if self._code is None:
            self._usage = self._usage.then(usage_of(self._pid, 1 << 62))
            self._code = self._runner.poll(self._pid)
        return JobStatus(self._code, False, self._usage.cpu_s, self._usage.peak_bytes)

    def ran_s(self) -> float | None:
        return None

    def log(self) -> str:
        with contextlib.suppress(FileNotFoundError):
            self._log = (self._folder / "log").read_text(errors="replace")
        return self._log

    def remove(self) -> None:
        self.log()
        while self._code is None:
            kill_tree(self._pid)
            self._code = self._runner.poll(self._pid)
            time.sleep(0.005)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._pid, signal.SIGKILL)  # what it left behind
        shutil.rmtree(self._folder, ignore_errors=True)


class ZygoteRunner:
    """Use as a context manager; `started` keeps the specs of all jobs in order."""

    name = "zygote"
    outlives_driver = False
    capabilities = Capabilities(False, False, False, False, False, True)

    def __init__(self) -> None:
        self.started: list[JobSpec] = []
        self._lock = threading.Lock()
        environment = {**os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONHASHSEED": "0"}
        self._process = subprocess.Popen(
            [sys.executable, str(PROGRAM), str(HARNESS.parent)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        assert self._process.stdout is not None
        assert self._process.stdout.readline() == "ready\n"

    def __enter__(self) -> "ZygoteRunner":
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

    def _order(self, **order: object) -> int | None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with self._lock:
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()
            return json.loads(self._process.stdout.readline())

    def poll(self, pid: int) -> int | None:
        return self._order(do="wait", pid=pid)

    def prepare(self, report: Report) -> str:
        return "zygote"

    def start(self, spec: JobSpec) -> ZygoteJob:
        self.started.append(spec)
        folder = Path(tempfile.mkdtemp(prefix="ar-job-"))
        here = [(mount, str(mount.source)) for mount in spec.mounts]
        environment = dict(process_environment(here, str(folder), Slot(spec.limits.slot.cores)))  # without its GPU
        pid = self._order(do="start", mode=spec.mode, environment=environment, folder=str(folder))
        assert pid is not None
        return ZygoteJob(self, pid, folder)

    def answers(self) -> bool:
        return True

    def attach(self, spec: JobSpec) -> ZygoteJob | None:
        return None

    def reap(self, labels: Mapping[str, str]) -> int:
        return 0
