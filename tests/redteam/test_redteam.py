"""Candidates that cheat and candidates that are only odd: each ends as tests/redteam_table.py says."""

import json
import os
from types import SimpleNamespace

import pytest

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import Outcome, Verdict
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.evaluation import secret
from tests import judging
from tests.redteam_table import CANDIDATES, ENDINGS, HONEST, HONEST_BUT_ODD, OWN_TESTS, SHORT

ROWS = 32


@pytest.fixture(scope="module")
def lab(bundle, zygote, tmp_path_factory):
    """Every job is forked from one process that has imported torch."""
    settings = Settings(home=tmp_path_factory.mktemp("home"), runner="plain")
    return judging.open_bench(settings, zygote, "zygote", bundle, rows=ROWS)


@pytest.fixture(scope="module")
def honest(lab):
    """What the honest model is worth."""
    return judging.judged(lab, HONEST, seconds=20)[0]


def test_every_candidate_is_in_the_table():
    files = {path.stem for path in CANDIDATES.glob("*.py") if not path.stem.startswith(("test_", "__"))}

    assert files == {*ENDINGS, *OWN_TESTS}
    assert len(HONEST_BUT_ODD) >= 10
    assert len(files) - len(HONEST_BUT_ODD) >= 40


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if ending.quick else pytest.mark.slow)
        for name, ending in ENDINGS.items()
        if not ending.sealed
    ],
)
def test_it_ends_as_it_must(lab, honest, name):
    ending = ENDINGS[name]

    result, receipt = judging.judged(lab, name, seconds=ending.seconds, wall=ending.wall)

    judging.check(ending, result, receipt, honest)


# --- a rare leak: what screening may miss, a promotion's audits see --------------------------------


@pytest.fixture
def fixed_secret(monkeypatch):
    """Draw the same audit each time."""

    def fix(token):
        monkeypatch.setattr(secret, "secrets", SimpleNamespace(token_bytes=lambda _: token))

    return fix


@pytest.mark.slow
def test_a_leak_on_a_hundredth_that_screening_missed_is_rejected_with_the_audits_of_a_promotion(
    lab, honest, fixed_secret
):
    fixed_secret(b"secret 0")
    missed, screened = judging.judged(lab, "look_ahead_hundredth", seconds=20)
    rejected, promoted = judging.judged(lab, "look_ahead_hundredth", seconds=20, rounds=16)

    assert missed.verdict is Verdict.ACCEPTED  # 32 cuts see it in 3 of 10 cases: this is not one
    assert missed.val_bpb < honest.val_bpb - 0.005  # and it pays
    assert (screened.audit.audits, screened.audit.mismatches) == (32, 0)
    assert (rejected.verdict, rejected.val_bpb) == (Verdict.REJECTED, None)
    assert promoted.audit.audits == 512
    assert promoted.audit.mismatches > 0


@pytest.mark.slow
def test_beside_a_best_score_so_far_screening_sees_a_leak_on_a_hundredth(lab, fixed_secret):
    fixed_secret(b"secret 0")
    _, champion = judging.judged(lab, HONEST, seconds=20)

    result, receipt = judging.judged(lab, "look_ahead_hundredth", seconds=20, reference=champion.nats_per_target)

    assert result.verdict is Verdict.REJECTED
    assert receipt.audit.strata["gain"].mismatches > 0


@pytest.mark.slow
def test_every_round_sees_a_memory_because_each_has_a_server_that_remembers_nothing(lab):
    result, receipt = judging.judged(lab, "memory_scored", seconds=20, rounds=4)

    assert result.verdict is Verdict.REJECTED
    assert receipt.audit.audits == 4 * ROWS
    assert receipt.audit.mismatches > 0.8 * 4 * ROWS  # one server asked for all 4 cuts would pass half of them
    # and the gain is taken back
    assert receipt.audit.corrected_bpb > receipt.val_bpb + 1.0


# --- candidates that need more than a line of a table ------------------------------------------------


@pytest.mark.parametrize(
    ("name", "outcome"), [("marker", Outcome.TRAINED), ("executes_when_read", Outcome.REFUSED)]
)
def test_what_a_candidate_pickled_is_never_unpickled_by_us(lab, tmp_path, name, outcome):
    result, _ = judging.judged(lab, name, title=f"path={tmp_path / 'marker'}")

    assert result.outcome is outcome, result.error
    unpickled_by = (tmp_path / "marker").read_text().split()
    assert len(unpickled_by) == (2 if result.accepted else 1)  # servers A and B; A alone where it refuses
    assert str(os.getpid()) not in unpickled_by


def test_what_a_candidate_prints_and_reports_cannot_pass_for_ours(lab, honest):
    result, receipt = judging.judged(lab, "log_injection", seconds=20)

    assert (result.verdict, result.val_bpb) == (Verdict.ACCEPTED, honest.val_bpb)
    assert result.claims.val_bpb == 0.0123
    shown = (result.log_tail, *result.claims.model_dump().values(), receipt.title)
    assert all(c.isprintable() or c in "\n\t" for text in shown for c in str(text))
    assert all("\n" not in text for text in (result.error, result.claims.model_name, result.claims.notes))
    curve = json.loads(lab.store.blobs.get(result.curve))
    assert [(point["step"], point["loss"]) for point in curve] == [(29, 2.5)]


@pytest.mark.slow
def test_a_seed_of_its_own_does_not_hide_the_variance_of_the_order_of_rows(lab, honest):
    first, second = (judging.judged(lab, "fixed_seed", seconds=20, seed=seed)[0] for seed in (0, 1))

    assert first.val_bpb == pytest.approx(honest.val_bpb, abs=1e-6)
    assert abs(second.val_bpb - first.val_bpb) > 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["never_answers", "too_few_numbers"])
def test_an_answer_that_does_not_come_ends_the_evaluation(lab, monkeypatch, name):
    monkeypatch.setattr(limits, "ANSWER_FIRST_S", 3.0)
    monkeypatch.setattr(limits, "ANSWER_S", 2.0)

    result, receipt = judging.judged(lab, name)

    assert (result.outcome, receipt) == (Outcome.REFUSED, None)
    assert "did not answer in time" in result.error


def test_many_slow_answers_end_it_too(lab, monkeypatch):
    monkeypatch.setattr(limits, "HARD_STOP_MIN_S", 1.0)
    monkeypatch.setattr(limits, "SERVE_WALL_FACTOR", 0.0)

    result, receipt = judging.judged(lab, "dawdles", seconds=60)

    assert (result.outcome, receipt) == (Outcome.REFUSED, None)
    assert "its answers took too long" in result.error


@pytest.mark.slow
def test_more_steps_than_were_asked_for_are_a_claim_and_end_with_the_budget(lab):
    result, _ = judging.judged(lab, "ignores_max_steps", seconds=2)

    assert result.accepted
    assert result.claims.steps > SHORT.max_steps
    assert 1.0 < result.cpu_sec < 2 * limits.DEADLINE_SLACK + 0.5  # the granularity of looking


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["never_hands_over", "ignores_its_budget", "restarts_its_clock", "trains_in_a_child"]
)
def test_time_is_metered_from_outside_and_ends_at_the_deadline(lab, name):
    result, _ = judging.judged(lab, name, seconds=1)

    assert limits.DEADLINE_SLACK <= result.cpu_sec < limits.DEADLINE_SLACK + 0.5
