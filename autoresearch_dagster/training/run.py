"""Train one candidate: stage its inputs, meter its resource time from outside, freeze its checkpoint.

The budget is enforced here and not in train.py, which the agent edits: a loop that ignores its time is stopped
at the same moment as one that keeps it.
"""

import json
import time
from dataclasses import replace
from pathlib import Path

from autoresearch_dagster.containers.escape import printable
from autoresearch_dagster.containers.protocol import KILLED, Job, JobSpec, Mount, Runner
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.boot import boot_id
from autoresearch_dagster.core.experiment import Claims, CurvePoint, Outcome
from autoresearch_dagster.training.job import Hooks, Ready, TrainingJob, TrainingReport
from autoresearch_dagster.training.safe_read import (
    Unreadable,
    copy_regular,
    parse_batches,
    parse_curve,
    parse_outcome,
    read_part,
    read_regular,
)
from autoresearch_dagster.training.watch import GO, Watch, follow

EXIT_DEVICE_OOM, EXIT_REFUSED = 86, 87  # see trainer_image/harness.py


class Left(Exception):
    """The driver stopped and left the training to run on; a later one takes it over."""


def train(job: TrainingJob, runner: Runner, workspace: Path, hooks: Hooks) -> TrainingReport:
    """Run a training to its end, its deadline, or until it is halted; the job is gone when this returns.

    Raises:
        Left: the driver halted and left it to run on.
        RunnerGone: what runs it went away under it; nothing is known of the candidate.
        ContainerError: the runner failed.
    """
    _stage(job, workspace)
    started = runner.start(_spec(job, workspace))
    return _to_its_end(job, started, workspace, Watch(time.monotonic()), hooks)


def take_over(
    job: TrainingJob, runner: Runner, workspace: Path, ready: Ready | None, hooks: Hooks
) -> TrainingReport | None:
    """Go on with a training that another driver started; None where nobody can say how long it trained.

    Args:
        job: as it was started.
        runner: where.
        workspace: the other driver's.
        ready: what the other driver saw; None if it was not ready yet.
        hooks: of this driver.

    Raises:
        Left: as `train`.
        RunnerGone: as `train`.
        ContainerError: the runner failed.
    """
    started = runner.attach(_spec(job, workspace))
    if started is None:
        return None
    watch = _resumed(job, started, workspace / "out", ready)
    if watch is None:
        started.remove()
        return None
    return _to_its_end(job, started, workspace, watch, hooks)


def _resumed(job: TrainingJob, started: Job, out: Path, ready: Ready | None) -> Watch | None:
    """Go on counting where the other driver stopped; None where the budget may have passed unseen."""
    status, ran_s = started.status(), started.ran_s()
    if ready is None:  # it has not begun, unless its driver died between letting it and taking that down
        begun = status.exit_code is not None or (out.parent / "candidate" / GO).exists()
        return None if begun else Watch(time.monotonic())
    if ready.boot != boot_id() or status.ended_outside:
        return None
    deadline = job.config.time_budget_sec * lim.DEADLINE_SLACK
    watch = Watch(ready.started_at, ready.at, ready.cpu_s, status, time.monotonic() - ready.started_at)
    if ran_s is not None:  # ended: wall time on its cores bounds the CPU time that nobody can read any more
        trained_s = ran_s - (ready.at - ready.started_at)
        watch.wall_s = ran_s
        watch.last = replace(status, cpu_s=ready.cpu_s + trained_s * len(job.limits.slot.cores))
        killed = status.exit_code in KILLED and not status.oom
        return None if killed or trained_s > deadline else watch
    return None if watch.used_s(job.cpu_metered) > deadline else watch


def _to_its_end(job: TrainingJob, started: Job, workspace: Path, watch: Watch, hooks: Hooks) -> TrainingReport:
    out = workspace / "out"
    try:
        if watch.last.exit_code is None:
            follow(job, started, out, watch, hooks)
        log = started.log()
    finally:
        if watch.ended != "left":
            started.remove()
    if watch.ended == "left":
        raise Left
    return _report(job, out, workspace, watch, log)


def _spec(job: TrainingJob, workspace: Path) -> JobSpec:
    mounts = (
        Mount("BUNDLE", job.bundle.candidate_folder),
        Mount("CANDIDATE", workspace / "candidate"),
        Mount("OUT", workspace / "out", read_only=False),
    )
    return JobSpec(f"{job.key}-{job.attempt}-train", "train", mounts, job.limits, job.labels)


def _stage(job: TrainingJob, workspace: Path) -> None:
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
    except Unreadable as fault:
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
    elif code == EXIT_DEVICE_OOM and job.limits.slot.gpu:  # without a device there is none whose memory could end
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
