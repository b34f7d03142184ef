"""Verify a receipt: check its paper, train its candidate again under its own terms, compare the scores."""

import dataclasses
from collections.abc import Callable

from autoresearch_dagster.containers.machine_slots import chosen_gpus
from autoresearch_dagster.core.experiment import ExperimentResult, Label, PlannedExperiment, Verdict
from autoresearch_dagster.core.judgement import NoiseFloor
from autoresearch_dagster.core.presets import PRESETS, Preset
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.evaluation.clock import ServeLimits
from autoresearch_dagster.evaluation.receipt import Receipt
from autoresearch_dagster.evaluation.reproduction import (
    Reproduction,
    Verification,
    reproduction,
    reproduction_of_figure,
)
from autoresearch_dagster.experiments.healing import Provision
from autoresearch_dagster.experiments.laboratory import BASELINE_FILE, Laboratory, laboratory_on
from autoresearch_dagster.experiments.outside import outside_key, run_outside
from autoresearch_dagster.experiments.paper import Paper, check_machine, check_paper, read_nats
from autoresearch_dagster.experiments.receipts import FoundReceipt
from autoresearch_dagster.experiments.scoring import Attempt
from autoresearch_dagster.store.store import open_store
from autoresearch_dagster.training.job import OnProgress

REVISION = 1  # of a candidate that belongs to no session


def verify(
    found: FoundReceipt,
    settings: Settings,
    *,
    floor: NoiseFloor | None,
    report: Report,
    on_progress: OnProgress,
    on_stage: Callable[[str], None],
) -> Verification:
    """Verify a receipt; the journal stays as it is.

    A receipt that contradicts itself is told without training.

    Args:
        found: the receipt, from `find_receipt`.
        settings: of this machine.
        floor: the noise floor that its score is judged by, if one is measured.
        report: receives progress lines.
        on_progress: receives how far the training is.
        on_stage: receives `training` and `scoring`.

    Raises:
        UserError: it cannot be tried on this machine; the text says what to do.
        AutoresearchError: a fault of ours; it may be tried again.
    """
    blobs = open_store(settings).blobs
    paper = check_paper(found, blobs, settings.bundles)
    if paper.contradictions:
        said = "; ".join(check.said for check in paper.contradictions)
        reason = f"The receipt contradicts itself, so no evaluator wrote it: {said}. Nothing was trained."
        return _verification(found, paper, None, Reproduction(verdict="not reproduced", reason=reason))
    ours = found.ours or blobs.get(found.receipt.train_py) == BASELINE_FILE.read_bytes()
    terms = terms_of(found.receipt, paper)
    if found.receipt.device == "cuda" and chosen_gpus(settings):  # elsewhere it is tried, and the difference said
        terms = dataclasses.replace(terms, slot_kind="gpu")
    lab = laboratory_on(paper.bundle, terms, settings, report, trusted_code=ours)
    report(lab.runner_note)
    return verify_in(lab, found, paper, floor, on_progress, on_stage)


def terms_of(receipt: Receipt, paper: Paper) -> Preset:
    """Say under which terms a receipt was written: budgets, rows, metering, memory."""
    used_s = receipt.train_cpu_s if receipt.metered == "cpu" else receipt.train_wall_s
    session_s = ServeLimits.budget_of(receipt.serve.allowed_s, used_s)
    longest = max(known.config.time_budget_sec for known in PRESETS.values())
    budget_s = max(receipt.config.time_budget_sec, min(session_s, longest))
    return dataclasses.replace(
        PRESETS["workshop"],  # for its name alone
        config=receipt.config.model_copy(update={"time_budget_sec": budget_s}),
        sequence_length=paper.bundle.sequence_length,
        scored_rows=receipt.n_rows,
        confirmation_rows=receipt.n_rows,
        cpu_metered=receipt.metered == "cpu",
        memory_bytes=receipt.memory_bytes,
    )


def verify_in(
    lab: Laboratory,
    found: FoundReceipt,
    paper: Paper,
    floor: NoiseFloor | None,
    on_progress: OnProgress,
    on_stage: Callable[[str], None],
) -> Verification:
    """Train and score again in a laboratory of the receipt's terms, and compare.

    Raises:
        AutoresearchError: a fault of ours; it may be tried again.
    """
    receipt = found.receipt
    planned = PlannedExperiment(
        key=outside_key(),
        title=receipt.title,
        revision=REVISION,
        train_py=receipt.train_py,
        config=receipt.config,
    )
    attempt = Attempt(number=1, rowset=receipt.rows, labels=(Label.REPRODUCTION,), provision=_given(receipt))
    again = run_outside(planned, lab, attempt, on_progress, on_stage)
    written = _receipt_of(again, lab)
    machine = check_machine(receipt, lab, written.device if written else receipt.device)
    paper = dataclasses.replace(paper, checks=(*paper.checks, *machine))
    return _verification(found, paper, again, _compared(receipt, paper, again, written, lab, floor))


def _given(receipt: Receipt) -> Provision:
    ran_as = receipt.ran_as or receipt.config
    return Provision(receipt.memory_bytes, ran_as.device_batch_size, ran_as.grad_accum_steps)


def _receipt_of(result: ExperimentResult, lab: Laboratory) -> Receipt | None:
    return Receipt.model_validate_json(lab.store.blobs.get(result.receipt)) if result.receipt else None


def _compared(
    receipt: Receipt,
    paper: Paper,
    again: ExperimentResult,
    written: Receipt | None,
    lab: Laboratory,
    floor: NoiseFloor | None,
) -> Reproduction:
    ended = f"{again.ending}{f': {again.error}' if again.error else ''}"
    if receipt.verdict is Verdict.REJECTED:
        stands = "this time the audit found nothing, which does not undo it" if again.accepted else "it stands"
        reason = f"The receipt is of a rejected score, so there is none to reproduce; {stands} (again: {ended})."
        return Reproduction(verdict="no score", reason=reason)
    if not again.accepted or written is None:
        return Reproduction(verdict="no score", reason=f"Trained again it has no score ({ended}).")
    if paper.nats is None:
        return reproduction_of_figure(receipt.val_bpb, written.val_bpb, floor)
    new = read_nats(lab.store.blobs, written.nats_per_target, paper.rows.documents.shape)
    return reproduction(paper.nats, new, paper.rows.documents, paper.n_bytes, floor)


def _verification(
    found: FoundReceipt, paper: Paper, again: ExperimentResult | None, said: Reproduction
) -> Verification:
    return Verification(
        receipt=found.digest,
        key=found.receipt.key,
        checks=paper.checks,
        recorded_bpb=found.receipt.val_bpb,
        again=again,
        reproduction=said,
    )
