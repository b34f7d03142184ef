"""One experiment from plan to result: train sealed, freeze, score trusted, write the receipt."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from autoresearch_dagster.containers.protocol import JobLimits
from autoresearch_dagster.core.experiment import (
    CurvePoint,
    Digest,
    ExperimentResult,
    Label,
    Outcome,
    PlannedExperiment,
    Standing,
    Verdict,
    canonical_json,
)
from autoresearch_dagster.core.folders import remove_tree
from autoresearch_dagster.core.limits import ANSWER_MEMORY_BYTES, GIB
from autoresearch_dagster.evaluation.evaluator import EvaluationJob, Refusal, Score, evaluate
from autoresearch_dagster.evaluation.receipt import EVALUATOR_VERSION, Receipt, Rowset
from autoresearch_dagster.experiments.laboratory import KEY_LABEL, Laboratory
from autoresearch_dagster.training.run import TrainingJob, TrainingReport, train

Progress = Callable[[CurvePoint | None, float, float], None]
"""Receives the last curve point, seconds of resource time used, and seconds left."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one experiment is run this time."""

    number: int
    core: int
    rowset: Rowset = "selection"
    labels: tuple[Label, ...] = ()


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
        AutoresearchError: a fault of ours; the experiment may be tried again.
    """
    workspace = Path(tempfile.mkdtemp(prefix=lab.scratch_prefix(planned.key)))
    try:
        on_stage("training")
        report = train(_training_job(planned, lab, attempt), lab.runner, workspace, on_progress, stop)
        result = _describe(planned, lab, attempt, report)
        if report.outcome is not Outcome.TRAINED or report.checkpoint is None:
            return result
        checkpoint = lab.store.blobs.put_file(report.checkpoint)
        on_stage("scoring")
        score = evaluate(_evaluation_job(planned, lab, attempt, checkpoint), lab.runner)
        if isinstance(score, Refusal):
            return result.model_copy(
                update={"outcome": Outcome.REFUSED, "error": score.reason, "checkpoint": checkpoint}
            )
        receipt = lab.store.blobs.put(_receipt(planned, lab, attempt, report, checkpoint, score).to_bytes())
        return result.model_copy(
            update={
                "verdict": Verdict.UNAUDITED,
                "standing": Standing.SCREENED,
                "val_bpb": score.val_bpb,
                "val_bpb_exact": score.val_bpb_exact,
                "receipt": receipt,
                "checkpoint": checkpoint,
            }
        )
    finally:
        remove_tree(workspace)


def _limits(lab: Laboratory, attempt: Attempt) -> JobLimits:
    return JobLimits(memory_bytes=lab.preset.memory_bytes, core=attempt.core)


def _labels(planned: PlannedExperiment, attempt: Attempt) -> dict[str, str]:
    return {KEY_LABEL: planned.key, "autoresearch.attempt": str(attempt.number)}


def _training_job(planned: PlannedExperiment, lab: Laboratory, attempt: Attempt) -> TrainingJob:
    return TrainingJob(
        key=planned.key,
        attempt=attempt.number,
        title=planned.title,
        train_py=lab.store.blobs.get(planned.train_py),
        config=planned.config,
        bundle=lab.bundle,
        limits=_limits(lab, attempt),
        cpu_metered=lab.preset.cpu_metered,
        labels=_labels(planned, attempt),
    )


def _evaluation_job(
    planned: PlannedExperiment, lab: Laboratory, attempt: Attempt, checkpoint: Digest
) -> EvaluationJob:
    return EvaluationJob(
        key=planned.key,
        checkpoint=lab.store.blobs.path(checkpoint),
        train_py=lab.store.blobs.get(planned.train_py),
        bundle=lab.bundle,
        limits=JobLimits(memory_bytes=max(lab.preset.memory_bytes, ANSWER_MEMORY_BYTES), core=attempt.core),
        labels=_labels(planned, attempt),
        scratch_prefix=lab.scratch_prefix(planned.key),
        rowset=attempt.rowset,
        n_rows=lab.preset.scored_rows,
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
    if config.time_budget_sec < lab.preset.config.time_budget_sec:
        labels.append(Label.SMALL_BUDGET)
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
        resources=f"1 CPU core, {lab.preset.memory_bytes / GIB:.0f} GiB",
    )


def _receipt(
    planned: PlannedExperiment,
    lab: Laboratory,
    attempt: Attempt,
    report: TrainingReport,
    checkpoint: Digest,
    score: Score,
) -> Receipt:
    return Receipt(
        key=planned.key,
        title=planned.title,
        candidate=planned.candidate,
        train_py=planned.train_py,
        config=planned.config,
        bundle=lab.bundle.digest,
        image=lab.image,
        runner=lab.runner.name,
        sandboxed=lab.runner.capabilities.sandboxed,
        device="cpu",
        checkpoint=checkpoint,
        rows=attempt.rowset,
        n_rows=len(score.nats),
        n_targets=score.nats.size,
        evaluator_version=EVALUATOR_VERSION,
        wire="fp32",
        nats=float(score.nats.sum()),
        bytes_seed=score.bytes_seed,
        bytes_exact=score.bytes_exact,
        val_bpb=score.val_bpb,
        val_bpb_exact=score.val_bpb_exact,
        nats_per_target=lab.store.blobs.put(score.nats_file()),
        train_cpu_s=report.cpu_s,
        train_wall_s=report.wall_s,
        budget_s=float(planned.config.time_budget_sec),
        metered="cpu" if lab.preset.cpu_metered else "wall",
        attempts=attempt.number,
    )
