"""How a training went, as the result that everybody reads; no score yet."""

from autoresearch_dagster.core.experiment import (
    ExperimentResult,
    Label,
    Outcome,
    PlannedExperiment,
    canonical_json,
)
from autoresearch_dagster.core.limits import GIB
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.experiments.attempt_record import AttemptRecord
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.scoring import Attempt, session_budget_s


def described(
    planned: PlannedExperiment, lab: Laboratory, attempt: Attempt, record: AttemptRecord
) -> ExperimentResult:
    """Say how the training went, with what it was given and how often it ran out of memory."""
    report, given = record.report, record.provision
    assert report is not None
    config, steps = planned.config, report.claims.steps
    # Steps are a claim: a forged one must not look like speed.
    rows = min(steps or 0, config.max_steps) * config.device_batch_size * config.grad_accum_steps
    tokens = rows * lab.bundle.sequence_length
    ran_as = given.applied_to(config)
    labels = list(attempt.labels)
    if report.outcome is Outcome.TRAINED and (steps is None or steps < config.max_steps):
        labels.append(Label.STARVED)
    if config.time_budget_sec < session_budget_s(lab, attempt):
        labels.append(Label.SMALL_BUDGET)
    if report.early_stopped:
        labels.append(Label.EARLY_STOPPED)
    if ran_as != config:
        labels.append(Label.HEALED)
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
        resources=f"{_processors(attempt.slot)}, {given.memory_bytes / GIB:.0f} GiB",
        memory_bytes=given.memory_bytes,
        ran_as=ran_as if ran_as != config else None,
        oom_retries=len(record.out_of_memory),
        out_of_memory=record.out_of_memory,
    )


def _processors(slot: Slot) -> str:
    cores = counted(len(slot.cores), "CPU core")
    return f"1 GPU, {cores}" if slot.gpu else cores
