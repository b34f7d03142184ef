"""Train one candidate: stage its inputs, meter its resource time from outside, freeze its checkpoint.

The budget is enforced here and not in train.py, which the agent edits: a loop that ignores its time is stopped
at the same moment as one that keeps it.
"""

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch_dagster.containers.protocol import Job, JobLimits, JobSpec, JobStatus, Mount, Runner
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.experiment import Claims, CurvePoint, ExperimentKey, Outcome, TrainConfig
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.training.safe_read import (
    Unreadable,
    copy_regular,
    parse_curve,
    parse_outcome,
    read_regular,
)

EXIT_DEVICE_OOM, EXIT_REFUSED = 86, 87  # see trainer_image/harness.py


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """One attempt at one candidate."""

    key: ExperimentKey
    attempt: int
    title: str
    train_py: bytes
    config: TrainConfig
    bundle: Bundle
    limits: JobLimits
    cpu_metered: bool
    labels: Mapping[str, str]
    output_bytes: int = lim.OUTPUT_BYTES


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """How a training ended.  `checkpoint` is a frozen copy, present exactly if the outcome is Trained.

    Units: seconds of wall and CPU time since the harness was ready; bytes.
    """

    outcome: Outcome
    error: str = ""
    checkpoint: Path | None = None
    claims: Claims = field(default_factory=Claims)
    curve: tuple[CurvePoint, ...] = ()
    log_tail: str = ""
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_memory_bytes: int = 0


@dataclass(slots=True)
class _Watch:
    """What has been seen of a running job."""

    started: float
    ready_at: float | None = None
    ready_cpu_s: float = 0.0
    last: JobStatus = field(default_factory=lambda: JobStatus(None, False, 0.0, 0))
    ended: str = ""
    """Why we ended it: '' if it ended by itself, else `budget`, `hang`, `startup`, `output` or `stopped`."""

    def used_s(self, cpu_metered: bool) -> float:
        """Resource time since the harness was ready."""
        if self.ready_at is None:
            return 0.0
        return self.last.cpu_s - self.ready_cpu_s if cpu_metered else time.monotonic() - self.ready_at


def train(
    job: TrainingJob,
    runner: Runner,
    workspace: Path,
    on_progress: Callable[[CurvePoint | None, float, float], None],
    stop: Callable[[], bool],
) -> TrainingReport:
    """Run a training to its end, its deadline, or until `stop` says so; the job is gone when this returns.

    Raises:
        ContainerError: the runner failed.
    """
    spec, out = _stage(job, workspace)
    started = runner.start(spec)
    watch = _Watch(time.monotonic())
    try:
        _follow(job, started, out, watch, on_progress, stop)
        log = started.log()
    finally:
        started.remove()
    return _report(job, out, workspace, watch, log)


def _stage(job: TrainingJob, workspace: Path) -> tuple[JobSpec, Path]:
    candidate, out = workspace / "candidate", workspace / "out"
    workspace.chmod(0o711)  # another uid must pass through, nobody else may list
    candidate.mkdir()
    candidate.chmod(0o755)
    out.mkdir()
    out.chmod(0o777)  # the candidate runs under another uid
    (candidate / "train.py").write_bytes(job.train_py)
    config = {"title": job.title, **job.config.model_dump()}
    (candidate / "config.json").write_text(json.dumps(config), encoding="utf-8")
    mounts = (
        Mount("BUNDLE", job.bundle.candidate_folder),
        Mount("CANDIDATE", candidate),
        Mount("OUT", out, read_only=False),
    )
    return JobSpec(f"{job.key}-{job.attempt}-train", "train", mounts, job.limits, job.labels), out


def _follow(
    job: TrainingJob,
    started: Job,
    out: Path,
    watch: _Watch,
    on_progress: Callable[[CurvePoint | None, float, float], None],
    stop: Callable[[], bool],
) -> None:
    deadline = job.config.time_budget_sec * lim.DEADLINE_SLACK
    hard_stop = max(job.config.time_budget_sec + lim.HARD_STOP_EXTRA_S, lim.HARD_STOP_MIN_S)
    while True:
        watch.last = started.status()
        if watch.last.exit_code is not None:
            return
        if watch.ready_at is None and (out / "ready").exists():
            watch.ready_at, watch.ready_cpu_s = time.monotonic(), watch.last.cpu_s
        wall = time.monotonic() - watch.started
        used = watch.used_s(job.cpu_metered)
        if stop():
            watch.ended = "stopped"
        elif used > deadline:
            watch.ended = "budget"
        elif watch.ready_at is None and wall > lim.STARTUP_S:
            watch.ended = "startup"
        elif wall > hard_stop:
            watch.ended = "hang"
        elif written_bytes(out, job.output_bytes) > job.output_bytes:
            watch.ended = "output"
        if watch.ended:
            return
        on_progress(_latest_point(out), used, max(0.0, deadline - used))
        time.sleep(lim.POLL_S)


