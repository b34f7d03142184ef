"""A training that is stopped early: really run, labelled, and told; and whose trainings never are."""

import dataclasses

import pytest

from autoresearch_dagster.agent.history import result_fields
from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.select import HARNESS
from autoresearch_dagster.core.experiment import (
    CurvePoint,
    ExperimentKey,
    Label,
    Outcome,
    PlannedExperiment,
    Purpose,
    TrainConfig,
    canonical_json,
)
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.experiments.dispatch import Dispatch
from autoresearch_dagster.experiments.early_stop import curve_of, rivals_of
from autoresearch_dagster.experiments.run_one import Attempt, run_planned
from autoresearch_dagster.experiments.scoring import attempt_of
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.training.job import Halt
from tests.integration.test_promotion_flow import Research
from tests.scored import result_of

LEARNS_NOTHING = b"""
import prepare
def run_training(config):
    step = 0
    while True:
        step += 1
        if step % 20_000 == 0:
            prepare.log_step(step, 9.0)
"""


FAST = [9.0, 8.0, 5.0, 4.0, 3.0, *[2.0] * 50]


def points(losses):
    return [CurvePoint(step=n, loss=loss, elapsed_s=0.1 * n) for n, loss in enumerate(losses, 1)]


def test_a_hopeless_training_is_stopped_labelled_and_explained_to_the_agent(lab, tmp_path):
    runner = LocalRunner(HARNESS, tmp_path / "jobs")
    lab = dataclasses.replace(lab, runner=runner)
    planned = PlannedExperiment(
        key=ExperimentKey("s01_d01_e01"),
        title="hopeless",
        revision=1,
        train_py=lab.store.blobs.put(LEARNS_NOTHING),
        config=TrainConfig(time_budget_sec=20),
    )
    rival = curve_of("baseline", points(FAST), 1.0)
    attempt = Attempt(number=1, slot=Slot((lab.settings.cores[0],)), rivals=(rival,))

    result = run_planned(planned, lab, attempt, lambda *_: None, lambda _: None, lambda: Halt.NO)
    lab.sweep(planned.key)

    assert result.outcome is Outcome.STOPPED
    assert Label.EARLY_STOPPED in result.labels
    assert 6 <= result.cpu_sec < 20
    assert result.val_bpb is None
    assert result.checkpoint is None
    assert list((tmp_path / "jobs").glob("*.json")) == []
    told = result_fields(result)
    assert told["outcome"] == "Stopped"
    assert "early_stopped" in told["labels"]
    assert told["error"].startswith("Stopped early, after ")
    assert "its training loss was 9" in told["error"]
    assert "the baseline 2" in told["error"]


class Curved(Research):
    """A session that stops early; its trainings leave curves."""

    def quality(self, planned):
        curve = self.lab.store.blobs.put(canonical_json([one.model_dump() for one in points(FAST)]))
        timed = {"curve": curve, "duration_sec": 10.0, "cpu_sec": 10.0}
        return result_of(planned, self.lab, 0.0).model_copy(update=timed)


def test_a_session_that_asks_for_it_stops_its_hopeless_candidates(lab, tmp_path):
    research = Curved(lab)
    research.measure_floor()
    journal = lab.store.journal
    with journal.transaction(research.id) as tx:
        config = tx.state.config.model_copy(update={"early_stop": True})
        tx.append(ev.SessionResumed(config=config, driver="cli"))
    research.launch(LEARNS_NOTHING.decode())  # its title is its file
    dispatch = Dispatch(
        research.id, dataclasses.replace(lab, runner=LocalRunner(HARNESS, tmp_path / "jobs")), Board(), "run", 1
    )
    (key,) = dispatch.submit_all()
    result = dispatch.wait(key)
    dispatch.close()

    assert result.outcome is Outcome.STOPPED
    assert Label.EARLY_STOPPED in result.labels
    assert journal.state(research.id).experiments[key].result == result
    assert research.settle()  # the plan goes on
    answer = journal.state(research.id).turns[-1].answers[0].result
    assert answer["results"][0]["error"] == result.error


@pytest.fixture
def research(lab):
    """A session with a champion; its curves and the baseline's are on disk."""
    research = Research(lab, better=0.2)
    research.measure_floor()
    research.run("better")
    assert research.state.champion is not None
    return research


def with_curves(research, losses=(9.0, 8.0, 7.0, 6.0), **config):
    """The state as if trainings had left curves, under another configuration."""
    blobs, state = research.lab.store.blobs, research.state
    curve = blobs.put(canonical_json([point.model_dump() for point in points(losses)]))
    timed = {"curve": curve, "duration_sec": 10.0, "cpu_sec": 5.0}
    first, *others = state.floor.trainings
    first = first.model_copy(update={"result": first.result.model_copy(update=timed)})
    champion = state.champion
    champion = dataclasses.replace(champion, result=champion.result.model_copy(update=timed))
    return dataclasses.replace(
        state,
        config=state.config.model_copy(update=config),
        floor=state.floor.model_copy(update={"trainings": (first, *others)}),
        experiments={**state.experiments, champion.planned.key: champion},
    )


def candidate(state, purpose=Purpose.CANDIDATE):
    planned = next(iter(state.experiments.values())).planned
    return planned.model_copy(update={"key": ExperimentKey("s01_d09_e09"), "purpose": purpose})


def test_a_candidate_is_compared_with_baseline_and_champion_in_resource_time(research):
    state = with_curves(research, early_stop=True)

    rivals = rivals_of(state, candidate(state), research.lab)

    assert [rival.name for rival in rivals] == ["baseline", "champion"]
    assert rivals[0].at_s == pytest.approx((0.15, 0.2))  # half of its wall time was metered
    assert rivals[0].losses == (8.0, 7.0)
    wall = dataclasses.replace(research.lab, preset=dataclasses.replace(research.lab.preset, cpu_metered=False))
    assert rivals_of(state, candidate(state), wall)[0].at_s == pytest.approx((0.3, 0.4))


@pytest.mark.parametrize("purpose", [one for one in Purpose if one is not Purpose.CANDIDATE])
def test_the_platforms_own_trainings_are_never_stopped_early(research, purpose):
    state = with_curves(research, early_stop=True)

    assert rivals_of(state, candidate(state, purpose), research.lab) == ()


def test_a_session_that_does_not_ask_for_it_and_a_training_outside_sessions_are_never_stopped_early(research):
    state = with_curves(research)

    assert rivals_of(state, candidate(state), research.lab) == ()
    asked = with_curves(research, early_stop=True)
    outside = attempt_of(asked, candidate(asked), research.lab, 1, Slot((0,)), 2)  # as `rerun` makes it
    assert outside.rivals == ()


@pytest.mark.parametrize("curve", [None, "f" * 64, b"[{}]", b"not json", b"[]"])
def test_without_a_readable_curve_nobody_is_stopped(research, curve):
    state = with_curves(research, early_stop=True)
    digest = research.lab.store.blobs.put(curve) if isinstance(curve, bytes) else curve
    champion = state.champion
    broken = dataclasses.replace(champion, result=champion.result.model_copy(update={"curve": digest}))
    state.experiments[champion.planned.key] = broken

    assert rivals_of(state, candidate(state), research.lab) == ()
