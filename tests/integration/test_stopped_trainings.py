"""A driver that is told to stop leaves its local trainings without a result; the next driver trains them again."""

import dataclasses
import time

import pytest

from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.select import HARNESS
from autoresearch_dagster.experiments.dispatch import Dispatch
from autoresearch_dagster.reports.board import Board
from tests.bundles import tiny_bundle
from tests.integration.test_promotion_flow import Research
from tests.scored import small_lab

TRAINS_ON = """
import prepare
def run_training(config):
    step = 0
    while True:
        step += 1
        if step % 20_000 == 0:
            prepare.log_step(step, 9.0)
"""
PATIENCE_S = 60.0


@pytest.fixture
def research(tmp_path):
    lab = small_lab(tmp_path / "home", tiny_bundle(tmp_path / "bundle"))
    research = Research(lab)
    research.measure_floor()
    research.launch(TRAINS_ON)
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
