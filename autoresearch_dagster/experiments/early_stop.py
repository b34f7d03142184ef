"""Early stop: end a training whose loss is far behind that of champion and baseline at the same resource time.

The losses are what train.py files report of themselves, so all that this rule may do is to end a training before
its time; no score comes of it.  That a champion may have lied, too, is why it stops nobody alone: a training has to
be behind the baseline as well, whose file ships with the project.
"""

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.experiment import CurvePoint, ExperimentResult, PlannedExperiment, Purpose
from autoresearch_dagster.core.presets import Preset, preset
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.store.curves import kept_curve
from autoresearch_dagster.store.events import SessionConfig
from autoresearch_dagster.store.leaderboard import BASELINE
from autoresearch_dagster.store.state import SessionState


@dataclass(frozen=True, slots=True)
class Curve:
    """A finished training's reported losses over resource time.

    Units: `at_s` seconds of resource time, rising; `losses` as reported, smoothed: the median of the last
    `EARLY_STOP_POINTS`, so that there are none for the first points.  `first` is the first loss of all.
    """

    name: str
    first: float
    at_s: tuple[float, ...]
    losses: tuple[float, ...]

    def loss_at(self, at_s: float) -> float | None:
        """Return what it had by then; None where it had too few points."""
        count = bisect_right(self.at_s, at_s)
        return self.losses[count - 1] if count else None


@dataclass(frozen=True, slots=True)
class Behind:
    """How far behind a training is: its own loss now and at first, and by name what the others had at `then_s`.

    `others` is empty for one that reports in other units and has learnt nothing by its own measure.
    """

    loss: float
    first: float
    used_s: float
    then_s: float
    others: tuple[tuple[str, float], ...] = ()

    def sentence(self, budget_s: float) -> str:
        """Say why it is stopped."""
        begun = f"Stopped early, after {self.used_s:.0f} of {budget_s:.0f} s: its training loss was {self.loss:.3g}"
        if not self.others:
            return f"{begun}, no better than the {self.first:.3g} that it began with."
        had = " and ".join(f"the {name} {loss:.3g}" for name, loss in self.others)
        return f"{begun}, and after {self.then_s:.0f} s, a third of that, {had}."


def curve_of(name: str, points: Sequence[CurvePoint], resource_s: float) -> Curve | None:
    """Smooth a reported curve; None where it has too few points.

    Args:
        name: `champion` or `baseline`.
        points: as reported, in order; points that go back in time are left out.
        resource_s: seconds of resource time in one second of its clock: 1 where wall time is metered.
    """
    kept: list[CurvePoint] = []
    for point in points:
        if not kept or point.elapsed_s > kept[-1].elapsed_s:
            kept.append(point)
    width = lim.EARLY_STOP_POINTS
    if len(kept) < width:
        return None
    return Curve(
        name=name,
        first=kept[0].loss,
        at_s=tuple(point.elapsed_s * resource_s for point in kept[width - 1 :]),
        losses=tuple(
            smoothed([one.loss for one in kept[end - width : end]]) for end in range(width, len(kept) + 1)
        ),
    )


def smoothed(losses: Sequence[float]) -> float:
    """Return the median of the last losses, at least one."""
    return median(losses[-lim.EARLY_STOP_POINTS :])


def behind(losses: Sequence[float], used_s: float, budget_s: float, others: Sequence[Curve]) -> Behind | None:
    """Compare a training with others at the same resource time; the rule, and a pure function.

    It is far behind if, after `EARLY_STOP_FROM` of its budget at the earliest, its smoothed loss is worse than what
    each of the others had at a third of that time: it is more than three times slower than all of them.  One that
    began so high that it diverged, or counts in other units, is far behind if it is no better than it was then.

    Args:
        losses: all that it has reported, in order.
        used_s: seconds of resource time that it has used.
        budget_s: what it may use.
        others: champion and baseline.

    Returns:
        How far behind it is, or None: it is not, or nothing can be said (too few points, or a loss in other units).
    """
    if not others or len(losses) < lim.EARLY_STOP_POINTS or used_s < lim.EARLY_STOP_FROM * budget_s:
        return None
    loss, first, then_s = smoothed(losses), losses[0], used_s / lim.EARLY_STOP_TIMES
    if first > lim.EARLY_STOP_SAME_UNITS * max(other.first for other in others):
        return Behind(loss, first, used_s, then_s) if loss >= first else None
    had: list[tuple[str, float]] = []
    for other in others:
        theirs = other.loss_at(then_s)
        if theirs is None or loss <= theirs or not _same_units(first, other.first):
            return None
        had.append((other.name, theirs))
    return Behind(loss, first, used_s, then_s, tuple(had))


def _same_units(first: float, other: float) -> bool:
    """Whether two losses can be compared: in nats of a token, all models begin near the log of the vocabulary."""
    return min(first, other) > 0 and max(first, other) <= lim.EARLY_STOP_SAME_UNITS * min(first, other)


class EarlyStop:
    """Looks at one running training; it is stopped when it is far behind at several looks in a row."""

    def __init__(self, budget_s: float, others: Sequence[Curve]) -> None:
        """Compare with others; with none, nothing is ever stopped."""
        self._budget_s, self._others = budget_s, others
        self._losses: list[float] = []
        self._last: CurvePoint | None = None
        self._next_s = 0.0
        self._looks = 0

    def __call__(self, point: CurvePoint | None, used_s: float) -> str:
        """Look once; return why it is to be stopped, or ''.

        Args:
            point: the newest point that it reported.
            used_s: seconds of resource time, metered from outside.
        """
        if point is None or point == self._last:
            return ""
        self._last = point
        self._losses.append(point.loss)
        if used_s < self._next_s:
            return ""
        self._next_s = used_s + lim.EARLY_STOP_EVERY * self._budget_s
        found = behind(self._losses, used_s, self._budget_s, self._others)
        self._looks = self._looks + 1 if found else 0
        return found.sentence(self._budget_s) if found and self._looks >= lim.EARLY_STOP_LOOKS else ""


def is_on(config: SessionConfig, chosen: Preset | None = None) -> bool:
    """Whether a session stops trainings early: as it was asked for, else as its preset does."""
    return (chosen or preset(config.preset)).early_stop if config.early_stop is None else config.early_stop


def rivals_of(state: SessionState, planned: PlannedExperiment, lab: Laboratory) -> tuple[Curve, ...]:
    """Return whom a training of a session is compared with while it runs: champion and baseline.

    None for the platform's own trainings, whose scores are compared with each other, and where a curve is missing.
    """
    if not is_on(state.config, lab.preset) or planned.purpose is not Purpose.CANDIDATE or state.floor is None:
        return ()
    finished = {BASELINE: state.floor.trainings[0].result}
    if state.champion is not None and state.champion.result is not None:
        finished["champion"] = state.champion.result
    found = [_recorded(name, result, lab) for name, result in finished.items()]
    return tuple(curve for curve in found if curve is not None) if None not in found else ()


def _recorded(name: str, result: ExperimentResult, lab: Laboratory) -> Curve | None:
    points = kept_curve(result, lab.store.blobs.get)
    if not points or result.duration_sec <= 0:
        return None
    return curve_of(name, points, result.cpu_sec / result.duration_sec if lab.preset.cpu_metered else 1.0)
