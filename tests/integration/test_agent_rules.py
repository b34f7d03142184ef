from pathlib import Path
from typing import Any

import pytest

from autoresearch_dagster.agent.code_mode import PlanCall
from autoresearch_dagster.agent.rules.plateau import plateau_of
from autoresearch_dagster.agent.tools.answers import answer_pending
from autoresearch_dagster.agent.tools.dispatcher import TOOLBOX, call_tool
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import ExperimentResult, Label, Outcome, canonical_json, digest_of
from autoresearch_dagster.core.presets import gpu_reserve_s, preset
from autoresearch_dagster.store import events as ev, promotion_events as pe
from tests.agent_bench import BASELINE, begin_turn, bench, call, result_for
from tests.judged import measured, noise_floor, promotion, screening

SMOOTH = BASELINE.replace("F.gelu(self.fc1(x))", "F.silu(self.fc1(x))")
SHARP = BASELINE.replace("F.gelu(self.fc1(x))", "F.relu(self.fc1(x)).square()")
DECAY = BASELINE.replace("weight_decay=0.01", "weight_decay=0.1")
NORM = BASELINE.replace("self.ln1 = nn.LayerNorm", "self.ln1 = nn.RMSNorm")


@pytest.fixture
def desk(tmp_path):
    found = bench(tmp_path, n_experiments=20)
    begin_turn(found)
    return found


def next_turn(desk: Any) -> None:
    """End the turn and begin another."""
    with desk.transaction() as tx:
        tx.append(ev.PlanFinished(turn=len(tx.state.turns), observation="", failed=False))
    begin_turn(desk)


def save(desk: Any, **edits: Any) -> None:
    """Save edits: overrides, or a whole source."""
    for title, what in edits.items():
        given = {"train_py": what} if isinstance(what, str) else {"config_overrides": what}
        assert call(desk, "edit_train_code", title, **given)["saved"], title


def launch(desk: Any, *titles: str) -> Any:
    """Ask for a batch; the rows of the answer, or None where experiments were planned."""
    turn = desk.journal.state(desk.session).turns[-1]
    tool = TOOLBOX.get("run_experiment_batch")
    assert tool is not None
    number = len(turn.calls)
    name = digest_of(canonical_json([turn.number, number]))
    made = PlanCall(number, name, tool.name, tool.bind((list(titles),), {}))
    answer = call_tool(desk, turn.number, TOOLBOX, made)
    return None if answer is None else answer.result["results"]  # type: ignore[index, call-overload]


def ended(desk: Any, **scores: float) -> Any:
    """Give what was launched its scores; the rows of the answer."""
    with desk.transaction() as tx:
        for waiting in tx.state.unfinished:
            planned = waiting.planned
            result = result_for(planned).model_copy(update={"val_bpb": scores[planned.title]})
            tx.append(ev.ExperimentFinished(key=planned.key, result=result))
        assert answer_pending(tx)
        turn = tx.state.turns[-1]
        return turn.answers[max(turn.answers)].result["results"]  # type: ignore[index, call-overload]


def failed(desk: Any, outcome: Outcome, *labels: Label) -> None:
    """End what was launched without a score."""
    with desk.transaction() as tx:
        for waiting in tx.state.unfinished:
            result = ExperimentResult(outcome=outcome, labels=labels, error="no score")
            tx.append(ev.ExperimentFinished(key=waiting.planned.key, result=result))
        assert answer_pending(tx)


def batch(desk: Any, **scores: float) -> None:
    """Launch a batch, end it and begin the next turn."""
    assert launch(desk, *scores) is None
    ended(desk, **scores)
    next_turn(desk)


def events(desk: Any, kind: str) -> list[Any]:
    return [record.event for record in desk.journal.events(desk.session) if record.event.kind == kind]


def flat(desk: Any) -> None:
    """A session with a first score and three batches after it that gain nothing."""
    save(desk, first={"learning_rate": 2e-3}, a=DECAY, b=SHARP, c=BASELINE.replace("config.learning_rate", "1e-3"))
    batch(desk, first=2.5)
    batch(desk, a=2.495)
    batch(desk, b=2.6)
    assert plateau_of(desk.journal.state(desk.session)) == 2
    batch(desk, c=2.492)


