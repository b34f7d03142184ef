"""The tab of code: every saved revision against what it was made from and against the baseline."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.core.figures import bpb
from autoresearch_dagster.reports.lineage import parents
from autoresearch_dagster.reports.page.comparisons import (
    NOT_REVIEWED,
    SAME_AS_PARENT,
    Comparer,
    Comparison,
    Review,
)
from autoresearch_dagster.reports.page.figures import clock
from autoresearch_dagster.reports.page.markup import short
from autoresearch_dagster.reports.page.view import ReportView
from autoresearch_dagster.reports.tables import standing_word
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.leaderboard import BASELINE, leaderboard
from autoresearch_dagster.store.state import Edit


@dataclass(frozen=True, slots=True)
class Trial:
    """An experiment that ran a revision."""

    key: ExperimentKey
    rank: int
    score: str
    word: str


@dataclass(frozen=True, slots=True)
class Revision:
    """One saved edit."""

    number: int
    title: str
    revision: int
    saved: str
    parent: str
    parent_number: int | None
    axes: tuple[str, ...]
    summary: str
    overrides: str
    adjusted: tuple[str, ...]
    digest: str
    turn: int
    """Of the researcher in which it was saved; 0: before the first."""
    trials: tuple[Trial, ...]
    """The best of those that ran it."""
    more_trials: int
    to_parent: Comparison
    to_baseline: Comparison
    review: Review


@dataclass(frozen=True, slots=True)
class Edits:
    """All of the tab."""

    revisions: tuple[Revision, ...]
    parents: tuple[int | None, ...]
    """Places of what they were forked from; None: the baseline."""
    first: tuple[int, ...]
    """Their places, the most valuable first: champions, then the best scores, then the newest."""
    reigned: tuple[Revision, ...]
    """Those that champions ran, in order."""

    @property
    def looks(self) -> tuple[Revision, ...]:
        """Those of champions with lines that are worth a look."""
        return tuple(one for one in self.reigned if one.review.count)

    @property
    def unreviewed(self) -> int:
        """Edits that were not reviewed since there are so many."""
        return sum(one.review.note == NOT_REVIEWED for one in self.revisions)

    @property
    def diffs(self) -> int:
        """Differences that could stand on the page."""
        return sum(one.diff is not None for one in self._compared) + self.diffs_left_out

    @property
    def diffs_left_out(self) -> int:
        """Those that had no room."""
        return sum(one.elsewhere for one in self._compared)

    @property
    def _compared(self) -> list[Comparison]:
        return [compared for one in self.revisions for compared in (one.to_parent, one.to_baseline)]

    @property
    def not_reviewed(self) -> int:
        """Those of champions whose lines are not known."""
        return sum(bool(one.review.note) for one in self.reigned)


@dataclass(frozen=True, slots=True)
class _Beside:
    to_parent: Comparison
    to_baseline: Comparison
    review: Review


def edits_of(view: ReportView) -> Edits:
    """Compare every revision, the most valuable first: all with their parents, then with the baseline."""
    saved = view.state.edits
    found = parents([edit.saved for edit in saved])
    sources = [saved[at].saved.train_py if at is not None else None for at in found]
    comparer, trials, reigned = Comparer(view), _trials(view), _reigned(view, saved)
    others = sorted(set(range(len(saved))) - set(reigned), key=lambda at: _value(trials, saved, at))
    first = [*reversed(reigned), *others]
    to_parent = {at: comparer.compare(sources[at], saved[at]) for at in first}
    beside: dict[int, _Beside] = {}
    for at in first:
        direct = sources[at] in (None, comparer.baseline)
        other = Comparison(None, SAME_AS_PARENT) if direct else comparer.compare(None, saved[at])
        beside[at] = _Beside(to_parent[at], other, comparer.review(sources[at], saved[at]))
    revisions = tuple(
        _revision(view, at, found[at], turn, trials, beside[at])
        for at, turn in zip(range(len(saved)), _turns(view.events), strict=True)
    )
    return Edits(revisions, tuple(found), tuple(first), tuple(revisions[at] for at in reigned))


def _reigned(view: ReportView, saved: Sequence[Edit]) -> list[int]:
    """Return the places of the edits that champions ran, in the order in which they came to reign."""
    places = {edit.saved.revision_key: at for at, edit in enumerate(saved)}
    ran = (view.state.experiments[key].planned.revision_key for key, _ in view.state.reigns)
    return list(dict.fromkeys(places[one] for one in ran if one in places))


def _turns(events: Sequence[ev.Recorded]) -> Iterator[int]:
    """Yield the turn in which each edit was saved."""
    turn = 0
    for one in events:
        if isinstance(one.event, ev.ModelReplied):
            turn = one.event.turn
        elif isinstance(one.event, ev.EditSaved):
            yield turn


Trials = dict[tuple[str, int], list[Trial]]
"""Experiments by title and revision, the best first."""


def _trials(view: ReportView) -> Trials:
    found: Trials = {}
    for row in leaderboard(view.state):
        planned = view.state.experiments[row.key].planned
        trial = Trial(row.key, row.rank, bpb(row.val_bpb), standing_word(row))
        found.setdefault(planned.revision_key, []).append(trial)
    return found


def _of(trials: Trials, edit: Edit) -> list[Trial]:
    return trials.get(edit.saved.revision_key, [])


def _value(trials: Trials, saved: Sequence[Edit], at: int) -> tuple[float, int]:
    """Sort by the best rank that an edit reached, then the newest first."""
    return min((trial.rank for trial in _of(trials, saved[at])), default=math.inf), -at


def _revision(
    view: ReportView, at: int, parent: int | None, turn: int, trials: Trials, beside: _Beside
) -> Revision:
    edit = view.state.edits[at]
    event, ran = edit.saved, _of(trials, edit)
    return Revision(
        number=at + 1,
        title=short(event.title),
        revision=event.revision,
        saved=clock(edit.at, view.zone),
        parent=_named(view.state.edits[parent]) if parent is not None else BASELINE,
        parent_number=parent + 1 if parent is not None else None,
        axes=tuple(short(axis).replace("_", " ") for axis in event.axes),
        summary=short(event.change_summary),
        overrides=short(", ".join(f"{name} = {value}" for name, value in event.config_overrides.items())),
        adjusted=tuple(short(f"{name}: {why}") for name, why in event.adjusted.items()),
        digest=event.train_py[: limits.DIGEST_PREFIX_CHARS],
        turn=turn,
        trials=tuple(ran[: limits.REPORT_TRIALS]),
        more_trials=max(0, len(ran) - limits.REPORT_TRIALS),
        to_parent=beside.to_parent,
        to_baseline=beside.to_baseline,
        review=beside.review,
    )


def _named(edit: Edit) -> str:
    return f"{short(edit.saved.title)}, revision {edit.saved.revision}"
