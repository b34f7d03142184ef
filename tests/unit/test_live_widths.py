"""The table of running experiments on terminals of any width."""

import io

import pytest
from rich.console import Console

from autoresearch_dagster.core.experiment import CurvePoint, ExperimentKey, ExperimentResult, Outcome
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.reports.live import LiveView, running_table, short_slot, sparkline

TITLE = "baseline, seed 43, with a title that no terminal has room for " * 2
LOSSES = tuple(5.0 - 0.1 * number for number in range(40))


def training(*, slot: Slot, losses: tuple[float, ...] = LOSSES) -> Board:
    board = Board()
    key = ExperimentKey("s01_d01_e01")
    board.add(key, TITLE)
    board.stage(key, "training", slot)
    for step, loss in enumerate(losses, start=1):
        board.progress(key, CurvePoint(step=step, loss=loss, elapsed_s=1.0), 1.0, 8.0)
    return board


def drawn(board: Board, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, color_system=None)
    console.print(running_table(board.cards(), console))
    return console.file.getvalue().splitlines()


@pytest.mark.parametrize("width", [40, 60])
def test_a_narrow_terminal_shows_title_slot_curve_and_time_left(width: int) -> None:
    [line] = drawn(training(slot=Slot((0,))), width)

    assert len(line) <= width
    assert line.startswith("c0 baseline, se")
    assert f" {sparkline(LOSSES, 8)} " in line
    assert line.rstrip().endswith("8 s left")
    assert "40" not in line, "the step"


def test_a_terminal_of_usual_width_leaves_out_the_step_first() -> None:
    heading, line = drawn(training(slot=Slot((0,))), 80)

    assert heading.split() == ["experiment", "slot", "title", "train", "loss", "state"]
    assert line.startswith("s01_d01_e01  core 0  baseline, se")
    assert "1.100" in line
    assert sparkline(LOSSES) in line
    assert line.rstrip().endswith("8 s left")


def test_a_wide_terminal_shows_all() -> None:
    heading, line = drawn(training(slot=Slot((0,))), 120)

    assert heading.split() == ["experiment", "slot", "title", "step", "train", "loss", "state"]
    assert "40" in line
    assert line.rstrip().endswith("training, 8 s left at most")


@pytest.mark.parametrize("width", [20, 30, 40, 60, 69, 70, 80, 99, 100, 120, 250])
def test_each_experiment_has_one_line_that_fits_before_its_training_and_in_it(width: int) -> None:
    board = training(slot=Slot((4, 5), "GPU-1a2b3c4d-0000"))
    board.add(ExperimentKey("s01_d01_e02"), TITLE)
    board.stage(ExperimentKey("s01_d01_e02"), "waiting for the journal")

    lines = drawn(board, width)

    assert len(lines) == 2 + (width >= 70)
    assert all(len(line) <= width for line in lines)


def test_a_long_stage_leaves_the_title_its_place_on_a_narrow_terminal() -> None:
    board = training(slot=Slot((0,)))
    board.stage(ExperimentKey("s01_d01_e01"), "waiting for the journal")

    [line] = drawn(board, 40)

    assert line.startswith("c0 baseline")
    assert line.rstrip().endswith("waiting for t…")


def test_a_result_is_told_without_gaps_on_a_narrow_terminal() -> None:
    shown, key = io.StringIO(), ExperimentKey("s01_d01_e01")
    board = Board()
    board.add(key, "wider-model")
    board.stage(key, "training", Slot((0,)))
    with LiveView(board, Console(file=shown, width=60, force_terminal=True, color_system=None)):
        board.finish(key, ExperimentResult(outcome=Outcome.CRASHED, error="boom"))

    assert "  s01_d01_e01  c0 wider-model Crashed: boom" in shown.getvalue()


@pytest.mark.parametrize(
    ("slot", "short"),
    [
        (str(Slot((0,))), "c0"),
        (str(Slot((4, 5))), "c4,5"),
        (str(Slot((4, 5), "GPU-1a2b3c4d-0000")), "g1a2b"),
        (str(Slot((4, 5), "MIG-9f8e7d6c-0000")), "m9f8e"),
        ("", "–"),
    ],
)
def test_a_slot_is_told_in_five_characters(slot: str, short: str) -> None:
    assert short_slot(slot) == short
