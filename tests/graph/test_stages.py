"""The log of a run says which experiment trains where, while it trains."""

import dagster as dg
import pytest
from dagster._core.errors import DagsterExecutionInterruptedError

from autoresearch_dagster.core.errors import StoreConflict
from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult, Outcome
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.defs.dispatch_story import stage_line
from autoresearch_dagster.defs.research import train_experiment
from autoresearch_dagster.experiments.desk import Desk
from autoresearch_dagster.reports.board import Board, Card
from autoresearch_dagster.store.events import SessionConfig

FIRST, SECOND = ExperimentKey("s01_d01_e01"), ExperimentKey("s01_d01_e02")


class WatchedDesk:
    """Both experiments come to a slot while the first is waited for; it notes what the log says at each look."""

    def __init__(self, said: list[str]) -> None:
        self.board, self.said = Board(), said
        self.seen: list[list[str]] = []
        self.board.add(FIRST, "higher-rate")
        self.board.add(SECOND, "wider-\x1b[2Jmodel")

    def interrupted(self) -> bool:
        return False

    def wait(self, key: ExperimentKey, look) -> ExperimentResult:
        for stage in ("starting", "training", "scoring"):
            for one, core in ((FIRST, 0), (SECOND, 1)):
                self.board.stage(one, stage, Slot((core,)))
            look()
            self.seen.append(list(self.said))
            look()
        assert self.said == self.seen[-1], "each stage is told once"
        raise StoreConflict("stopped")


def test_each_experiment_of_the_dispatch_is_said_to_train_where_it_does_while_it_does(monkeypatch):
    said: list[str] = []
    desk = WatchedDesk(said)
    with dg.build_op_context(resources={"desk": desk}) as context:
        monkeypatch.setattr(type(context.log), "info", lambda _self, line: said.append(line))
        train_experiment(context, str(FIRST))

    starting, training, scoring = desk.seen
    assert starting == ["s01_d01_e01 higher-rate waits for a slot."]
    assert training[1:] == [
        "s01_d01_e01 higher-rate trains on core 0.",
        "s01_d01_e02 wider-\\x1b[2Jmodel trains on core 1.",
    ]
    assert scoring[3:] == ["s01_d01_e01 higher-rate is scored.", "s01_d01_e02 wider-\\x1b[2Jmodel is scored."]


def test_a_ctrl_c_that_was_swallowed_ends_the_wait(monkeypatch):
    desk = WatchedDesk([])
    monkeypatch.setattr(desk, "interrupted", lambda: True)

    with dg.build_op_context(resources={"desk": desk}) as context, pytest.raises(DagsterExecutionInterruptedError):
        train_experiment(context, str(FIRST))


def test_what_an_experiment_waits_for_is_said_too():
    assert stage_line(Card(FIRST, "a", stage="waiting for memory")) == "s01_d01_e01 a is waiting for memory."
    assert stage_line(Card(FIRST, "a", stage="taken up again")) == "s01_d01_e01 a is taken up again."


def test_a_stage_is_news_once_and_a_look_at_its_training_is_none():
    board = Board()
    board.add(FIRST, "a")
    for _ in range(3):
        board.stage(FIRST, "waiting for memory")
    board.progress(FIRST, None, 1.0, 2.0)
    board.finish(FIRST, ExperimentResult(outcome=Outcome.TRAINED))

    assert [card.stage for card in board.news()] == ["waiting for memory"]
    assert board.news() == []


def test_who_waits_at_the_desk_is_given_a_look_until_there_is_a_result(settings):
    result, looks = ExperimentResult(outcome=Outcome.TRAINED), []

    class Slow:
        trouble = ""

        def wait(self, key, for_s):
            return result if len(looks) == 2 else None

        def stop(self, *, kill=False): ...

        def close(self): ...

    with Desk(settings) as desk:
        desk._session = desk.store.journal.create(SessionConfig(), "cli", "bundle").id
        desk._dispatch = Slow()
        assert desk.wait(FIRST, lambda: looks.append(1)) is result
    assert len(looks) == 2
