"""From a finished training to a judged result: what is asked of the evaluator, and the receipt of its answer."""

import dataclasses
import math
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.containers.protocol import JobLimits
from autoresearch_dagster.core.experiment import (
    Digest,
    ExperimentResult,
    Label,
    Outcome,
    PlannedExperiment,
    Purpose,
    Standing,
    TrainConfig,
    Verdict,
)
from autoresearch_dagster.core.limits import ANSWER_MEMORY_BYTES, DEADLINE_SLACK, PROMOTION_AUDITS
from autoresearch_dagster.core.slot import NO_SLOT, Slot
from autoresearch_dagster.evaluation.job import EvaluationJob, Refusal, Score
from autoresearch_dagster.evaluation.receipt import EVALUATOR_VERSION, Receipt, Rowset
from autoresearch_dagster.evaluation.rows import vocabulary_of
from autoresearch_dagster.evaluation.spending import PLANS
from autoresearch_dagster.experiments.arms import receipt_at
from autoresearch_dagster.experiments.confirmations import champion_of, trained_at
from autoresearch_dagster.experiments.early_stop import Curve
from autoresearch_dagster.experiments.healing import Provision, first_provision, memory_ceiling
from autoresearch_dagster.experiments.laboratory import KEY_LABEL, Laboratory
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.training.job import TrainingReport


@dataclass(frozen=True, slots=True)
class Attempt:
    """How one experiment is run this time."""

    number: int
    slot: Slot = NO_SLOT
    rowset: Rowset = "selection"
    labels: tuple[Label, ...] = ()
    reference: Digest | None = None
    """The champion's nats on the same rows, a blob: audits look where a candidate gains most on it."""
    budget_s: int | None = None
    """What an experiment of the session may train, in seconds of resource time; None: the preset's."""
    audit_rounds: int = 1
    provision: Provision | None = None
    """What the first try is given; None: the preset's memory and the planned micro-batch."""
    n_slots: int = 1
    """Experiments that may run beside each other: what one of them can have of the machine's memory."""
    rivals: tuple[Curve, ...] = ()
    """Whom its training is compared with while it runs; with none it is never stopped early."""


@dataclass(frozen=True, slots=True)
class Trained:
    """A training that handed a model over; what its last try was given."""

    planned: PlannedExperiment
    lab: Laboratory
    attempt: Attempt
    report: TrainingReport
    checkpoint: Digest
    memory_bytes: int
    ran_as: TrainConfig | None = None


def labels_of(planned: PlannedExperiment, attempt: Attempt) -> dict[str, str]:
    """Return the labels by which a later driver finds the jobs of an experiment."""
    return {KEY_LABEL: planned.key, "autoresearch.attempt": str(attempt.number)}


def attempt_of(
    state: SessionState, planned: PlannedExperiment, lab: Laboratory, number: int, slot: Slot, n_slots: int
) -> Attempt:
    """Say on which rows a training of a session is scored, against whom, and how often it is audited."""
    confirms = planned.purpose in (Purpose.CONFIRMATION, Purpose.SCALE_TRANSFER)
    challenger = planned.purpose is Purpose.CONFIRMATION and planned.trains != champion_of(state).key
    return Attempt(
        number=number,
        slot=slot,
        rowset="confirmation" if confirms else "selection",
        reference=_reference_of(state, planned, lab),
        budget_s=state.floor.budget_s if state.floor else state.config.time_budget_sec,
        audit_rounds=_promotion_rounds(lab) if challenger else 1,
        n_slots=n_slots,
        provision=_sized(state, planned, lab, memory_ceiling(lab.preset.memory_bytes, n_slots)),
    )


def _sized(state: SessionState, planned: PlannedExperiment, lab: Laboratory, ceiling_bytes: int) -> Provision:
    """Say what a first try is given; what runs out of memory all the same is healed."""
    floor_bytes = lab.preset.memory_bytes
    plain = Provision(floor_bytes, planned.config.device_batch_size, planned.config.grad_accum_steps)
    match state.config.resource_sizing:
        case "measured":
            return first_provision(planned.config, state.everything.values(), floor_bytes, ceiling_bytes)
        case "model":
            estimated = state.everything[planned.key].sized_bytes
            return replace(plain, memory_bytes=min(max(estimated, floor_bytes), ceiling_bytes))
        case "floor":
            return plain


def rows_of(lab: Laboratory, rowset: Rowset) -> int:
    """Count the rows that are scored; a small corpus may have fewer for confirmation than the preset asks for."""
    if rowset == "confirmation":
        return min(lab.preset.confirmation_rows, len(lab.bundle.rows("confirmation").tokens))
    return lab.preset.scored_rows


def _promotion_rounds(lab: Laboratory) -> int:
    """Count the audits of each row that give a candidate `PROMOTION_AUDITS` before it can become champion."""
    fresh = PLANS[lab.preset.name].seeds[0] * rows_of(lab, "confirmation")
    return max(1, math.ceil((PROMOTION_AUDITS - lab.preset.scored_rows) / fresh))


