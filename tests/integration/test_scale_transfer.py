"""Scale transfer: a new champion beside the one before at twice the size, with made-up scores."""

import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from autoresearch_dagster.agent.history import judgement_fields
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import (
    ExperimentResult,
    Outcome,
    PlannedExperiment,
    Purpose,
    Standing,
    TrainConfig,
)
from autoresearch_dagster.core.presets import preset
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import NO_SLOT
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.experiments.archive import export_session
from autoresearch_dagster.experiments.import_archive import import_session
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.scale_transfer import least_growth, transfer_events
from autoresearch_dagster.experiments.scoring import attempt_of
from autoresearch_dagster.reports.decisions import decision
from autoresearch_dagster.reports.standings import standings_markdown
from autoresearch_dagster.reports.story import Story
from autoresearch_dagster.store import events as ev, promotion_events as pe
from autoresearch_dagster.store.leaderboard import leader
from autoresearch_dagster.tracking.describe import tags
from tests.bundles import tiny_bundle
from tests.integration.test_archive import assemble, of_kind, parts
from tests.integration.test_promotion_flow import FAILED, Research
from tests.scored import checkpoint_bytes, result_of, small_lab

DEMO = preset("demo").config


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    return tiny_bundle(tmp_path_factory.mktemp("bundle"))


@pytest.fixture
def lab(tmp_path: Path, bundle: Bundle) -> Laboratory:
    return small_lab(tmp_path / "home", bundle)


class Scaling(Research):
    """A session with scale transfers: `scaled` says how much better a title is at twice the size."""

    def __init__(self, lab: Laboratory, key: str = "flow", **gains: float | ExperimentResult) -> None:
        super().__init__(lab, key, **gains)
        self.scaled: dict[str, float | ExperimentResult] = {}
        self.fixed: dict[str, tuple[str, ...]] = {}
        self.turn_on()

    def turn_on(self) -> None:
        with self.lab.store.journal.transaction(self.id) as tx:
            config = tx.state.config.model_copy(update={"scale_transfer": True})
            tx.append(ev.SessionResumed(config=config, driver="cli"))

    def quality(self, planned: PlannedExperiment) -> float | ExperimentResult:
        found = super().quality(planned)
        if planned.purpose is Purpose.SCALE_TRANSFER:
            found = self.scaled.get(planned.title, found)
        if isinstance(found, ExperimentResult):
            return found
        ignored = {name: getattr(DEMO, name) for name in self.fixed.get(planned.title, ())}
        size = checkpoint_bytes(planned.config.model_copy(update=ignored))
        return result_of(planned, self.lab, found).model_copy(update={"checkpoint_bytes": size})

    def transfer(self, title: str) -> pe.TransferJudged:
        one = next(one for one in self.state.experiments.values() if one.planned.title == title)
        assert one.transfer is not None
        return one.transfer

    def scaled_trainings(self) -> list[PlannedExperiment]:
        found = [one.planned for one in self.state.trainings.values()]
        return [planned for planned in found if planned.purpose is Purpose.SCALE_TRANSFER]


Start = Callable[..., Scaling]


@pytest.fixture
def start(lab: Laboratory) -> Start:
    def begin(**gains: float | ExperimentResult) -> Scaling:
        research = Scaling(lab, **gains)
        research.measure_floor()
        return research

    return begin


def test_without_it_a_champion_is_not_trained_at_another_size(lab: Laboratory) -> None:
    research = Research(lab, better=0.5)
    research.measure_floor()
    research.run("better")
    assert research.standings() == {"better": Standing.CHAMPION}
    assert not [kind for kind in research.kinds() if kind.startswith("transfer")]
    answer: Any = research.state.turns[-1].answers[0].result
    assert "scale_transfer" not in answer["results"][0]


def test_a_gain_that_holds_at_twice_the_width_is_told_to_agent_person_and_mlflow(start: Start) -> None:
    research = start(better=0.5)
    research.run("better")
    transfer, state = research.transfer("better"), research.state
    assert (transfer.outcome, transfer.dimension, transfer.against) == ("transfers", "width", None)
    answer: Any = state.turns[-1].answers[0].result
    assert answer["results"][0]["scale_transfer"].startswith("transfers: At twice the width it is better than")
    shown = standings_markdown(state)
    assert "better. Scale transfer: transfers. At twice the width it is better than the baseline" in shown
    assert "rows that promotion and scale transfer alone looked at: 2 looks" in shown
    (champion,) = state.experiments.values()
    said = io.StringIO()
    Story(Console(file=said, width=500)).tell(state)
    assert "Scale transfer: transfers. At twice the width" in said.getvalue()
    assert tags(state, champion, "", "")["autoresearch.scale_transfer"] == "transfers"
    events = (record.event for record in research.lab.store.journal.events(research.id))
    told = [decision(event) for event in events if isinstance(event, pe.Decision)]
    assert any("does it honour that?" in said for said in told)
    assert "transfers, look 2 at the confirmation rows" in told[-1]


