"""How slow work tells a person how far it is: lines, and amounts that a terminal draws as a bar."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from autoresearch_dagster.core.limits import GIB, MIB, PROGRESS_EVERY_S, PROGRESS_LINE_S

MINUTE_S = 60
HOUR_S = 3600
Unit = Literal["bytes", "documents", "tokens", "rows"]


@dataclass(frozen=True, slots=True)
class Amount:
    """How much of a task is done; `total` is None where nobody knows.

    Units: `done` and `total` in `unit`, `elapsed_s` in seconds since this process began; `done_before` is what
    an earlier process had done, which says nothing of the speed of this one.
    """

    task: str
    done: int
    total: int | None
    unit: Unit
    elapsed_s: float
    done_before: int = 0

    @property
    def rate(self) -> float:
        """Units a second; 0 while nothing is known."""
        return (self.done - self.done_before) / self.elapsed_s if self.elapsed_s > 0 else 0.0

    @property
    def left_s(self) -> float | None:
        """Seconds until it is done at this rate, if that can be told."""
        if self.total is None or self.rate <= 0:
            return None
        return max(0.0, self.total - self.done) / self.rate

    @property
    def finished(self) -> bool:
        """Whether all of it is done."""
        return self.total is not None and self.done >= self.total

    def __str__(self) -> str:
        """Say it in a line: `climbmix: 412 MiB of 1.2 GiB, 18 MiB/s, 44 s left`."""
        of = f" of {in_unit(self.total, self.unit)}" if self.total is not None else ""
        left = f", {in_time(self.left_s)} left" if self.left_s is not None and not self.finished else ""
        return f"{self.task}: {in_unit(self.done, self.unit)}{of}, {in_unit(self.rate, self.unit)}/s{left}"


Report = Callable[[str | Amount], None]
"""Receives lines for a person, and now and then the amount that is done of something slow."""


def in_unit(value: float, unit: Unit) -> str:
    """Write an amount as a person reads it."""
    if unit != "bytes":
        return counted(round(value), unit.removesuffix("s"))
    if value >= GIB:
        return f"{value / GIB:.1f} GiB"
    return f"{value / MIB:.0f} MiB" if value >= MIB else f"{value / 1024:.0f} KiB"


def counted(count: int, noun: str) -> str:
    """Write how many as a person reads it: `1 hypothesis`, `2 hypotheses`, `1,000 small batches`."""
    return f"{count:,} {noun if count == 1 else _plural(noun)}"


def _plural(noun: str) -> str:
    if noun.endswith("sis"):
        return f"{noun[:-2]}es"
    if noun.endswith("y") and noun[-2] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("ch", "s", "sh", "x")) else f"{noun}s"


def in_time(seconds: float) -> str:
    """Write a duration as a person reads it, rounded up."""
    whole = math.ceil(seconds)
    if whole < 2 * MINUTE_S:
        return f"{whole} s"
    if whole < 2 * HOUR_S:
        return f"{math.ceil(whole / MINUTE_S)} min"
    return f"{math.ceil(10 * whole / HOUR_S) / 10:.1f} h"


def silent(_told: str | Amount) -> None:
    """Nobody watches."""


def in_lines(say: Callable[[str], object], clock: Callable[[], float] = time.monotonic) -> Report:
    """Report to something that takes only lines, such as a log: an amount at its end and every few seconds."""
    last: dict[str, float] = {}

    def report(told: str | Amount) -> None:
        if isinstance(told, Amount):
            now = clock()
            if not told.finished and now - last.get(told.task, now - PROGRESS_LINE_S) < PROGRESS_LINE_S:
                return
            last[told.task] = now
        say(str(told))

    return report


class Meter:
    """Counts a task up and reports it at most every half second, and when it is done."""

    def __init__(
        self,
        task: str,
        total: int | None,
        unit: Unit,
        report: Report,
        *,
        done_before: int = 0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._task = task
        self._total = total
        self._unit: Unit = unit
        self._report = report
        self._done_before = done_before
        self._clock = clock
        self._started = self._told = clock()
        self.done = done_before

    def add(self, count: int) -> None:
        """Count more as done."""
        self.done += count
        now = self._clock()
        amount = Amount(self._task, self.done, self._total, self._unit, now - self._started, self._done_before)
        if count and (amount.finished or now - self._told >= PROGRESS_EVERY_S):
            self._told = now
            self._report(amount)