def test_a_call_launches_a_batch_and_says_what_to_do_with_the_rest(desk):
    save(desk, a={"n_layer": 1}, b={"learning_rate": 1e-3}, c=DECAY, d=SHARP)
    assert launch(desk, "a", "b", "c", "d") is None
    rows = ended(desk, a=2.4, b=2.5, c=2.6)
    assert [row["success"] for row in rows] == [True, True, True, False]
    assert rows[3]["outcome"] == "not_run"
    assert rows[3]["error"] == "batch_size=3 reached in this turn; run it in your next turn."


def test_calls_of_one_turn_share_its_batch_and_the_next_turn_has_its_own(desk):
    save(desk, a={"n_layer": 1}, b={"learning_rate": 1e-3}, c=DECAY, d=SHARP)
    launch(desk, "a", "b")
    ended(desk, a=2.4, b=2.5)
    launch(desk, "c", "d")
    rows = ended(desk, c=2.4)
    assert "batch_size=3 reached" in rows[1]["error"]
    next_turn(desk)
    assert launch(desk, "d") is None


def test_what_is_not_trained_takes_no_place_in_a_batch(desk):
    save(desk, a={"n_layer": 1}, b={"learning_rate": 1e-3}, c=DECAY, twin=DECAY + "\n# the same\n")
    launch(desk, "a")
    ended(desk, a=2.4)
    launch(desk, "a", "ghost", "b", "c", "twin")
    rows = ended(desk, b=2.5, c=2.6)
    assert [row["success"] for row in rows] == [True, False, True, True, False]
    assert rows[0]["cached"]
    assert rows[4]["duplicate_of"] == "c"


def test_a_batch_of_one_axis_is_sent_back_once_and_runs_when_it_is_meant(desk):
    save(desk, smooth=SMOOTH, sharp=SHARP)
    rows = launch(desk, "smooth", "ghost", "sharp")
    assert [row["success"] for row in rows] == [False, False, False]
    assert "same axis, architecture" in rows[0]["error"]
    assert "send the same batch again" in rows[2]["error"]
    assert "No edit called" in rows[1]["error"]
    state = desk.journal.state(desk.session)
    assert not state.experiments
    (sent,) = events(desk, "batch_sent_back")
    assert (sent.turn, sent.axis) == (1, "architecture")
    assert set(sent.signatures) == {edit.saved.signature for edit in state.edits}
    assert launch(desk, "sharp", "smooth") is None
    assert list(desk.journal.state(desk.session).experiments) == ["s01_d01_e01", "s01_d01_e02"]
    assert len(events(desk, "batch_sent_back")) == 1


def test_another_batch_of_one_axis_is_sent_back_too(desk):
    save(desk, hot={"learning_rate": 1e-2}, cold={"learning_rate": 1e-4}, smooth=SMOOTH, sharp=SHARP)
    assert launch(desk, "smooth", "sharp")
    assert "learning_rate" in launch(desk, "hot", "cold")[0]["error"]
    assert [sent.axis for sent in events(desk, "batch_sent_back")] == ["architecture", "learning_rate"]


def test_a_call_that_was_sent_back_stands_in_the_journal_with_its_answer(desk):
    save(desk, smooth=SMOOTH, sharp=SHARP)
    launch(desk, "smooth", "sharp")
    *_, sent, recorded = (record.event.kind for record in desk.journal.events(desk.session))
    assert (sent, recorded) == ("batch_sent_back", "call_recorded")


@pytest.mark.parametrize(
    "edits",
    [
        {"one": SHARP},
        {"one": SHARP, "two": DECAY},
        {"wide": {"n_embd": 64, "learning_rate": 1e-3}, "deep": {"n_layer": 1, "learning_rate": 1e-3}},
    ],
)
def test_one_experiment_and_a_batch_over_several_axes_run_at_once(desk, edits):
    save(desk, **edits)
    assert launch(desk, *edits) is None


def test_calls_of_one_turn_are_one_batch_and_sent_back_where_they_leave_it_on_one_axis(desk):
    save(desk, a={"learning_rate": 1e-3}, b={"learning_rate": 2e-3}, sharp=SHARP)
    assert launch(desk, "a") is None
    ended(desk, a=2.5)
    (row,) = launch(desk, "b")
    assert "all 2 edits of this turn, those before this call included, touch the same axis" in row["error"]
    assert [sent.axis for sent in events(desk, "batch_sent_back")] == ["learning_rate"]
    assert launch(desk, "b") is None
    ended(desk, b=2.5)
    assert launch(desk, "sharp") is None