def test_one_training_at_twice_the_width_comes_before_the_others(start: Start, lab: Laboratory) -> None:
    research = start(better=0.5)
    research.launch("better")
    for _ in range(2):
        research.train()
        assert not research.settle()
    (probe,) = [one.planned for one in research.state.unfinished]
    assert probe.key == f"{research.id}_d01_t01"
    assert (probe.title, probe.config.seed, probe.purpose) == ("better", 251, Purpose.SCALE_TRANSFER)
    assert (probe.config.n_embd, probe.config.n_head) == (2 * DEMO.n_embd, DEMO.n_head)
    assert probe.config.time_budget_sec == limits.WIDTH_BUDGET_TIMES * DEMO.time_budget_sec
    assert research.state.stage == "d1c1t1"
    attempt = attempt_of(research.state, probe, lab, 1, NO_SLOT, 2)
    assert (attempt.rowset, attempt.reference, attempt.audit_rounds) == ("confirmation", None, 1)
    research.train()
    assert not research.settle(), "the plan sleeps until the transfer is decided"
    others = [
        (one.planned.key[-3:], one.planned.title, one.planned.config.seed) for one in research.state.unfinished
    ]
    assert others == [("t02", "baseline", 251), ("t03", "baseline", 252), ("t04", "better", 252)]
    assert research.state.stage == "d1c1t2"
    research.train()
    assert research.settle()
    assert research.state.remaining == 5


def test_a_gain_that_is_gone_at_twice_the_size_takes_nobodys_crown(start: Start) -> None:
    research = start(better=0.5)
    research.scaled["better"] = 0.0
    research.run("better")
    assert research.transfer("better").outcome == "does_not_transfer"
    assert research.standings() == {"better": Standing.CHAMPION}
    top = leader(research.state)
    assert top is not None
    assert top.title == "better"


def test_a_file_that_fixes_its_width_is_compared_at_twice_the_depth(start: Start) -> None:
    research = start(better=0.5)
    research.fixed["better"] = ("n_embd",)
    research.run("better")
    transfer = research.transfer("better")
    assert (transfer.outcome, transfer.dimension) == ("transfers", "depth")
    assert "At twice the depth" in transfer.reason
    deeper = [planned for planned in research.scaled_trainings() if planned.config.n_layer == 2 * DEMO.n_layer]
    assert [(one.title, one.config.seed) for one in deeper] == [
        ("better", 251),
        ("baseline", 251),
        ("baseline", 252),
        ("better", 252),
    ]
    assert deeper[0].config.time_budget_sec == limits.DEPTH_BUDGET_TIMES * DEMO.time_budget_sec


def test_a_file_that_honours_neither_is_not_scalable_after_two_trainings(start: Start) -> None:
    research = start(better=0.5)
    research.fixed["better"] = ("n_embd", "n_layer")
    research.run("better")
    transfer = research.transfer("better")
    assert (transfer.outcome, transfer.decision) == ("not_scalable", None)
    assert len(research.scaled_trainings()) == 2
    assert research.state.looks == 1
    assert list(research.state.numbers.values()) == [1], "what was not compared takes nothing of the error budget"
    assert research.standings() == {"better": Standing.CHAMPION}


def test_the_champion_before_must_grow_too(start: Start) -> None:
    research = start(better=0.5)
    research.fixed["baseline"] = ("n_embd",)
    research.run("better")
    transfer = research.transfer("better")
    assert transfer.outcome == "not_scalable"
    assert transfer.reason.startswith("The baseline does not honour n_embd")


@pytest.mark.parametrize(("who", "said"), [("better", "no score of it"), ("baseline", "no score of the baseline")])
def test_a_training_that_fails_leaves_no_score_and_the_crown(start: Start, who: str, said: str) -> None:
    research = start(better=0.5)
    research.scaled[who] = FAILED
    research.run("better")
    transfer = research.transfer("better")
    assert transfer.outcome == "no_score"
    assert said in transfer.reason
    assert "ValueError: boom" in transfer.reason
    told = judgement_fields(research.state.experiments[transfer.key])["scale_transfer"]
    assert '(Crashed: <untrusted source="train.py">ValueError: boom</untrusted>)' in str(told)
    assert research.standings() == {"better": Standing.CHAMPION}


def test_checkpoints_of_unknown_size_say_nothing(start: Start) -> None:
    """As in a session whose trainings were recorded before sizes were."""
    research = start(better=0.5)
    research.launch("better")
    for _ in range(3):
        research.train()
        state = research.state
        research.settle()
    for found in (state.experiments, state.trainings):
        for key, one in found.items():
            if one.planned.purpose is not Purpose.SCALE_TRANSFER and one.result is not None:
                unknown = one.result.model_copy(update={"checkpoint_bytes": 0})
                found[key] = dataclasses.replace(one, result=unknown)
    (judged,) = transfer_events(state, research.lab)
    assert isinstance(judged, pe.TransferJudged)
    assert (judged.outcome, "without their size" in judged.reason) == ("no_score", True)


