"""The leaderboard: a query over the journal, lower val_bpb first."""

from datetime import UTC, datetime

from autoresearch_dagster.core.experiment import (
    Claims,
    Digest,
    ExperimentKey,
    ExperimentResult,
    Label,
    Outcome,
    PlannedExperiment,
    Standing,
    TrainConfig,
    Verdict,
)
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.leaderboard import leader, leaderboard, lowest
from autoresearch_dagster.store.state import Experiment, SessionState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


def trained(val_bpb: float, **more: object) -> ExperimentResult:
    return ExperimentResult.model_validate(
        {"outcome": Outcome.TRAINED, "verdict": Verdict.ACCEPTED, "val_bpb": val_bpb, **more}
    )


def session(**results: ExperimentResult | None) -> SessionState:
    state = SessionState("s01", 1, ev.SessionConfig(), "cli", "bundle", NOON)
    for number, (title, result) in enumerate(results.items(), start=1):
        key = ExperimentKey(f"s01_d01_e{number:02}")
        planned = PlannedExperiment(
            key=key, title=title, revision=1, train_py=Digest("a" * 64), config=TrainConfig()
        )
        state.experiments[key] = Experiment(planned, 1, 1, NOON, result=result)
    return state


def test_lower_is_better_and_the_rest_follows_in_planned_order() -> None:
    state = session(
        crashed=ExperimentResult(outcome=Outcome.CRASHED, error="boom"),
        second=trained(2.5),
        running=None,
        first=trained(2.25),
        rejected=trained(1.0, verdict=Verdict.REJECTED),
        third=trained(2.75),
    )
    rows = leaderboard(state)
    assert [row.title for row in rows] == ["first", "second", "third", "crashed", "running", "rejected"]
    assert [row.rank for row in rows] == [1, 2, 3, 4, 5, 6]
    assert [row.delta_vs_best for row in rows] == [0.0, 0.25, 0.5, None, None, None]
    assert [row.val_bpb for row in rows] == [2.25, 2.5, 2.75, None, None, None]
    low, top = lowest(state), leader(state)
    assert low is not None
    assert low.planned.title == "first"
    assert top is not None
    assert (top.title, top.val_bpb) == ("first", 2.25), "no noise floor: nothing better is known"


def test_equal_scores_keep_the_order_in_which_they_were_planned() -> None:
    assert [row.title for row in leaderboard(session(a=trained(2.0), b=trained(2.0)))] == ["a", "b"]


def test_what_a_candidate_claims_is_never_its_score() -> None:
    liar = ExperimentResult(outcome=Outcome.CRASHED, claims=Claims(val_bpb=0.1, dev_bpb=0.1))
    state = session(honest=trained(2.0), liar=liar)
    assert [(row.title, row.val_bpb) for row in leaderboard(state)] == [("honest", 2.0), ("liar", None)]


def test_without_a_score_of_record_there_is_no_best() -> None:
    assert leader(session()) is None
    assert leader(session(running=None, refused=ExperimentResult(outcome=Outcome.REFUSED))) is None


def test_a_row_tells_all_that_a_reader_needs_to_compare() -> None:
    result = trained(
        2.5,
        val_bpb_exact=2.51,
        standing=Standing.SCREENED,
        labels=(Label.STARVED,),
        claims=Claims(model_name="TinyGPT", steps=48, n_params=1000),
        duration_sec=12.5,
        receipt=Digest("b" * 64),
    )
    row = leaderboard(session(only=result))[0]
    assert (row.key, row.title, row.val_bpb_exact, row.standing) == ("s01_d01_e01", "only", 2.51, Standing.SCREENED)
    assert (row.labels, row.steps, row.n_params, row.model_name) == ((Label.STARVED,), 48, 1000, "TinyGPT")
    assert (row.duration_sec, row.receipt, row.planned_at) == (12.5, "b" * 64, NOON)