def test_a_turn_may_begin_with_any_one_experiment_and_go_on_with_another_axis(desk):
    save(desk, a={"learning_rate": 1e-3}, b={"learning_rate": 2e-3}, sharp=SHARP)
    assert launch(desk, "a") is None
    ended(desk, a=2.5)
    assert launch(desk, "sharp") is None
    ended(desk, sharp=2.5)
    assert launch(desk, "b") is None
    ended(desk, b=2.5)
    next_turn(desk)
    save(desk, norm=NORM)
    assert launch(desk, "norm") is None
    assert not events(desk, "batch_sent_back")


def test_an_edit_that_failed_may_be_mended_and_launched_again_in_its_turn(desk):
    save(desk, a=SHARP)
    assert launch(desk, "a") is None
    failed(desk, Outcome.CRASHED)
    save(desk, a=SHARP.replace("square()", "square() * 0.5"))
    assert launch(desk, "a") is None
    failed(desk, Outcome.CRASHED)
    save(desk, a_mended=SMOOTH)
    assert launch(desk, "a_mended") is None


def test_pasted_code_of_a_saved_edit_touches_what_is_changed_in_it(desk):
    save(desk, sharp=SHARP)
    batch(desk, sharp=2.5)
    for title, rate in (("hot", 1e-2), ("cold", 1e-4)):
        pasted = {"train_py": SHARP, "config_overrides": {"learning_rate": rate}}
        assert call(desk, "edit_train_code", title, **pasted)["axes"] == ["learning_rate"]
    assert "same axis, learning_rate" in launch(desk, "hot", "cold")[0]["error"]
    decayed = call(desk, "edit_train_code", "both", train_py=SHARP.replace("weight_decay=0.01", "weight_decay=0.3"))
    assert decayed["axes"] == ["regularisation"]
    assert call(desk, "edit_train_code", "smooth", train_py=SMOOTH)["axes"] == ["architecture"]


def test_an_edit_that_takes_the_place_of_one_that_never_ran_is_judged_against_what_was_there_before(desk):
    save(desk, wide=SHARP)
    again = call(desk, "edit_train_code", "wide", train_py=SHARP.replace("weight_decay=0.01", "weight_decay=0.3"))
    assert again["axes"] == ["architecture", "regularisation"]
    assert launch(desk, "wide") is None
    failed(desk, Outcome.CRASHED)
    mended = call(
        desk, "edit_train_code", "mended", train_py=SHARP.replace("weight_decay=0.01", "weight_decay=0.2")
    )
    assert mended["axes"] == ["architecture", "regularisation"]


def test_axes_are_those_that_an_edit_changes_in_its_parent(desk):
    save(desk, sharp=SHARP)
    forked = {"parent_title": "sharp"}
    call(desk, "edit_train_code", "hot", config_overrides={"learning_rate": 1e-2}, **forked)
    call(desk, "edit_train_code", "cold", config_overrides={"learning_rate": 1e-4}, **forked)
    assert "same axis, learning_rate" in launch(desk, "hot", "cold")[0]["error"]


def test_on_a_plateau_numbers_alone_are_refused_when_saved_and_when_launched(desk):
    save(desk, early=DECAY.replace("0.1", "0.2"))
    flat(desk)
    assert plateau_of(desk.journal.state(desk.session)) == limits.PLATEAU_BATCHES
    numbers = call(desk, "edit_train_code", "d", train_py=DECAY.replace("0.1", "0.3"))
    assert numbers["error"].startswith(
        "Plateau: 3 batches without a gain beyond the noise; change the training code"
    )
    of_parent = {"train_py": SHARP.replace("LOG_EVERY = 5", "LOG_EVERY = 6"), "parent_title": "b"}
    assert "Plateau" in call(desk, "edit_train_code", "e", **of_parent)["error"]
    back = {"train_py": DECAY.replace("0.1", "0.3"), "parent_title": "b"}
    assert "Plateau" in call(desk, "edit_train_code", "g", **back)["error"]
    assert "Plateau" in launch(desk, "early")[0]["error"]
    batched = call(desk, "edit_train_code_batch", [{"title": "f", "config_overrides": {"n_layer": 2}}])
    assert not batched["titles"]
    save(desk, norm=NORM)
    assert launch(desk, "norm") is None


