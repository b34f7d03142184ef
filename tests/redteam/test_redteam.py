"""Candidates that cheat and candidates that are only odd: each ends as its first line says."""

import dataclasses
import os
from pathlib import Path

import pytest

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import (
    ExperimentKey,
    Outcome,
    PlannedExperiment,
    TrainConfig,
    Verdict,
)
from autoresearch_dagster.core.presets import PRESETS
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.evaluation.receipt import Receipt
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.run_one import Attempt, run_planned
from autoresearch_dagster.store.store import open_store
from tests.bundles import tiny_bundle

HERE = Path(__file__).parent
SHORT = TrainConfig(max_steps=30, time_budget_sec=1)
"""Training takes a tenth of a second; who trains late takes three."""
CORE = sorted(os.sched_getaffinity(0))[-1] if hasattr(os, "sched_getaffinity") else 0

AHEAD = "The model looks ahead: its answer at position"
CHANGES = "answers in eval() are not deterministic"
COMPANY = "depend on the other rows of the batch or on a row's place in it"
TIME = "of the budget were left for it"
SAME_WORK = "forward must do the same work at each call"

REFUSED = {
    "look_ahead": AHEAD,
    "look_ahead_soft": AHEAD,
    "mask_removed": AHEAD,
    "other_rows": COMPANY,
    "batch_mean": COMPANY,
    "row_order": COMPANY,
    "rows_shifted": COMPANY,
    "functional_dropout": "F.dropout needs training=self.training",
    "memory": "Two fresh processes answer the same development rows differently",
    "learns_while_answering": CHANGES,
    "call_number": CHANGES,
    "late_spread": CHANGES,
    "late_nan": "NaN or infinite logits",
    "wrong_shape": "return (4, 32, 256)",
    "complex_numbers": "return real logits",
    "slow_later": SAME_WORK,
    "late_first_answer": TIME,
    "late_first_scored": SAME_WORK,
    "late_every_answer": TIME,
    "late_unpickling": TIME,
    "late_import": TIME,
}
REJECTED = {
    "recognises_development": "the model looks ahead, remembers rows, or is not deterministic",
    "tiny_push": "lean towards the true next token",
}
NO_SCORE = ("look_ahead_tenth", "look_ahead_bos")
ACCEPTED = (
    "forged_print",
    "zero_loss",
    "integers",
    "honest_lstm",
    "honest_batchnorm",
    "honest_tied",
    "honest_no_position",
    "honest_bfloat16",
    "honest_cache",
    "honest_compiled",
)
ALONE = ("marker", "never_answers", "dawdles")
"""Have a test of their own."""
QUICK = {
    "look_ahead",
    "functional_dropout",
    "memory",
    "late_first_answer",
    "recognises_development",
    "tiny_push",
    "forged_print",
    "honest_lstm",
}
"""One of each kind; the others belong to make test-slow."""


def cases(table):
    """Parameters of a test, the bulk of them slow."""
    rows = table.items() if isinstance(table, dict) else [(name,) for name in table]
    return [pytest.param(*row, marks=() if row[0] in QUICK else pytest.mark.slow, id=row[0]) for row in rows]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture
def judge(bundle, zygote, tmp_path):
    """Train a candidate for a few steps, score and audit it."""
    settings = Settings(home=tmp_path / "home", runner="local")
    store = open_store(settings)

    def judge(name, title="candidate", config=SHORT, code=None):
        preset = dataclasses.replace(PRESETS["demo"], config=config, sequence_length=32, scored_rows=32)
        lab = Laboratory(settings, store, zygote, "zygote", "", bundle, preset, b"")
        text = code.encode() if code else (HERE / f"{name}.py").read_bytes()
        planned = PlannedExperiment(
            key=ExperimentKey("s00_d00_e00"), title=title, revision=1, train_py=store.blobs.put(text), config=config
        )
        result = run_planned(planned, lab, Attempt(1, CORE), lambda *_: None, lambda _: None, lambda: False)
        raw = store.blobs.get(result.receipt) if result.receipt else None
        return result, Receipt.model_validate_json(raw) if raw else None

    return judge


def test_every_candidate_is_in_the_table():
    files = {path.stem for path in HERE.glob("*.py") if not path.stem.startswith(("test_", "__"))}

    assert files == {*REFUSED, *REJECTED, *NO_SCORE, *ACCEPTED, *ALONE}


@pytest.mark.parametrize(("name", "words"), cases(REFUSED))
def test_it_is_refused_and_told_why(judge, name, words):
    result, receipt = judge(name)

    assert (result.outcome, result.val_bpb, receipt) == (Outcome.REFUSED, None, None)
    assert words in result.error
    assert len(result.error.splitlines()) == 1


@pytest.mark.parametrize(("name", "words"), cases(REJECTED))
def test_it_passes_the_preflight_and_is_rejected_by_the_audit(judge, name, words):
    result, receipt = judge(name)

    assert (result.outcome, result.verdict) == (Outcome.TRAINED, Verdict.REJECTED)
    assert (result.val_bpb, result.val_bpb_exact, result.standing, result.accepted) == (None, None, None, False)
    assert words in result.error
    assert (receipt.verdict, receipt.reason) == (Verdict.REJECTED, result.error)
    assert receipt.val_bpb > 0  # the claimed figure stands in the receipt alone


@pytest.mark.parametrize("name", cases(NO_SCORE))
def test_a_rarer_leak_gets_no_score_either(judge, name):
    result, _ = judge(name)

    assert not result.accepted
    assert result.val_bpb is None


@pytest.mark.parametrize("name", cases(ACCEPTED))
def test_it_is_accepted(judge, name):
    result, receipt = judge(name, config=SHORT.model_copy(update={"time_budget_sec": 20}))

    assert (result.outcome, result.verdict) == (Outcome.TRAINED, Verdict.ACCEPTED), result.error
    assert receipt.audit.max_deviation <= receipt.audit.tolerance
    assert receipt.val_bpb == result.val_bpb
    assert result.val_bpb > 1.0  # nothing that it says of itself moves it


def test_we_never_unpickle_what_a_candidate_wrote(judge, tmp_path):
    result, _ = judge("marker", title=f"path={tmp_path / 'marker'}")

    assert result.accepted
    unpickled_by = (tmp_path / "marker").read_text().split()
    assert len(unpickled_by) == 2  # server A and server B
    assert str(os.getpid()) not in unpickled_by


def test_an_answer_that_does_not_come_ends_the_evaluation(judge, monkeypatch):
    monkeypatch.setattr(limits, "ANSWER_S", 2.0)

    result, receipt = judge("never_answers")

    assert (result.outcome, receipt) == (Outcome.REFUSED, None)
    assert "did not answer in time" in result.error


def test_many_slow_answers_end_it_too(judge, monkeypatch):
    monkeypatch.setattr(limits, "HARD_STOP_MIN_S", 1.0)
    monkeypatch.setattr(limits, "SERVE_WALL_FACTOR", 0.0)

    result, receipt = judge("dawdles", config=SHORT.model_copy(update={"time_budget_sec": 60}))

    assert (result.outcome, receipt) == (Outcome.REFUSED, None)
    assert "its answers took too long" in result.error
