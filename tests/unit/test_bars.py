"""Bars, table and lines share one display; without a terminal there are only lines."""

import io
import time

import pytest
from rich.console import Console

from autoresearch_dagster.core.errors import StoreUnavailable
from autoresearch_dagster.core.experiment import CurvePoint, ExperimentKey, ExperimentResult, Outcome
from autoresearch_dagster.core.progress import Amount
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.reports.bars import Bars
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.reports.live import REFRESH_S, LiveView

HALF = Amount("climbmix shard_00000.parquet", 512 * 2**20, 2**30, "bytes", elapsed_s=32.0)
DONE = Amount("climbmix shard_00000.parquet", 2**30, 2**30, "bytes", elapsed_s=64.0)
KEY = ExperimentKey("s01_d01_e01")


def console(width, *, terminal):
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=None, height=30)


def drawn(bars, width):
    shown = console(width, terminal=False)
    shown.print(bars)
    return shown.file.getvalue()


def test_a_bar_says_how_much_how_fast_and_how_long():
    bars = Bars()
    bars.show(HALF)

    assert "512 MiB of 1.0 GiB  16 MiB/s  32 s left" in drawn(bars, 120)


@pytest.mark.parametrize("width", [20, 40, 60, 80, 200])
def test_a_bar_fits_into_any_terminal(width):
    bars = Bars()
    bars.show(HALF)
    bars.show(Amount("no total is known of this", 5, None, "documents", 1.0))

    lines = drawn(bars, width).splitlines()
    assert len(lines) == 2
    assert all(len(line) <= width for line in lines)
    if width >= 40:
        assert "50 %" in lines[0] or "512 MiB" in lines[0]


def test_a_finished_task_loses_its_bar():
    bars = Bars()
    bars.show(HALF)

    assert bars.show(DONE)
    assert drawn(bars, 80).strip() == ""


@pytest.mark.parametrize("width", [40, 100])
def test_on_a_terminal_what_is_done_stays_as_a_line(width):
    shown = console(width, terminal=True)
    with LiveView(Board(), shown) as view:
        view.report("begin")
        view.report(HALF)
        view.report(DONE)

    text = shown.file.getvalue()
    assert "begin" in text
    assert "1.0 GiB of 1.0 GiB" in " ".join(text.split())


def test_without_a_terminal_there_are_lines_and_no_control_characters():
    shown, board = console(40, terminal=False), Board()
    with LiveView(board, shown) as view:
        view.report("begin")
        view.report(DONE)
        board.add(KEY, "a title [bold]\x1b[31m")
        board.stage(KEY, "training", Slot((1,)))
        board.progress(KEY, CurvePoint(step=1, loss=2.0, elapsed_s=1.0), 1.0, 9.0)
        board.finish(KEY, ExperimentResult(outcome=Outcome.CRASHED, error="boom [/bold]\x1b[2J"))

    text = shown.file.getvalue()
    assert "\x1b" not in text
    assert "a title [bold]\\x1b[31m" in text
    assert "Crashed: boom [/bold]\\x1b[2J" in text
    assert "climbmix shard_00000.parquet: 1.0 GiB of 1.0 GiB" in text


def test_an_untrusted_title_moves_no_cursor_on_a_terminal():
    shown, board = console(100, terminal=True), Board()
    with LiveView(board, shown):
        board.add(KEY, "\x1b]0;owned\x07")
        board.finish(KEY, ExperimentResult(outcome=Outcome.CRASHED, error="\x1b]0;owned\x07"))

    assert "\x1b]0;owned" not in shown.file.getvalue()


@pytest.mark.parametrize("width", [30, 120])
def test_how_far_it_is_stands_below_the_experiments_with_costs_and_time_left_on_any_terminal(width):
    shown, board = console(width, terminal=True), Board()
    how_far = "s01: 1 of 6 experiments, best 2.5000, US$ 0.4200 of 5.00, about 3 min left"
    with LiveView(board, shown, lambda: how_far) as view:
        board.add(KEY, "a title")
        view._show()

    text = shown.file.getvalue()
    assert text.index("a title") < text.index("s01: 1 of")
    assert how_far in " ".join(text.split())


def test_without_a_terminal_how_far_it_is_follows_each_result():
    shown, board = console(40, terminal=False), Board()
    with LiveView(board, shown, lambda: "s01: 1 of 6 experiments"):
        board.add(KEY, "a title")
        board.finish(KEY, ExperimentResult(outcome=Outcome.CRASHED, error="boom"))

    text = shown.file.getvalue()
    assert text.index("boom") < text.index("s01: 1 of 6 experiments")


def test_a_look_that_fails_does_not_end_the_view():
    class Flaky(Board):
        looks = 0

        def cards(self):
            self.looks += 1
            if self.looks % 2:
                raise StoreUnavailable("The journal is locked.")
            return super().cards()

    shown, board = console(60, terminal=False), Flaky()
    with LiveView(board, shown):
        board.add(KEY, "a title")
        board.finish(KEY, ExperimentResult(outcome=Outcome.CRASHED, error="boom"))
        time.sleep(3 * REFRESH_S)

    assert "boom" in shown.file.getvalue()
