"""Train one candidate: stage its inputs, meter its resource time from outside, freeze its checkpoint.

The budget is enforced here and not in train.py, which the agent edits: a loop that ignores its time is stopped
at the same moment as one that keeps it.
"""

import json
import time
from collections.abc import Callable
from pathlib import Path

from autoresearch_dagster.containers.escape import printable
from autoresearch_dagster.containers.protocol import JobSpec, Mount, Runner
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.experiment import Claims, CurvePoint, Outcome
from autoresearch_dagster.training.job import TrainingJob, TrainingReport
from autoresearch_dagster.training.safe_read import (
    Unreadable,
    copy_regular,
    parse_batches,
    parse_curve,
    parse_outcome,
    read_part,
    read_regular,
)
from autoresearch_dagster.training.watch import FarBehind, OnProgress, Watch, follow

__all__ = ["TrainingJob", "TrainingReport", "train"]

EXIT_DEVICE_OOM, EXIT_REFUSED = 86, 87  # see trainer_image/harness.py


def train(
    job: TrainingJob,
    runner: Runner,
    workspace: Path,
    on_progress: OnProgress,
    stop: Callable[[], bool],
    far_behind: FarBehind = lambda _point, _used_s: "",
) -> TrainingReport:
    """Run a training to its end, its deadline, or until `stop` or `far_behind` says so; then the job is gone.

    Raises:
        ContainerError: the runner failed.
    """
    spec, out = _stage(job, workspace)
    started = runner.start(spec)
    watch = Watch(time.monotonic())
    try:
        follow(job, started, out, watch, on_progress, stop, far_behind)
        log = started.log()
    finally:
        started.remove()
    return _report(job, out, workspace, watch, log)


def _stage(job: TrainingJob, workspace: Path) -> tuple[JobSpec, Path]:
    candidate, out = workspace / "candidate", workspace / "out"
    workspace.chmod(0o700)  # `out` is open to every uid, so nobody else may reach it; containers see a mount
    candidate.mkdir()
    candidate.chmod(0o755)
    out.mkdir()
    out.chmod(0o777)  # the candidate runs under another uid
    (candidate / "train.py").write_bytes(job.train_py)
    config = {"title": job.title, **job.config.model_dump()}
    (candidate / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for file in candidate.iterdir():
        file.chmod(0o644)
    mounts = (
        Mount("BUNDLE", job.bundle.candidate_folder),
        Mount("CANDIDATE", candidate),
        Mount("OUT", out, read_only=False),
    )
    return JobSpec(f"{job.key}-{job.attempt}-train", "train", mounts, job.limits, job.labels), out


def _progress(out: Path) -> tuple[tuple[CurvePoint, ...], int | None]:
    try:
        data = read_part(out, "progress.jsonl", lim.PROGRESS_BYTES)
    except (Unreadable, OSError):
        return (), None
    curve = parse_curve(data)
    return curve, None if curve else parse_batches(data)


def _report(job: TrainingJob, out: Path, workspace: Path, watch: Watch, log: str) -> TrainingReport:
    """Decide how it ended, from the kernel's and our own evidence; the candidate's words only explain."""
    error, trace, claims = _said(out)
    curve, batches = _progress(out)
    if claims.steps is None and curve:  # killed by the budget while it evaluated itself, after its hand-over
        claims = claims.model_copy(update={"steps": curve[-1].step})
    checkpoint, missing = _freeze(job, out, workspace)
    outcome, reason = _judge(job, watch, error, checkpoint, missing)
    trained = outcome is Outcome.TRAINED
    return TrainingReport(
        outcome=outcome,
        error="" if trained else reason,
        checkpoint=checkpoint if trained else None,
        claims=claims,
        curve=curve,
        batches=batches,
        log_tail=printable(trace or log, lim.LOG_TAIL_CHARS),
        startup_s=watch.startup_s,
        cpu_s=max(0.0, watch.last.cpu_s - watch.ready_cpu_s),
        wall_s=watch.wall_s - watch.startup_s,
        peak_memory_bytes=watch.last.memory_peak_bytes,
        early_stopped=watch.ended == "early",
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
    job: TrainingJob, watch: Watch, error: str, checkpoint: Path | None, missing: str
) -> tuple[Outcome, str]:
    code, ended = watch.last.exit_code, watch.ended
    budget = job.config.time_budget_sec
    memory = f"{job.limits.memory_bytes / lim.GIB:.1f} GiB"
    decided: tuple[Outcome, str] | None = None
    if ended == "stopped":
        decided = Outcome.STOPPED, "Stopped before it was finished."
    elif ended == "early":
        decided = Outcome.STOPPED, watch.far_behind
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
