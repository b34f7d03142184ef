from dataclasses import replace
from typing import Any

import pytest

from autoresearch_dagster.agent.axes.judge import Axis
from autoresearch_dagster.agent.hypotheses.calibration import calibration, hypothesis_of, scores_by_key, table
from autoresearch_dagster.agent.hypotheses.effects import Effect
from autoresearch_dagster.core.experiment import ExperimentKey, Outcome
from autoresearch_dagster.store import events as ev, promotion_events as pe
from tests.agent_bench import BASELINE, begin_turn, bench, call, result_for
from tests.judged import measured, noise_floor, promotion, screening

SHARP = BASELINE.replace("F.gelu(self.fc1(x))", "F.relu(self.fc1(x)).square()")
DECAY = BASELINE.replace("weight_decay=0.01", "weight_decay=0.1")


@pytest.fixture
def desk(tmp_path):
    found = bench(tmp_path, n_experiments=20, batch_size=20)
    begin_turn(found)
    return found


def floor(desk: Any) -> None:
    """Measure the noise floor: the baseline's score is 2.5."""
    with desk.transaction() as tx:
        tx.append(measured([], noise_floor(2.5, 2.51, 2.52), budget_s=45))


def claim(desk: Any, title: str, effect: str) -> None:
    with desk.transaction() as tx:
        tx.append(ev.HypothesisRecorded(title=title, hypothesis="h", expected_effect=effect))


def trained(
    desk: Any, title: str, val_bpb: float | None, effect: str = "", *decisions: Any, **edit: Any
) -> ExperimentKey:
    """Save an edit with a claim, train it to a score and decide it."""
    if effect:
        claim(desk, title, effect)
    assert call(desk, "edit_train_code", title, **edit)["saved"]
    with desk.transaction() as tx:
        saved = tx.state.latest_edit(title).saved
        number = len(tx.state.experiments) + 1
        key = ExperimentKey(f"s01_d{number:02}_e{number:02}")
        planned = ev.PlannedExperiment(
            key=key, title=title, revision=saved.revision, train_py=saved.train_py, config=desk.preset.config
        )
        tx.append(
            ev.CallPending(
                turn=1,
                sequence=100 + number,
                call="c",
                function="run_experiment",
                arguments={"title": title},
                dispatch=number,
                planned=(planned,),
                answers=(key,),
            )
        )
        result = result_for(planned, Outcome.CRASHED if val_bpb is None else Outcome.TRAINED)
        tx.append(ev.ExperimentFinished(key=key, result=result.model_copy(update={"val_bpb": val_bpb})))
        tx.append(ev.CallAnswered(turn=1, sequence=100 + number, call="c", result=None))
    for event in decisions:
        with desk.transaction() as tx:
            tx.append(event(key))
    return key


def screened(outcome: Any, gain: float) -> Any:
    return lambda key: pe.CandidateScreened(key=key, against=None, decision=screening(outcome, gain))


def judged(outcome: Any, gain: float) -> Any:
    return lambda key: pe.PromotionJudged(key=key, decision=promotion(outcome, gain))


def crowned(key: ExperimentKey) -> Any:
    return pe.ChampionChosen(key=key, reason="best")


def champion(screened_gain: float, confirmed_gain: float) -> list[Any]:
    return [screened("worth_confirming", screened_gain), judged("confirmed", confirmed_gain), crowned]


def scores(desk: Any) -> Any:
    state = desk.journal.state(desk.session)
    return scores_by_key(state)


def test_a_prediction_is_compared_with_the_gain_over_the_champion(desk):
    floor(desk)
    key = trained(desk, "a", 2.4, "-0.05", *champion(0.08, 0.06), train_py=SHARP)
    found = scores(desk)[key]
    assert found.axes == {Axis.ARCHITECTURE}
    assert found.predicted == Effect("better", -0.05, -0.05)
    assert found.measured_bpb == -0.06
    assert (found.direction_right, found.within, found.kept) == (True, True, True)