def test_on_a_plateau_pasted_code_of_an_edit_with_other_numbers_is_refused(desk):
    flat(desk)
    pasted = {"train_py": SHARP, "config_overrides": {"learning_rate": 7e-3}}
    assert "alone are refused" in call(desk, "edit_train_code", "d", **pasted)["error"]
    answer = call(desk, "edit_train_code", "e", train_py=SHARP.replace("weight_decay=0.01", "weight_decay=0.3"))
    assert answer["error"].endswith("This trains as 'b' does, but for numbers.")


def test_on_a_plateau_an_edit_that_failed_may_be_mended_by_a_number(desk):
    flat(desk)
    save(desk, norm=NORM)
    assert launch(desk, "norm") is None
    failed(desk, Outcome.CRASHED)
    save(desk, mended=NORM.replace("weight_decay=0.01", "weight_decay=0.02"))
    assert launch(desk, "mended") is None


DEAD = {
    "a constant": BASELINE + "\n_TAG = 'v2'\n",
    "a docstring": BASELINE.replace('"""Train one', '"""Do one'),
    "pass": BASELINE.replace("        optimizer.step()\n", "        pass\n        optimizer.step()\n"),
    "a function that nothing calls": BASELINE + "\n\ndef _unused():\n    return 1\n",
    "if True": BASELINE.replace("        optimizer.step()\n", "        if True:\n            optimizer.step()\n"),
    "another edit's code and a constant": SHARP + "\n_TAG = 'v2'\n",
}


@pytest.mark.parametrize("name", DEAD)
def test_a_statement_that_cannot_change_a_training_is_no_change_of_the_code(desk, name):
    given = {"train_py": DEAD[name], "config_overrides": {"learning_rate": 7e-3}}
    save(desk, sharp=SHARP)
    assert call(desk, "edit_train_code", "before", **given)["axes"] == ["learning_rate"]
    flat(desk)
    refused = call(desk, "edit_train_code", "t", **given | {"config_overrides": {"learning_rate": 6e-3}})
    assert "config_overrides alone are refused" in refused["error"]
    assert "Plateau" in launch(desk, "before")[0]["error"]


def test_overrides_alone_are_refused_on_a_plateau_before_their_own_limit(tmp_path):
    desk = bench(tmp_path, n_experiments=20, batch_size=10)
    begin_turn(desk)
    flat(desk)
    assert "Plateau" in call(desk, "edit_train_code", "g", config_overrides={"n_layer": 2})["error"]


def test_a_gain_ends_a_plateau(desk):
    flat(desk)
    save(desk, norm=NORM)
    batch(desk, norm=2.4)
    assert plateau_of(desk.journal.state(desk.session)) == 0
    save(desk, again=DECAY.replace("0.1", "0.3"))


@pytest.mark.parametrize(("outcome", "n_batches"), [(Outcome.LOST, 0), (Outcome.STOPPED, 0), (Outcome.CRASHED, 2)])
def test_batches_that_the_platform_lost_are_no_plateau(desk, outcome, n_batches):
    save(desk, a=DECAY, b=SHARP)
    for title in "ab":
        assert launch(desk, title) is None
        failed(desk, outcome)
        next_turn(desk)
    assert plateau_of(desk.journal.state(desk.session)) == n_batches


def test_an_early_stop_is_a_batch_without_a_gain(desk):
    save(desk, a=DECAY)
    launch(desk, "a")
    failed(desk, Outcome.STOPPED, Label.EARLY_STOPPED)
    next_turn(desk)
    assert plateau_of(desk.journal.state(desk.session)) == 1