def _reference_of(state: SessionState, planned: PlannedExperiment, lab: Laboratory) -> Digest | None:
    """Return the champion's nats on the rows that this training will be scored on, if they are there already.

    A scale transfer crowns nobody, and its file has passed the audits of its promotion: it needs none.
    """
    if state.floor is None or planned.purpose in (Purpose.NOISE_FLOOR, Purpose.SCALE_TRANSFER):
        return None
    if planned.purpose is Purpose.CONFIRMATION:
        theirs = trained_at(state, champion_of(state), [planned.config.seed])
        result = theirs[0].result if theirs and planned.trains != champion_of(state).key else None
    else:
        result = state.champion.result if state.champion else state.floor.trainings[0].result
    receipt = receipt_at(lab, result.receipt) if result is not None and result.receipt is not None else None
    if receipt is None or receipt.bundle != lab.bundle.digest:
        return None
    return receipt.nats_per_target


def session_budget_s(lab: Laboratory, attempt: Attempt) -> int:
    """Return what an experiment may train where this attempt belongs, in seconds of resource time."""
    return lab.preset.config.time_budget_sec if attempt.budget_s is None else attempt.budget_s


def evaluation_job(trained: Trained) -> EvaluationJob:
    """Say what is scored, on which rows, and what the candidate is held to."""
    planned, lab, attempt, report = trained.planned, trained.lab, trained.attempt, trained.report
    return EvaluationJob(
        key=planned.key,
        checkpoint=lab.store.blobs.path(trained.checkpoint),
        train_py=lab.store.blobs.get(planned.train_py),
        bundle=lab.bundle,
        limits=JobLimits(memory_bytes=max(trained.memory_bytes, ANSWER_MEMORY_BYTES), slot=attempt.slot),
        labels=labels_of(planned, attempt),
        image=lab.image,
        scratch_prefix=lab.scratch_prefix(planned.key),
        rowset=attempt.rowset,
        n_rows=rows_of(lab, attempt.rowset),
        # scores are compared at the session's budget: a smaller one of its own earns nothing to train late with
        budget_s=float(max(planned.config.time_budget_sec, session_budget_s(lab, attempt))),
        used_s=report.cpu_s if lab.preset.cpu_metered else report.wall_s,
        cpu_metered=lab.preset.cpu_metered,
        reference=_reference(lab, attempt),
        audit_rounds=attempt.audit_rounds,
        tolerances=lab.settings.home.resolve() / "tolerances",
    )


def _reference(lab: Laboratory, attempt: Attempt) -> npt.NDArray[np.floating] | None:
    if attempt.reference is None:
        return None
    return np.load(lab.store.blobs.path(attempt.reference), allow_pickle=False)


def judged(result: ExperimentResult, trained: Trained, score: Score | Refusal) -> ExperimentResult:
    """Add what the evaluator says: a score of record, a rejected one, or why there is none."""
    size = trained.lab.store.blobs.path(trained.checkpoint).stat().st_size
    found: dict[str, object] = {"checkpoint": trained.checkpoint, "checkpoint_bytes": size}
    if isinstance(score, Refusal):
        return result.model_copy(update=found | {"outcome": Outcome.REFUSED, "error": score.reason})
    written = receipt_of(trained, score)
    found |= {"verdict": written.verdict, "receipt": trained.lab.store.blobs.put(written.to_bytes())}
    if written.verdict is Verdict.REJECTED:  # the claimed figure stands in the receipt alone
        return result.model_copy(update=found | {"error": written.reason})
    figures = {"val_bpb": written.val_bpb, "val_bpb_exact": written.val_bpb_exact}
    return result.model_copy(update=found | figures | {"standing": Standing.SCREENED})


def receipt_of(trained: Trained, score: Score) -> Receipt:
    """Write down everything that a score rests on; its nats go to the blobs."""
    planned, lab, attempt, report = trained.planned, trained.lab, trained.attempt, trained.report
    job, bundle = evaluation_job(trained), trained.lab.bundle
    return Receipt(
        **dict(score.record),
        key=planned.key,
        title=planned.title,
        candidate=planned.candidate,
        train_py=planned.train_py,
        config=planned.config,
        bundle=bundle.digest,
        **dict(vocabulary_of(bundle)),
        image=lab.image,
        runner=lab.runner.name,
        capabilities=dataclasses.asdict(lab.runner.capabilities),
        sandboxed=lab.runner.capabilities.sandboxed,
        device=job.device,
        checkpoint=trained.checkpoint,
        evaluator_version=EVALUATOR_VERSION,
        wire=job.wire,
        verdict=Verdict.REJECTED if score.rejected else Verdict.ACCEPTED,
        reason=score.rejected,
        audit=score.audit,
        serve=score.serve,
        nats_per_target=lab.store.blobs.put(score.nats_file()),
        train_cpu_s=report.cpu_s,
        train_wall_s=report.wall_s,
        memory_bytes=trained.memory_bytes,
        ran_as=trained.ran_as,
        answer_memory_bytes=job.limits.memory_bytes,
        cores=len(attempt.slot.cores),
        budget_s=float(planned.config.time_budget_sec),
        deadline_s=DEADLINE_SLACK * planned.config.time_budget_sec,
        metered="cpu" if lab.preset.cpu_metered else "wall",
        attempts=attempt.number,
    )