@pytest.mark.parametrize(
    ("effect", "outcome", "gain", "right", "within"),
    [
        ("-0.05", "within_noise", 0.01, False, False),
        ("-0.02", "within_noise", 0.01, False, True),
        ("no change", "within_noise", 0.01, True, None),
        ("no change", "regression", -0.1, False, None),
        ("+0.1", "regression", -0.1, True, True),
        ("better", "regression", -0.1, False, None),
        ("-0.3", "worth_confirming", 0.1, True, False),
        ("0.02", "worth_confirming", 0.1, None, None),
        ("at least 0.05 lower", "worth_confirming", 0.1, True, True),
    ],
)
def test_what_luck_can_make_is_neither_better_nor_worse(desk, effect, outcome, gain, right, within):
    floor(desk)
    refused = lambda key: pe.PromotionRefused(key=key, reason="left out", rejected=False)  # noqa: E731
    key = trained(desk, "a", 2.5 - gain, effect, screened(outcome, gain), refused, train_py=SHARP)
    found = scores(desk)[key]
    assert (found.direction_right, found.within) == (right, within)


def test_a_claim_that_is_written_after_planning_does_not_count(desk):
    floor(desk)
    key = trained(desk, "a", 2.6, "-0.05", screened("regression", -0.1), train_py=SHARP)
    claim(desk, "A", "+0.1")
    assert scores(desk)[key].predicted.direction == "better"
    late = trained(desk, "b", 2.6, "", screened("regression", -0.1), train_py=DECAY)
    claim(desk, "b", "+0.1")
    assert late not in scores(desk)


def test_the_last_claim_before_planning_counts_whatever_the_case_of_the_title(desk):
    floor(desk)
    claim(desk, "a", "+0.1")
    key = trained(desk, " A", 2.6, "-0.05", screened("regression", -0.1), train_py=SHARP)
    state = desk.journal.state(desk.session)
    assert hypothesis_of(state, state.experiments[key]).expected_effect == "-0.05"  # type: ignore[union-attr]


def test_what_has_no_score_or_is_not_decided_is_left_out(desk):
    floor(desk)
    trained(desk, "crashed", None, "-0.05", train_py=SHARP)
    trained(desk, "open", 2.4, "-0.05", screened("worth_confirming", 0.1), train_py=DECAY)
    assert scores(desk) == {}


def test_targets_and_percentages_refer_to_the_champion_of_that_time(desk):
    floor(desk)
    first = trained(desk, "a", 2.4, "val_bpb ~ 2.45", *champion(0.1, 0.1), train_py=SHARP)
    second = trained(desk, "b", 2.3, "1% lower", screened("within_noise", 0.0), train_py=DECAY)
    assert scores(desk)[first].predicted == Effect("better", -0.05, -0.05)
    assert scores(desk)[second].predicted == Effect("better", -0.024, -0.024)


def test_without_a_noise_floor_a_score_is_compared_with_the_best_before(desk):
    first = trained(desk, "a", 2.5, "-0.05", train_py=SHARP)
    second = trained(desk, "b", 2.4, "-0.05", train_py=DECAY)
    third = trained(desk, "c", 2.405, "no change", config_overrides={"n_layer": 1})
    found = scores(desk)
    assert first not in found
    assert found[second].measured_bpb == pytest.approx(-0.1)
    assert (found[second].direction_right, found[second].kept) == (True, True)
    assert (found[third].direction_right, found[third].kept) == (True, False)
    assert found[third].axes == {Axis.SIZE}


def test_axes_are_summed_up_and_a_candidate_counts_for_each_that_it_touches(desk):
    floor(desk)
    both = BASELINE.replace("F.gelu(self.fc1(x))", "F.silu(self.fc1(x))").replace(
        "weight_decay=0.01", "weight_decay=0.2"
    )
    trained(desk, "a", 2.4, "-0.05", *champion(0.1, 0.1), train_py=SHARP)
    trained(desk, "b", 2.6, "-0.03", screened("regression", -0.2), train_py=both)
    trained(desk, "c", 2.6, "unclear", screened("within_noise", 0.02), train_py=DECAY)
    state = desk.journal.state(desk.session)
    rows = calibration(state)
    by_axis = {row.axis: row for row in rows}
    assert set(by_axis) == {Axis.ARCHITECTURE, Axis.REGULARISATION}
    built = by_axis[Axis.ARCHITECTURE]
    assert (built.n, built.directed, built.direction_right, built.kept) == (2, 2, 1, 1)
    assert built.mean_predicted_bpb == pytest.approx(-0.04)
    assert built.mean_measured_bpb == pytest.approx(0.05)
    assert by_axis[Axis.REGULARISATION].directed == 1
    assert table(rows).splitlines()[3] == "| architecture | 2 | 1 of 2 | -0.0400 | +0.0500 | 1 |"
    assert (
        table([replace(built, mean_predicted_bpb=None, directed=0)]).splitlines()[2].split("|")[3:5] == [" – "] * 2
    )
    assert table([]) == ""
