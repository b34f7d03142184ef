"""The terminal while something runs: what trains in which slot, its loss, the time left; bars of slow work."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.core.figures import bpb
from autoresearch_dagster.core.limits import PROGRESS_BAR_CHARS, PULSE_EVERY_S
from autoresearch_dagster.core.progress import Amount, in_lines
from autoresearch_dagster.reports.bars import Bars
from autoresearch_dagster.reports.board import Card, Cards
from autoresearch_dagster.reports.text import cell, one_line

REFRESH_S = 0.5
TITLE_CHARS = 28
SAID_CHARS = 400
SPARK_WIDTH = 16
COLUMNS = {"experiment": 11, "slot": 6, "title": 0, "step": 4, "train loss": 6, "": 0, "state": 0}
"""Headings of the table, and how narrow a column may become; 0: as narrow as it must."""
SPARKS = "▁▂▃▄▅▆▇█"


def sparkline(values: tuple[float, ...], width: int = SPARK_WIDTH) -> str:
    """Draw values as a line of blocks, the last of them at most `width`, evenly sampled."""
    if not values:
        return ""
    step = max(1, -(-len(values) // width))
    shown = values[::-step][::-1]
    low, high = min(shown), max(shown)
    span = (high - low) or 1.0
    return "".join(SPARKS[round((value - low) / span * (len(SPARKS) - 1))] for value in shown)


def describe(card: Card) -> str:
    """Say in a few words where an experiment stands."""
    result = card.result
    if result is not None:
        return (
            f"val_bpb {bpb(result.val_bpb)}" if result.val_bpb is not None else f"{result.ending}: {result.error}"
        )
    if card.stage == "training" and card.used_s > 0:
        return f"training, {card.left_s:.0f} s left at most"
    return card.stage


class LiveView:
    """Shows a board and reports until the block ends: a display that redraws itself, or plain lines.

    All that is drawn goes through one display, so that bars, table and lines never fight for the screen.
    """

    def __init__(self, board: Cards, console: Console, pulse: Callable[[], str] = lambda: "") -> None:
        """Show on a console; without a terminal there, as lines.

        Args:
            board: what runs.
            console: where it is shown.
            pulse: says in a line how far all of it is; asked now and then.
        """
        self._board = board
        self._console = console
        self._pulse = pulse
        self._said, self._said_at = "", -PULSE_EVERY_S
        self._bars = Bars()
        self._in_lines = in_lines(self._print)
        self._told: dict[ExperimentKey, str] = {}
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="live-view", daemon=True)
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> "LiveView":
        if self._live is not None:
            self._live.start()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        with suppress(AutoresearchError):
            self._show()
        if self._live is not None:
            self._live.update("", refresh=True)
            self._live.stop()

    def report(self, told: str | Amount) -> None:
        """Tell a line, or move a bar; what is done stays as a line."""
        if self._live is None:
            self._in_lines(told)
        elif not isinstance(told, Amount) or self._bars.show(told):
            self._print(str(told))

    def _print(self, line: str) -> None:
        self._console.print(Text(f"  {line}"), style="dim", soft_wrap=self._live is None)

    def _watch(self) -> None:
        while not self._end.wait(REFRESH_S):
            with suppress(AutoresearchError):  # a journal that cannot be read for a moment; the next look has it
                self._show()

    def _show(self) -> None:
        cards = self._board.cards()
        self._tell(cards)
        if self._live is not None:
            running = [card for card in cards if card.result is None]
            table = [_table(running, self._console.width)] if running else []
            pulse = [Text(f"  {said}", style="bold", overflow="ellipsis")] if (said := self._how_far()) else []
            self._live.update(Group(*table, *pulse, self._bars), refresh=True)

    def _how_far(self) -> str:
        """Ask for the pulse, but not at every look."""
        if time.monotonic() - self._said_at >= PULSE_EVERY_S:
            self._said, self._said_at = self._pulse(), time.monotonic()
        return self._said

    def _tell(self, cards: list[Card]) -> None:
        """Print a line when a stage changes; with a terminal only when an experiment is done."""
        for card in cards:
            if self._told.get(card.key) == card.stage:
                continue
            self._told[card.key] = card.stage
            if card.stage == "done" or (self._live is None and card.stage != "waiting"):
                title, said = one_line(card.title, TITLE_CHARS), one_line(describe(card), SAID_CHARS)
                line = f"  {card.key}  {card.slot:7} {title:<{TITLE_CHARS}} {said}"
                # Beside the display rich would not crop the display either, and lose count of its lines.
                self._console.print(Text(line), soft_wrap=self._live is None)
                if card.stage == "done" and self._live is None and (said := self._pulse()):
                    self._print(said)


def _table(cards: list[Card], width: int) -> Table:
    """Draw the running experiments; on a narrow terminal without slot, key and curve."""
    wide = width >= PROGRESS_BAR_CHARS
    table = Table(box=None, pad_edge=True, padding=(0, 2 if wide else 1, 0, 0), show_header=wide)
    for heading, least in COLUMNS.items() if wide else (("title", 0), ("step", 4), ("state", 0)):
        table.add_column(heading, overflow="ellipsis", no_wrap=True, min_width=least or None)
    for card in cards:
        point = card.point
        step = str(point.step) if point else ""
        cells = (
            card.key,
            card.slot or "–",
            card.title,
            step,
            f"{point.loss:.3f}" if point else "",
            sparkline(card.losses),
            describe(card),
        )
        table.add_row(*map(cell, cells if wide else (card.title, step, describe(card))))
    return table
