"""Watch a running training from outside: its resource time, its output, its newest curve point."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch_dagster.containers.protocol import Job, JobStatus
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.experiment import CurvePoint
from autoresearch_dagster.training.job import TrainingJob
from autoresearch_dagster.training.safe_read import Unreadable, parse_curve, read_part

OnProgress = Callable[[CurvePoint | None, float, float], None]
"""Receives the newest curve point, seconds of resource time used, and seconds left."""
FarBehind = Callable[[CurvePoint | None, float], str]
"""Told the newest curve point and seconds of resource time used, says why to stop early, or ''."""


@dataclass(slots=True)
class Watch:
    """What has been seen of a running job."""

    started: float
    ready_at: float | None = None
    ready_cpu_s: float = 0.0
    last: JobStatus = field(default_factory=lambda: JobStatus(None, False, 0.0, 0))
    wall_s: float = 0.0
    """Since the start."""
    ended: str = ""
    """Why we ended it: `budget`, `hang`, `startup`, `output`, `stopped` or `early`; '' if it ended by itself."""
    far_behind: str = ""
    """Why it was ended early, for a person."""

    def look(self, job: Job, out: Path) -> None:
        """Take down what can be seen now."""
        self.last = job.status()
        if self.ready_at is None and os.path.lexists(out / "ready"):
            self.ready_at, self.ready_cpu_s = time.monotonic(), self.last.cpu_s
        self.wall_s = time.monotonic() - self.started

    @property
    def startup_s(self) -> float:
        """Wall time until the harness was ready, or until now."""
        return self.wall_s if self.ready_at is None else self.ready_at - self.started

    def used_s(self, cpu_metered: bool) -> float:
        """Resource time since the harness was ready."""
        if self.ready_at is None:
            return 0.0
        return self.last.cpu_s - self.ready_cpu_s if cpu_metered else self.wall_s - self.startup_s


def follow(
    job: TrainingJob,
    started: Job,
    out: Path,
    watch: Watch,
    on_progress: OnProgress,
    stop: Callable[[], bool],
    far_behind: FarBehind,
) -> None:
    """Look at a job until it has ended or passed a limit; `watch` says which.  Nothing is killed here."""
    deadline = job.config.time_budget_sec * lim.DEADLINE_SLACK
    while True:
        watch.look(started, out)
        if watch.last.exit_code is not None:
            if written_bytes(out, job.output_bytes) > job.output_bytes:
                watch.ended = "output"
            return
        used = watch.used_s(job.cpu_metered)
        watch.ended = "stopped" if stop() else _overrun(job, watch, used, deadline, out)
        if watch.ended:
            return
        point = _latest_point(out)
        watch.far_behind = far_behind(point, used)
        if watch.far_behind:
            watch.ended = "early"
            return
        on_progress(point, used, max(0.0, deadline - used))
        time.sleep(lim.POLL_S)


def _overrun(job: TrainingJob, watch: Watch, used: float, deadline: float, out: Path) -> str:
    """Name the limit that was passed, or ''."""
    hard_stop = max(job.config.time_budget_sec + job.hard_stop_extra_s, job.hard_stop_min_s)
    if used > deadline:
        return "budget"
    if watch.ready_at is None and watch.wall_s > lim.STARTUP_S:
        return "startup"
    if watch.wall_s > hard_stop:
        return "hang"
    return "output" if written_bytes(out, job.output_bytes) > job.output_bytes else ""


def written_bytes(folder: Path, enough: int) -> int:
    """Add up what was written, links not followed; stops counting beyond `enough`.

    A folder that cannot be looked into, or lies too deep, counts as beyond: it could hide anything.
    """
    total = 0
    waiting = [(folder, 0)]
    while waiting and total <= enough:
        where, depth = waiting.pop()
        try:
            with os.scandir(where) as entries:
                for entry in entries:
                    total += _entry_bytes(entry)
                    if total > enough:
                        break
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append((Path(entry.path), depth + 1))
        except FileNotFoundError:  # deleted since it was listed
            continue
        except OSError:
            return enough + 1
        if depth > lim.OUTPUT_DEPTH:
            return enough + 1
    return total


def _entry_bytes(entry: "os.DirEntry[str]") -> int:
    try:
        size = entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:  # renamed, as the checkpoint is, or deleted since it was listed
        size = 0
    return max(size, lim.OUTPUT_FILE_BYTES)


def _latest_point(out: Path) -> CurvePoint | None:
    try:
        tail = read_part(out, "progress.jsonl", lim.PROGRESS_TAIL_BYTES, from_end=True)
    except (Unreadable, OSError):
        return None
    curve = parse_curve(tail)
    return curve[-1] if curve else None
