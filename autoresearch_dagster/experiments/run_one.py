"""One experiment from plan to result: train sealed, freeze, score and audit trusted, write the receipt."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from autoresearch_dagster.containers.protocol import JobLimits
from autoresearch_dagster.core.experiment import (
    CurvePoint,
    ExperimentResult,
    Label,
    Outcome,
    PlannedExperiment,
    canonical_json,
)
from autoresearch_dagster.core.folders import remove_tree
from autoresearch_dagster.core.limits import GIB
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.evaluation.evaluator import evaluate
from autoresearch_dagster.experiments.device_check import on_sound_device
from autoresearch_dagster.experiments.early_stop import EarlyStop
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.scoring import (
    Attempt,
    Trained,
    evaluation_job,
    judged,
    labels_of,
    session_budget_s,
)
from autoresearch_dagster.training.run import TrainingJob, TrainingReport, train

__all__ = ["Attempt", "Progress", "run_planned"]

Progress = Callable[[CurvePoint | None, float, float], None]
"""Receives the last curve point, seconds of resource time used, and seconds left."""


def run_planned(
    planned: PlannedExperiment,
    lab: Laboratory,
    attempt: Attempt,
    on_progress: Progress,
    on_stage: Callable[[str], None],
    stop: Callable[[], bool],
) -> ExperimentResult:
    """Train a candidate and score it; whatever the candidate does becomes a result.

    Raises:
        DeviceLost: the GPU failed under it; another try needs another slot.
        AutoresearchError: a fault of ours; the experiment may be tried again.
    """
    return on_sound_device(
        lab.settings, attempt.slot, lambda: _train_and_score(planned, lab, attempt, on_progress, on_stage, stop)
    )


def _train_and_score(
    planned: PlannedExperiment,
    lab: Laboratory,
    attempt: Attempt,
    on_progress: Progress,
    on_stage: Callable[[str], None],
    stop: Callable[[], bool],
) -> ExperimentResult:
    workspace = Path(tempfile.mkdtemp(prefix=lab.scratch_prefix(planned.key)))
    try:
        on_stage("training")
        far_behind = EarlyStop(planned.config.time_budget_sec, attempt.rivals)
        report = train(_training_job(planned, lab, attempt), lab.runner, workspace, on_progress, stop, far_behind)
        result = _describe(planned, lab, attempt, report)
        if report.outcome is not Outcome.TRAINED or report.checkpoint is None:
            return result
        trained = Trained(planned, lab, attempt, report, lab.store.blobs.put_file(report.checkpoint))
        on_stage("scoring")
        return judged(result, trained, evaluate(evaluation_job(trained), lab.runner))
    finally:
        remove_tree(workspace)


def _training_job(planned: PlannedExperiment, lab: Laboratory, attempt: Attempt) -> TrainingJob:
    return TrainingJob(
        key=planned.key,
        attempt=attempt.number,
        title=planned.title,
        train_py=lab.store.blobs.get(planned.train_py),
        config=planned.config,
        bundle=lab.bundle,
        limits=JobLimits(memory_bytes=lab.preset.memory_bytes, slot=attempt.slot),
        cpu_metered=lab.preset.cpu_metered,
        labels=labels_of(planned, attempt),
    )


def _describe(
    planned: PlannedExperiment, lab: Laboratory, attempt: Attempt, report: TrainingReport
) -> ExperimentResult:
    """Say how the training went; no score yet."""
    config, steps = planned.config, report.claims.steps
    # Steps are a claim: a forged one must not look like speed.
    tokens = (
        min(steps or 0, config.max_steps)
        * config.device_batch_size
        * config.grad_accum_steps
        * lab.bundle.sequence_length
    )
    labels = list(attempt.labels)
    if report.outcome is Outcome.TRAINED and (steps is None or steps < config.max_steps):
        labels.append(Label.STARVED)
    if config.time_budget_sec < session_budget_s(lab, attempt):
        labels.append(Label.SMALL_BUDGET)
    if report.early_stopped:
        labels.append(Label.EARLY_STOPPED)
    if not lab.runner.capabilities.sandboxed:
        labels.append(Label.UNSANDBOXED)
    curve = [point.model_dump() for point in report.curve]
    return ExperimentResult(
        outcome=report.outcome,
        labels=tuple(labels),
        curve=lab.store.blobs.put(canonical_json(curve)) if curve else None,
        claims=report.claims,
        error=report.error,
        log_tail=report.log_tail,
        duration_sec=report.wall_s,
        cpu_sec=report.cpu_s,
        peak_memory_bytes=report.peak_memory_bytes,
        tokens_per_second=tokens / report.wall_s if tokens and report.wall_s > 0 else None,
        runner=lab.runner.name,
        resources=f"{_processors(attempt.slot)}, {lab.preset.memory_bytes / GIB:.0f} GiB",
    )


def _processors(slot: Slot) -> str:
    count = len(slot.cores)
    cores = f"{count} CPU core{'s' if count > 1 else ''}"
    return f"1 GPU, {cores}" if slot.gpu else cores