def written_bytes(folder: Path, enough: int) -> int:
    """Add up what was written, links not followed; stops counting beyond `enough`."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += max(path.lstat().st_size, 1)
        except OSError:
            continue
        if total > enough:
            break
    return total


def _latest_point(out: Path) -> CurvePoint | None:
    curve = _curve(out)
    return curve[-1] if curve else None


def _curve(out: Path) -> tuple[CurvePoint, ...]:
    try:
        return parse_curve(read_regular(out, "progress.jsonl", lim.PROGRESS_BYTES))
    except (Unreadable, OSError):
        return ()


def _report(job: TrainingJob, out: Path, workspace: Path, watch: _Watch, log: str) -> TrainingReport:
    """Decide how it ended, from the kernel's and our own evidence; the candidate's words only explain."""
    error, trace, claims = _said(out)
    checkpoint, missing = _freeze(job, out, workspace)
    outcome, reason = _judge(job, watch, error, checkpoint, missing)
    trained = outcome is Outcome.TRAINED
    wall = time.monotonic() - (watch.ready_at or watch.started)
    return TrainingReport(
        outcome=outcome,
        error="" if trained else reason,
        checkpoint=checkpoint if trained else None,
        claims=claims,
        curve=_curve(out),
        log_tail="" if trained else (trace or log),
        cpu_s=max(0.0, watch.last.cpu_s - watch.ready_cpu_s),
        wall_s=wall,
        peak_memory_bytes=watch.last.memory_peak_bytes,
    )


def _said(out: Path) -> tuple[str, str, Claims]:
    try:
        return parse_outcome(read_regular(out, "outcome.json", lim.PROGRESS_BYTES))
    except (Unreadable, OSError):
        return "", "", Claims()


def _freeze(job: TrainingJob, out: Path, workspace: Path) -> tuple[Path | None, str]:
    frozen = workspace / "frozen.pt"
    try:
        copy_regular(out, "checkpoint.pt", job.output_bytes, frozen)
    except FileNotFoundError:
        return None, "no model was handed over"
    except (Unreadable, OSError) as fault:
        return None, f"the checkpoint was refused: {fault}"
    return frozen, ""


def _judge(
    job: TrainingJob, watch: _Watch, error: str, checkpoint: Path | None, missing: str
) -> tuple[Outcome, str]:
    code, ended = watch.last.exit_code, watch.ended
    budget = job.config.time_budget_sec
    memory = f"{job.limits.memory_bytes / lim.GIB:.1f} GiB"
    decided: tuple[Outcome, str] | None = None
    if ended == "stopped":
        decided = Outcome.STOPPED, "Stopped before it was finished."
    elif ended == "output":
        decided = Outcome.REFUSED, f"It wrote more than {job.output_bytes / lim.MIB:.0f} MiB; write less."
    elif watch.last.oom:
        decided = Outcome.HOST_OOM, f"It needed more than its {memory} of memory."
    elif code == EXIT_DEVICE_OOM:
        decided = Outcome.DEVICE_OOM, error or "The accelerator ran out of memory."
    elif code == EXIT_REFUSED:
        decided = Outcome.REFUSED, error or "The candidate contract was not kept."
    elif ended and checkpoint is None:
        decided = Outcome.TIMED_OUT, f"{_END_WORDS[ended].format(budget=budget)} and {missing}."
    elif not ended and code != 0:
        decided = Outcome.CRASHED, error or f"train.py ended its process with exit code {code}."
    elif checkpoint is None:
        decided = Outcome.REFUSED, f"Training ended and {missing}."
    return decided or (Outcome.TRAINED, "")


_END_WORDS = {
    "budget": "Its budget of {budget} s was used up",
    "hang": "It hung and was killed",
    "startup": "It did not start in time",
}
