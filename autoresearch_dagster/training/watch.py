"""Watch a running training from outside: its resource time, its output, its newest curve point."""

import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch_dagster.containers.protocol import Job, JobStatus
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.boot import boot_id
from autoresearch_dagster.core.errors import RunnerGone
from autoresearch_dagster.core.experiment import CurvePoint
from autoresearch_dagster.training.job import Halt, Hooks, Ready, TrainingJob
from autoresearch_dagster.training.safe_read import read_curve

GO = "go"
"""The file among the candidate's inputs that lets the harness begin; see trainer_image/harness.py."""


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
    """Why we ended it: `budget`, `hang`, `startup`, `output`, `stopped`, `left`, `early`; '' if it ended itself."""
    far_behind: str = ""
    """Why it was ended early, for a person."""

    def look(self, job: Job, out: Path) -> None:
        """Take down what can be seen now."""
        self.last = job.status()
        if self.ready_at is None and os.path.lexists(out / "ready"):
            self.ready_at, self.ready_cpu_s = time.monotonic(), self.last.cpu_s
        self.wall_s = time.monotonic() - self.started

    @property
    def ready(self) -> Ready | None:
        """What another driver needs to go on counting; None until the harness was ready."""
        if self.ready_at is None:
            return None
        return Ready(boot=boot_id(), started_at=self.started, at=self.ready_at, cpu_s=self.ready_cpu_s)

    @property
    def startup_s(self) -> float:
        """Wall time until the harness was ready, or until now."""
        return self.wall_s if self.ready_at is None else self.ready_at - self.started

    def used_s(self, cpu_metered: bool) -> float:
        """Resource time since the harness was ready."""
        if self.ready_at is None:
            return 0.0
        return self.last.cpu_s - self.ready_cpu_s if cpu_metered else self.wall_s - self.startup_s


def follow(job: TrainingJob, started: Job, out: Path, watch: Watch, hooks: Hooks) -> None:
    """Look at a job until it has ended or passed a limit; `watch` says which.  Nothing is killed here.

    Raises:
        RunnerGone: what runs it was silent for too long, somebody else ended the job, or its budget ended unseen.
    """
    deadline = job.config.time_budget_sec * lim.DEADLINE_SLACK
    looked_at = time.monotonic()
    if watch.ready_at is not None:
        _let_go(out)
    while True:
        was_ready = watch.ready_at is not None
        silent = _look(watch, started, out, hooks)
        unseen = silent or time.monotonic() - looked_at > lim.UNSEEN_S
        looked_at = time.monotonic()
        if watch.last.exit_code is not None:
            _take_down_end(job, started, out, watch, unseen)
            return
        if watch.ready is not None and not was_ready:
            hooks.on_ready(watch.ready)
            _let_go(out)
        used = watch.used_s(job.cpu_metered)
        if unseen and used > deadline:
            raise RunnerGone("Nobody looked when its budget ended, so that it trained on.")
        point = _latest_point(out)
        watch.far_behind = hooks.far_behind(point, used)
        early = "early" if watch.far_behind else ""
        watch.ended = _HALTED[hooks.halt()] or _overrun(job, watch, used, deadline, out) or early
        if watch.ended:
            return
        hooks.on_progress(point, used, max(0.0, deadline - used))
        time.sleep(lim.POLL_S)


def _take_down_end(job: TrainingJob, started: Job, out: Path, watch: Watch, unseen: bool) -> None:
    """Look at a job that ended, perhaps while nobody looked."""
    if watch.last.ended_outside:
        raise RunnerGone("Its container was ended from outside: by Docker, or by a person.")
    if unseen and _most_s(job, started, watch) > job.config.time_budget_sec * lim.DEADLINE_SLACK:
        raise RunnerGone("It ended while nobody looked, perhaps beyond its budget.")
    if written_bytes(out, job.output_bytes) > job.output_bytes:
        watch.ended = "output"


def _let_go(out: Path) -> None:
    """Let the harness begin: nothing of the candidate runs before its clock does."""
    (out.parent / "candidate" / GO).touch()


def _most_s(job: TrainingJob, started: Job, watch: Watch) -> float:
    """Return the most resource time that an ended job can have used: its cores over the time that it ran."""
    ran_s, used = started.ran_s(), watch.used_s(job.cpu_metered)
    if ran_s is None:
        return used
    cores = len(job.limits.slot.cores) if job.cpu_metered else 1
    return max(used, (ran_s - watch.startup_s) * cores)


_HALTED = {Halt.NO: "", Halt.KILL: "stopped", Halt.LEAVE: "left"}


def _look(watch: Watch, job: Job, out: Path, hooks: Hooks) -> bool:
    """Look once, waiting for a daemon that does not answer; whether it was silent.

    Raises:
        RunnerGone: it was silent for too long, or does not know any more how the job ended.
    """
    gone_at: float | None = None
    while True:
        try:
            watch.look(job, out)
        except RunnerGone:
            gone_at = gone_at or time.monotonic()
            if hooks.halt() or time.monotonic() - gone_at > lim.RUNNER_PATIENCE_S:
                raise
            time.sleep(lim.RUNNER_LOOK_S)
            continue
        if gone_at is not None and watch.last.exit_code and not watch.last.oom:
            raise RunnerGone("Docker was started anew, and its container ended with it.")
        return gone_at is not None


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
    curve = read_curve(out, lim.PROGRESS_TAIL_BYTES, from_end=True)
    return curve[-1] if curve else None
