"""Slow work as bars: how much is done, how fast, how long it still takes."""

import threading

from rich.console import Console, ConsoleOptions, RenderResult
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from autoresearch_dagster.core.limits import PROGRESS_BAR_CHARS
from autoresearch_dagster.core.progress import Amount, in_time, in_unit

BAR_CHARS = 24


class Bars:
    """The amounts of everything that is under way, a bar for each task; thread-safe, drawn by a live display."""

    def __init__(self) -> None:
        self._amounts: dict[str, Amount] = {}
        self._lock = threading.Lock()

    def show(self, amount: Amount) -> bool:
        """Move a task's bar; a finished task loses it.  Whether it is finished."""
        with self._lock:
            if amount.finished:
                self._amounts.pop(amount.task, None)
            else:
                self._amounts[amount.task] = amount
        return amount.finished

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        with self._lock:
            amounts = list(self._amounts.values())
        if not amounts:
            return
        wide = options.max_width >= PROGRESS_BAR_CHARS
        grid = Table.grid(padding=(0, 1, 0, 0))
        grid.add_column(no_wrap=True, overflow="ellipsis", max_width=options.max_width // 3)
        grid.add_column(width=BAR_CHARS if wide else options.max_width // 4)
        grid.add_column(no_wrap=True, overflow="ellipsis")
        for amount in amounts:
            bar = ProgressBar(total=amount.total, completed=amount.done, pulse=amount.total is None)
            grid.add_row(Text(amount.task), bar, Text(figures(amount) if wide else short_figures(amount)))
        yield grid


def figures(amount: Amount) -> str:
    """Say what stands beside a bar: `412 MiB of 1.2 GiB  18 MiB/s  44 s left`."""
    parts = [in_unit(amount.done, amount.unit)]
    if amount.total is not None:
        parts[0] += f" of {in_unit(amount.total, amount.unit)}"
    if amount.rate > 0:
        parts.append(f"{in_unit(amount.rate, amount.unit)}/s")
    if amount.left_s is not None:
        parts.append(f"{in_time(amount.left_s)} left")
    return "  ".join(parts)


def short_figures(amount: Amount) -> str:
    """Say it where there is little room: `34 %  44 s left`."""
    if amount.total is None:
        return in_unit(amount.done, amount.unit)
    share = f"{100 * amount.done / max(1, amount.total):.0f} %"
    return share if amount.left_s is None else f"{share}  {in_time(amount.left_s)} left"