def test_a_gain_that_could_not_be_confirmed_for_the_budget_leaves_the_plateau_as_it_is(desk):
    with desk.transaction() as tx:
        tx.append(measured([], noise_floor(2.5, 2.51, 2.52), budget_s=45))
    save(desk, a=DECAY, b=SHARP)
    for title, outcome in (("a", "within_noise"), ("b", "worth_confirming")):
        launch(desk, title)
        ended(desk, **{title: 2.4})
        key = list(desk.journal.state(desk.session).experiments)[-1]
        with desk.transaction() as tx:
            tx.append(pe.CandidateScreened(key=key, against=None, decision=screening(outcome)))
        next_turn(desk)
    with desk.transaction() as tx:
        tx.append(
            pe.ConfirmationPlanned(
                dispatch=2, against=None, candidates=(), left_out=(key,), seeds=(101, 102), planned=()
            )
        )
    assert plateau_of(desk.journal.state(desk.session)) == 1


def test_a_turn_that_goes_on_is_no_finished_batch_and_one_without_experiments_is_none(desk):
    save(desk, first={"learning_rate": 2e-3}, a=DECAY, b=SHARP)
    batch(desk, first=2.5)
    next_turn(desk)
    launch(desk, "a")
    ended(desk, a=2.6)
    assert plateau_of(desk.journal.state(desk.session)) == 0
    launch(desk, "b")
    ended(desk, b=2.6)
    next_turn(desk)
    assert plateau_of(desk.journal.state(desk.session)) == 1


def test_with_a_noise_floor_only_what_is_confirmed_is_a_gain(desk):
    with desk.transaction() as tx:
        tx.append(measured([], noise_floor(2.5, 2.51, 2.52), budget_s=45))
    save(desk, a=DECAY, b=SHARP, c=NORM)
    for number, (title, score) in enumerate({"a": 2.4, "b": 2.3}.items(), start=1):
        launch(desk, title)
        ended(desk, **{title: score})
        key = list(desk.journal.state(desk.session).experiments)[-1]
        with desk.transaction() as tx:
            tx.append(pe.CandidateScreened(key=key, against=None, decision=screening("within_noise")))
        next_turn(desk)
        assert plateau_of(desk.journal.state(desk.session)) == number
    launch(desk, "c")
    ended(desk, c=2.49)
    key = list(desk.journal.state(desk.session).experiments)[-1]
    with desk.transaction() as tx:
        tx.append(pe.CandidateScreened(key=key, against=None, decision=screening("worth_confirming")))
    next_turn(desk)
    assert plateau_of(desk.journal.state(desk.session)) == 2
    with desk.transaction() as tx:
        tx.append(pe.PromotionJudged(key=key, decision=promotion("confirmed")))
        tx.append(pe.ChampionChosen(key=key, reason="best"))
    assert plateau_of(desk.journal.state(desk.session)) == 0


def test_nothing_is_launched_for_which_no_gpu_time_is_left(tmp_path):
    desk = bench(tmp_path, "gpu", n_experiments=9, max_gpu_hours=2000 / 3600)
    begin_turn(desk)
    save(desk, a=DECAY, b=SHARP, c=NORM)
    assert launch(desk, "a") is None
    with desk.transaction() as tx:  # its attempt reserves 1,440 s
        tx.append(ev.AttemptStarted(key="s01_d01_e01", attempt=1, owner="h:1:1", gpu_reserve_s=1440.0))
    ended(desk, a=2.5)
    next_turn(desk)
    with desk.transaction() as tx:  # of another experiment, whose process died
        tx.append(ev.AttemptStarted(key="s01_d01_e01", attempt=1, owner="h:1:1", gpu_reserve_s=1440.0))
    (row, other) = call(desk, "run_experiment_batch", ["b", "c"])["results"]
    assert row["outcome"] == other["outcome"] == "not_run"
    assert "max_gpu_hours=0.555556 is used up" in row["error"]


def test_a_training_on_cores_reserves_no_gpu_time():
    config = preset("gpu").config
    assert gpu_reserve_s(config, preset("workshop")) == 0
    assert gpu_reserve_s(config, preset("gpu")) == 3 * (300 + 180)
    assert gpu_reserve_s(config.model_copy(update={"time_budget_sec": 10}), preset("gpu")) == 3 * 300


def test_the_shipped_plans_are_not_sent_back(tmp_path: Path):
    from tests.integration.test_agent_session import finish

    for size in (1, 2, 3, 4, 5):
        desk = finish(tmp_path / str(size), n_experiments=12, batch_size=size)
        assert not events(desk, "batch_sent_back"), size
