"""A driver that is told to stop leaves its local trainings without a result; the next driver trains them again."""

import dataclasses
import time

import pytest

from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.select import HARNESS
from autoresearch_dagster.experiments.dispatch import Dispatch
from autoresearch_dagster.reports.board import Board
from tests.integration.test_early_stopped import LEARNS_NOTHING
from tests.integration.test_promotion_flow import Research

PATIENCE_S = 60.0


@pytest.fixture
def research(lab):
    research = Research(lab)
    research.measure_floor()
    research.launch(LEARNS_NOTHING.decode())
    return research


def trained_until_stopped(research, jobs):
    """Drive the session until its experiment trains, and stop as Ctrl-C does."""
    board = Board()
    lab = dataclasses.replace(research.lab, runner=LocalRunner(HARNESS, jobs))
    dispatch = Dispatch(research.id, lab, board, "run", 1)
    (key,) = dispatch.submit_all()
    deadline = time.monotonic() + PATIENCE_S
    while board.cards()[0].point is None and board.cards()[0].stage != "done":
        assert time.monotonic() < deadline, board.cards()
        time.sleep(0.05)
    dispatch.stop()
    dispatch.close()
    return research.lab.store.journal.state(research.id).experiments[key]


def test_what_ctrl_c_stopped_is_trained_again_and_not_ended(research, tmp_path):
    assert trained_until_stopped(research, tmp_path / "jobs").result is None

    again = trained_until_stopped(research, tmp_path / "jobs")

    assert again.result is None, again.result.error
    assert again.attempts == 2
