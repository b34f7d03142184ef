"""The interval of a difference: over the rows and seeds that two runs share, or a reason why there is none."""

import json

import pytest

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult, Outcome, Purpose
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.promotion_events import ConfirmationPlanned
from tests.agent_bench import begin_turn, bench, call
from tests.bundles import tiny_bundle
from tests.decided import decide
from tests.scored import result_of, small_lab


@pytest.fixture
def desk(tmp_path):
    found = bench(tmp_path, batch_size=9)
    begin_turn(found)
    return found


@pytest.fixture
def lab(tmp_path):
    return small_lab(tmp_path, tiny_bundle(tmp_path / "bundle"))


def confirm(desk, lab, gains, seeds):
    """Train candidates at further seeds, scored on the confirmation rows."""
    runs = list(desk.journal.state(desk.session).experiments.values())
    planned = [
        run.planned.model_copy(
            update={
                "key": ExperimentKey(f"s01_d01_c{len(seeds) * place + number:02d}"),
                "config": run.planned.config.model_copy(update={"seed": seed}),
                "purpose": Purpose.CONFIRMATION,
                "trains": run.planned.key,
            }
        )
        for place, run in enumerate(runs)
        for number, seed in enumerate(seeds)
    ]
    keys = tuple(run.planned.key for run in runs)
    with desk.transaction() as tx:
        tx.append(
            ConfirmationPlanned(
                dispatch=1, against=None, candidates=keys, left_out=(), seeds=seeds, planned=tuple(planned)
            )
        )
        for one in planned:
            tx.append(ev.AttemptStarted(key=one.key, attempt=1, owner="elsewhere:1:1"))
            tx.append(ev.ExperimentFinished(key=one.key, result=result_of(one, lab, gains[one.title])))


def test_runs_that_were_both_confirmed_are_compared_over_all_the_seeds_that_they_share(desk, lab):
    gains = {"better": 0.2, "worse": -0.1}
    for title, gain in gains.items():
        decide(desk, title, lambda planned, gain=gain: result_of(planned, lab, gain))
    confirm(desk, lab, gains, (101, 102, 103))
    paired = call(desk, "compare_experiments", "better", "worse")["paired"]

    assert (paired["rows"], paired["n_rows"], paired["seeds"]) == ("confirmation", 32, [101, 102, 103])
    assert paired["low_bpb"] < -0.3 < paired["high_bpb"] < 0


def test_two_scored_runs_are_compared_on_their_rows_with_an_interval(desk, lab):
    decide(desk, "better", lambda planned: result_of(planned, lab, 0.2))
    decide(desk, "worse", lambda planned: result_of(planned, lab, -0.1))
    found = call(desk, "compare_experiments", "better", "worse")
    paired = found["paired"]

    assert paired["delta_bpb"] == pytest.approx(found["delta_val_bpb"], abs=1e-6)
    assert paired["low_bpb"] < paired["delta_bpb"] < paired["high_bpb"] < 0
    assert paired["low_bpb"] < -0.3 + 0.02
    assert paired["seeds"] == [0]
    assert paired["n_rows"] == 16
    assert found["note"] is None
    turned = call(desk, "compare_experiments", "worse", "better")["paired"]
    assert turned["low_bpb"] == pytest.approx(-paired["high_bpb"])


def test_an_interval_that_cannot_be_had_is_null_with_a_reason(desk, lab):
    decide(desk, "scored", lambda planned: result_of(planned, lab, 0.2))
    decide(desk, "unreceipted", lambda planned: result_of(planned, lab, 0.1).model_copy(update={"receipt": None}))
    decide(desk, "lost", lambda planned: result_of(planned, lab, 0.0))
    receipt = desk.journal.state(desk.session).experiments["s01_d03_e03"].result.receipt
    desk.blobs.path(json.loads(desk.blobs.get(receipt))["nats_per_target"]).unlink()
    decide(desk, "failed", ExperimentResult(outcome=Outcome.CRASHED, error="no"))

    for other, says in [("unreceipted", "same rows"), ("lost", "no longer kept"), ("failed", "no score")]:
        found = call(desk, "compare_experiments", "scored", other)
        assert found["paired"] is None
        assert says in found["note"]
    absent = call(desk, "compare_experiments", "scored", "ghost" * 1_000)
    assert absent["paired"] is None
    assert len(absent["missing"][0]) == limits.TITLE_SHOWN_CHARS
    assert "run them first" in absent["note"]
