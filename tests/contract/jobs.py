"""Describe, start and follow the small jobs of the contract tests."""

import json
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from autoresearch_dagster.containers.process_tree import is_running
from autoresearch_dagster.containers.protocol import Job, JobLimits, JobSpec, JobStatus, Mount, Runner
from autoresearch_dagster.core.limits import MIB
from autoresearch_dagster.core.slot import Slot

PROGRAM = Path(__file__).with_name("job_program.py")
PATIENCE_S = 120.0  # a bound against hanging for ever, not an expectation


@dataclass
class Bench:
    """A runner with a folder for each job's mounts."""

    runner: Runner
    folder: Path
    core: int
    started: list[Job]

    def spec(self, order, argument=None, *, mode="train", memory_mib=256, labels=None, extra=()) -> JobSpec:
        place = self.folder / f"job{len(list(self.folder.iterdir()))}"
        (place / "candidate").mkdir(parents=True)
        (place / "out").mkdir()
        (place / "out").chmod(0o777)
        (place / "candidate" / "do.json").write_text(json.dumps([order, argument]))
        mounts = (
            Mount("CANDIDATE", place / "candidate"),
            Mount("OUT", place / "out", read_only=False),
            *extra,
        )
        limits = JobLimits(memory_mib * MIB, Slot((self.core,)))
        return JobSpec(f"{self.folder.name}-{place.name}", mode, mounts, limits, labels or {})

    def start(self, order, argument=None, **options) -> tuple[Job, Path]:
        spec = self.spec(order, argument, **options)
        job = self.runner.start(spec)
        self.started.append(job)
        return job, next(mount.source for mount in spec.mounts if mount.name == "OUT")


def ended(job: Job) -> JobStatus:
    """Follow a job until it has ended by itself."""
    return until(job, lambda status: status.exit_code is not None)


def until(job: Job, holds) -> JobStatus:
    deadline = time.monotonic() + PATIENCE_S
    while not holds(status := job.status()):
        assert time.monotonic() < deadline, (status, job.log())
        time.sleep(0.02)
    return status


def told(out: Path):
    """Return what the job wrote, waiting until it has."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return json.loads((out / "told.json").read_text())
        except (FileNotFoundError, ValueError):
            assert time.monotonic() < deadline, list(out.iterdir())
            time.sleep(0.02)


def appears(path: Path) -> None:
    """Wait until a file is there."""
    deadline = time.monotonic() + PATIENCE_S
    while not path.exists():
        assert time.monotonic() < deadline, path
        time.sleep(0.02)


def tree(job: Job) -> list[int]:
    """The processes of a job as this machine numbers them."""
    leader = psutil.Process(int(job.id))
    return [leader.pid, *(child.pid for child in leader.children(recursive=True))]


def gone(pid: int) -> None:
    """Wait until a process is dead; init may take a moment to collect it."""
    deadline = time.monotonic() + PATIENCE_S
    while is_running(pid):
        assert time.monotonic() < deadline, pid
        time.sleep(0.02)