def test_a_session_with_longer_trainings_can_be_exported_and_imported(start: Start, tmp_path: Path) -> None:
    research = start(better=0.5)
    research.run("better")
    export_session(research.lab.settings, research.id, tmp_path / "session.tar")
    found = import_session(Settings(home=tmp_path / "elsewhere"), tmp_path / "session.tar")
    (champion,) = found.experiments.values()
    assert champion.transfer is not None
    assert champion.transfer.outcome == "transfers"


@pytest.mark.parametrize(("kind", "times"), [("transfer_planned", 5), ("confirmation_planned", 4)])
def test_an_archive_whose_trainings_take_longer_than_they_may_is_refused(
    start: Start, tmp_path: Path, kind: str, times: int
) -> None:
    research = start(better=0.5)
    research.run("better")
    export_session(research.lab.settings, research.id, tmp_path / "session.tar")
    manifest, lines, blobs = parts(tmp_path / "session.tar")
    of_kind(lines, kind)["planned"][0]["config"]["time_budget_sec"] = times * DEMO.time_budget_sec
    (tmp_path / "forged.tar").write_bytes(assemble(manifest, lines, blobs))
    with pytest.raises(UserError, match="time budget that the preset demo does not allow"):
        import_session(Settings(home=tmp_path / "elsewhere"), tmp_path / "forged.tar")


def test_a_comparison_takes_the_next_number_of_the_error_budget_and_a_look(start: Start, lab: Laboratory) -> None:
    research = start(better=0.5, best=1.0)
    research.run("better")
    with lab.store.journal.transaction(research.id) as tx:
        tx.append(ev.SessionFinished(reason="final answer", summary=""))
        tx.append(ev.SessionResumed(config=tx.state.config.model_copy(update={"n_experiments": 20}), driver="cli"))
    research.run("best")
    state = research.state
    first, second = research.transfer("better"), research.transfer("best")
    better, best = state.experiments.values()
    assert first.decision is not None
    assert second.decision is not None
    assert second.against == better.planned.key
    assert better.promotion is not None
    assert best.promotion is not None
    in_turn = (better.promotion, first.decision, best.promotion, second.decision)
    assert [(one.number, one.looks) for one in in_turn] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert first.decision.error_spent < better.promotion.error_spent
    assert {one.config.seed for one in research.scaled_trainings()} == {251, 252, 351, 352}
    assert state.looks == 4


def test_turned_on_for_a_session_that_has_a_champion_it_looks_at_that_one(lab: Laboratory) -> None:
    research = Scaling(lab, better=0.5)
    with lab.store.journal.transaction(research.id) as tx:
        off = tx.state.config.model_copy(update={"scale_transfer": False})
        tx.append(ev.SessionResumed(config=off, driver="cli"))
    research.measure_floor()
    research.run("better")
    assert research.scaled_trainings() == []
    research.turn_on()
    while not research.settle():
        research.train()
    assert research.transfer("better").outcome == "transfers"


def test_a_driver_killed_between_any_two_steps_leaves_the_same_decisions(lab: Laboratory, tmp_path: Path) -> None:
    whole = Scaling(lab, better=0.5)
    whole.fixed["better"] = ("n_embd",)
    whole.measure_floor()
    whole.run("better")
    events = lab.store.journal.events(whole.id)
    wanted = [record.event for record in events]
    launched = next(place for place, event in enumerate(wanted) if isinstance(event, ev.CallPending))
    skip = (ev.AttemptStarted, ev.ExperimentFinished)
    for cut in range(launched + 1, len(events)):
        other = small_lab(tmp_path / str(cut), lab.bundle)
        for path in lab.store.blobs.root.rglob("*"):
            if path.is_file():
                other.store.blobs.put(path.read_bytes())
        other.store.journal.adopt(events[:cut], [])
        again = Scaling.__new__(Scaling)
        again.lab, again.id, again.gains, again.confirmed_at = other, whole.id, whole.gains, {}
        again.scaled, again.fixed = {}, whole.fixed
        while not again.settle():
            again.train()
        found = [record.event for record in other.store.journal.events(whole.id)]
        assert [e for e in found if not isinstance(e, skip)] == [e for e in wanted if not isinstance(e, skip)]


def test_what_a_checkpoint_must_grow_by_is_a_matrix_of_each_block() -> None:
    config = TrainConfig(n_layer=3, n_embd=128)
    assert least_growth(config, "width") == 3 * (256**2 - 128**2) * limits.PARAMETER_BYTES
    assert least_growth(config, "depth") == 3 * 128**2 * limits.PARAMETER_BYTES


def test_a_failure_of_ours_is_no_verdict_on_the_file(start: Start) -> None:
    research = start(better=0.5)
    research.scaled["better"] = ExperimentResult(outcome=Outcome.LOST, error="The daemon went away.")
    research.run("better")
    assert "Lost: The daemon went away." in research.transfer("better").reason
