"""The terminal while experiments run: what trains on which core, its loss, the time left."""

import threading
from types import TracebackType

from rich.console import Console
from rich.live import Live
from rich.table import Table

from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.reports.board import Board, Card

REFRESH_S = 0.5
SPARK_WIDTH = 16
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
            f"val_bpb {result.val_bpb:.4f}" if result.val_bpb is not None else f"{result.outcome}: {result.error}"
        )
    if card.stage == "training" and card.used_s > 0:
        return f"training, {card.left_s:.0f} s left at most"
    return card.stage


class LiveView:
    """Shows a board until the block ends: a table that redraws itself, or plain lines without a terminal."""

    def __init__(self, board: Board, console: Console) -> None:
        self._board = board
        self._console = console
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
        self._show()
        if self._live is not None:
            self._live.stop()

    def _watch(self) -> None:
        while not self._end.wait(REFRESH_S):
            self._show()

    def _show(self) -> None:
        cards = self._board.cards()
        self._tell(cards)
        if self._live is not None:
            running = [card for card in cards if card.result is None]
            self._live.update(_table(running) if running else "", refresh=True)

    def _tell(self, cards: list[Card]) -> None:
        """Print a line when a stage changes; with a terminal only when an experiment is done."""
        for card in cards:
            if self._told.get(card.key) == card.stage:
                continue
            self._told[card.key] = card.stage
            if card.stage == "done" or (self._live is None and card.stage != "waiting"):
                where = f"core {card.core}" if card.core is not None else ""
                self._console.print(
                    f"  {card.key}  {where:7} {card.title:<28.28} {describe(card)}",
                    markup=False,
                    highlight=False,
                )


def _table(cards: list[Card]) -> Table:
    table = Table(box=None, pad_edge=True, padding=(0, 2, 0, 0))
    for heading in ("experiment", "slot", "title", "step", "train loss", "", "state"):
        table.add_column(heading, overflow="ellipsis", no_wrap=True)
    for card in cards:
        point = card.point
        table.add_row(
            card.key,
            f"core {card.core}" if card.core is not None else "–",
            card.title,
            str(point.step) if point else "",
            f"{point.loss:.3f}" if point else "",
            sparkline(card.losses),
            describe(card),
        )
    return table
