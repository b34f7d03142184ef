"""Scored trainings without training: receipts and nats as the evaluator leaves them, with a chosen quality."""

import dataclasses
import io
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np

from autoresearch_dagster.core.experiment import (
    Claims,
    ExperimentResult,
    Outcome,
    PlannedExperiment,
    Purpose,
    Standing,
    TrainConfig,
    Verdict,
)
from autoresearch_dagster.core.presets import Preset, preset
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.evaluation.receipt import (
    EVALUATOR_VERSION,
    AuditRecord,
    Receipt,
    Rowset,
    ServeRecord,
    ServerTimes,
)
from autoresearch_dagster.evaluation.rows import choose_rows, rows_digest
from autoresearch_dagster.evaluation.statistics import score_record
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.store.store import Store, open_store
from tests.fakes import ScriptedRunner
from tests.researched import checkpoint_of

NATS = 3.0  # of a target, of the baseline on average
OWN_SD = 0.02  # of a target: what suits one training
SEED_SD = 0.002  # of all targets of one training
TIMES = ServerTimes(load_s=0.1, first_s=0.1, median_s=0.1, longest_s=0.1, served_s=0.5, wall_s=1.0)

Quality = Callable[[PlannedExperiment], float | ExperimentResult]
"""How many bpb a training is better than the baseline, or the result that it has instead of a score."""


def small_lab(home: Path, bundle: Bundle, *, name: str = "demo") -> Laboratory:
    """A laboratory on a tiny bundle whose runner starts nothing."""
    settings = Settings(home=home)
    small: Preset = dataclasses.replace(preset(name), scored_rows=16, confirmation_rows=32)
    return Laboratory(
        settings=settings,
        store=open_store(settings),
        runner=ScriptedRunner(),  # pyright: ignore[reportArgumentType]
        image="scripted",
        runner_note="",
        bundle=bundle,
        preset=small,
        baseline=b"def run_training(config): ...\n",
    )


def checkpoint_bytes(config: TrainConfig) -> int:
    """Size of the checkpoint of a file that honours width and depth."""
    return 4 * (8192 * config.n_embd + 12 * config.n_layer * config.n_embd**2)


def result_of(planned: PlannedExperiment, lab: Laboratory, gain_bpb: float) -> ExperimentResult:
    """The result of a training that is better than the baseline by `gain_bpb`, give or take its luck."""
    confirms = planned.purpose in (Purpose.CONFIRMATION, Purpose.SCALE_TRANSFER)
    rowset: Rowset = "confirmation" if confirms else "selection"
    rows = choose_rows(lab.bundle, rowset, lab.preset.confirmation_rows if confirms else lab.preset.scored_rows)
    targets = rows.tokens[:, 1:]
    counted = lab.bundle.token_bytes("seed")[targets]
    luck = np.random.default_rng(int(planned.candidate[:12], 16))
    per_target = gain_bpb * math.log(2) * counted.sum() / np.count_nonzero(counted)
    nats = NATS - per_target + SEED_SD * luck.normal() + OWN_SD * luck.normal(size=targets.shape)
    nats = np.where(counted > 0, nats, 0.0)
    score = score_record(rowset, rows, nats, counted, lab.bundle.token_bytes("exact")[targets])
    file = io.BytesIO()
    np.save(file, nats.astype(np.float32), allow_pickle=False)
    blobs = lab.store.blobs
    checkpoint = blobs.put(checkpoint_of(planned.key))
    receipt = _receipt(planned, lab).model_copy(
        update={
            **dict(score),
            "checkpoint": checkpoint,
            "rows_digest": rows_digest(rows),
            "nats_per_target": blobs.put(file.getvalue()),
        }
    )
    return ExperimentResult(
        outcome=Outcome.TRAINED,
        verdict=Verdict.ACCEPTED,
        standing=Standing.SCREENED,
        val_bpb=score.val_bpb,
        val_bpb_exact=score.val_bpb_exact,
        receipt=blobs.put(receipt.to_bytes()),
        checkpoint=receipt.checkpoint,
        checkpoint_bytes=checkpoint_bytes(planned.config),
        claims=Claims(steps=planned.config.max_steps),
        duration_sec=8.0,
        cpu_sec=8.0,
        runner="scripted",
    )


def _receipt(planned: PlannedExperiment, lab: Laboratory) -> Receipt:
    audit = AuditRecord(
        audits=16,
        mismatches=0,
        strata={},
        tolerance=1e-5,
        max_deviation=0.0,
        signed_mean=0.0,
        signed_error=0.0,
        corrected_bpb=1.0,
        corrected_error=0.0,
        reference=False,
    )
    blank = planned.train_py
    return Receipt(
        rows="selection",
        rows_digest=blank,
        n_rows=1,
        n_targets=1,
        n_documents=1,
        nats=1.0,
        bytes_seed=1,
        bytes_exact=1,
        val_bpb=1.0,
        val_bpb_exact=1.0,
        standard_error=0.1,
        interval=(0.0, 1.0),
        key=planned.key,
        title=planned.title,
        candidate=planned.candidate,
        train_py=planned.train_py,
        config=planned.config,
        bundle=lab.bundle.digest,
        tokenizer=blank,
        token_bytes_seed=blank,
        token_bytes_exact=blank,
        image=lab.image,
        runner=lab.runner.name,
        capabilities={},
        sandboxed=True,
        device="cpu",
        checkpoint=blank,
        evaluator_version=EVALUATOR_VERSION,
        wire="fp32",
        verdict=Verdict.ACCEPTED,
        reason="",
        audit=audit,
        serve=ServeRecord(answering=TIMES, auditing=(TIMES,), charged_s=0.2, allowed_s=1.0),
        nats_per_target=blank,
        train_cpu_s=8.0,
        train_wall_s=8.0,
        memory_bytes=1,
        answer_memory_bytes=1,
        cores=1,
        budget_s=20.0,
        deadline_s=22.0,
        metered="cpu",
        attempts=1,
    )


def train_all(session: str, lab: Laboratory, quality: Quality) -> int:
    """Decide every planned training; return how many there were."""
    from autoresearch_dagster.store import events as ev

    store: Store = lab.store
    waiting = [one.planned for one in store.journal.state(session).unfinished]
    for planned in waiting:
        found = quality(planned)
        result = found if isinstance(found, ExperimentResult) else result_of(planned, lab, found)
        with store.journal.transaction(session) as transaction:
            transaction.append(ev.AttemptStarted(key=planned.key, attempt=1, owner="nobody"))
            transaction.append(ev.ExperimentFinished(key=planned.key, result=result))
    return len(waiting)
