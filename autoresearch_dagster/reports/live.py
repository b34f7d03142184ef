"""The terminal while something runs: what trains in which slot, its loss, the time left; bars of slow work."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import TracebackType

from rich.console import Console, Group
from rich.live import Live
from rich.measure import Measurement
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.core.figures import bpb
from autoresearch_dagster.core.limits import PROGRESS_BAR_CHARS, PULSE_EVERY_S
from autoresearch_dagster.core.progress import Amount, in_lines, in_time
from autoresearch_dagster.reports.bars import Bars
from autoresearch_dagster.reports.board import Card, Cards
from autoresearch_dagster.reports.text import cell, one_line

REFRESH_S = 0.5
TITLE_CHARS = 28
SAID_CHARS = 400
SPARK_WIDTH = 16
SHORT_SPARK_WIDTH = 8
SHORT_SLOT_CHARS = 5
STATE_CHARS = 14
"""Of a state where there is no room for a sentence."""
ALL_CHARS = 100
"""Columns of a terminal from which a row has all there is."""
ALL = ("experiment", "slot", "title", "step", "train loss", "curve", "state")
NARROW = ("experiment", "slot", "title", "train loss", "curve", "state")
NARROWEST = ("slot", "title", "curve", "state")
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
        return f"training, {in_time(card.left_s)} left at most"
    return card.stage


def time_left(card: Card) -> str:
    """Say where a running experiment stands in two or three words: the time left, else the stage."""
    return f"{in_time(card.left_s)} left" if card.stage == "training" and card.used_s > 0 else card.stage


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
            table = [running_table(running, self._console)] if running else []
            said = self._how_far()  # folded where it is too long: costs and the time left stand at its end
            pulse = [Padding(Text(said, style="bold"), (0, 0, 0, 2))] if said else []
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
                aligned = self._live is None or self._console.width >= PROGRESS_BAR_CHARS
                slot = f"{card.slot:7}" if aligned else short_slot(card.slot)
                line = f"  {card.key}  {slot} {title:<{TITLE_CHARS if aligned else 0}} {said}"
                # Beside the display rich would not crop the display either, and lose count of its lines.
                self._console.print(Text(line), soft_wrap=self._live is None)
                if card.stage == "done" and self._live is None and (said := self._pulse()):
                    self._print(said)


def running_table(cards: list[Card], console: Console) -> Table:
    """Draw the running experiments in one line each; what is left of the width is the title's."""
    kept, short = _columns(console.width)
    table = Table(box=None, pad_edge=True, padding=(0, 1 if short else 2, 0, 0), show_header=not short)
    for heading in kept:
        table.add_column(
            heading if heading != "curve" else "",
            overflow="ellipsis",
            no_wrap=True,
            ratio=1 if heading == "title" else None,
            max_width=STATE_CHARS if heading == "state" and kept != ALL else None,
        )
    for card in cards:
        cells = _cells(card, brief=kept != ALL, short=short)
        table.add_row(*(cell(cells[heading]) for heading in kept))
    # With a width rich gives the other columns what they need and the title the rest; else it cuts all alike.
    table.width = Measurement.get(console, console.options, table).maximum
    return table


def _columns(width: int) -> tuple[tuple[str, ...], bool]:
    """Choose what is shown in so many columns of a terminal, and whether slots and curves are short."""
    if width >= ALL_CHARS:
        return ALL, False
    return (NARROW, False) if width >= PROGRESS_BAR_CHARS else (NARROWEST, True)


def _cells(card: Card, *, brief: bool, short: bool) -> dict[str, str]:
    return {
        "experiment": card.key,
        "slot": short_slot(card.slot) if short else card.slot or "–",
        "title": card.title,
        "step": str(card.point.step) if card.point else "",
        "train loss": f"{card.point.loss:.3f}" if card.point else "",
        "curve": sparkline(card.losses, SHORT_SPARK_WIDTH if short else SPARK_WIDTH),
        "state": time_left(card) if brief else describe(card),
    }


def short_slot(slot: str) -> str:
    """Write a slot in a few characters: `c0` for `core 0`, `g1a2b` for a GPU."""
    kind, _space, rest = slot.partition(" ")
    return f"{kind[:1].lower()}{rest.replace(' ', '')}"[:SHORT_SLOT_CHARS] or "–"
