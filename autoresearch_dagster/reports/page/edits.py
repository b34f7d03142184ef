"""The tab of code: every saved revision against what it was made from and against the baseline, and their tree."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import Digest, ExperimentKey, digest_of
from autoresearch_dagster.core.figures import NONE, bpb
from autoresearch_dagster.reports.comparing import too_long
from autoresearch_dagster.reports.lineage import parents
from autoresearch_dagster.reports.page.diffs import Diff, diff
from autoresearch_dagster.reports.page.figures import clock
from autoresearch_dagster.reports.page.markup import short
from autoresearch_dagster.reports.page.view import ReportView
from autoresearch_dagster.reports.tables import standing_word
from autoresearch_dagster.store.leaderboard import BASELINE, leaderboard
from autoresearch_dagster.store.state import Edit

NO_ROOM = "Not shown here: with it the page would be too large."
TOO_LONG = "The code is too long to be compared here."
NOT_KEPT = "The code is not kept any more."
SAME = "train.py is the same."
SAME_AS_PARENT = "The parent's train.py is the baseline's, so this is the difference above."


@dataclass(frozen=True, slots=True)
class Comparison:
    """A diff, or the sentence that stands for it."""

    diff: Diff | None
    note: str = ""

    @property
    def size(self) -> str:
        """Lines that came and went."""
        if self.diff is None:
            return "code unchanged" if self.note == SAME else NONE
        return f"+{self.diff.added} −{self.diff.removed} lines"


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
    trials: tuple[Trial, ...]
    to_parent: Comparison
    to_baseline: Comparison


@dataclass(frozen=True, slots=True)
class Node:
    """A revision in the tree: its level, and how many lists end after it."""

    revision: Revision
    level: int
    opens: bool
    closes: int
    capped: bool
    """It stands deeper than is shown, so that its parent is named."""


@dataclass(frozen=True, slots=True)
class Edits:
    """All of the tab."""

    revisions: tuple[Revision, ...]
    tree: tuple[Node, ...]


def edits_of(view: ReportView) -> Edits:
    """Compare every revision: first with its parent; then with the baseline, the best scores first."""
    saved = view.state.edits
    found = parents([edit.saved for edit in saved])
    sources = [saved[at].saved.train_py if at is not None else None for at in found]
    compare, trials = _Comparer(view), _trials(view)
    to_parent = [compare(source, edit) for source, edit in zip(sources, saved, strict=True)]
    to_baseline: dict[int, Comparison] = {}
    for number in sorted(range(len(saved)), key=lambda number: _best(trials, saved[number])):
        direct = sources[number] in (None, compare.baseline)
        to_baseline[number] = Comparison(None, SAME_AS_PARENT) if direct else compare(None, saved[number])
    revisions = tuple(
        _revision(view, number, edit, found[number], saved, trials, to_parent[number], to_baseline[number])
        for number, edit in enumerate(saved)
    )
    return Edits(revisions, tuple(tree(revisions, found)))


class _Comparer:
    """Compares until the page has no room for more."""

    def __init__(self, view: ReportView) -> None:
        self._view = view
        self.baseline = digest_of(view.baseline.encode())
        self._room = limits.REPORT_DIFFS_BYTES

    def __call__(self, before: Digest | None, edit: Edit) -> Comparison:
        before = before or self.baseline
        if before == edit.saved.train_py:
            return Comparison(None, SAME)
        old, new = self._text(before), self._text(edit.saved.train_py)
        if old is None or new is None:
            return Comparison(None, NOT_KEPT)
        if too_long(old, new):
            return Comparison(None, TOO_LONG)
        if self._room <= 0:
            return Comparison(None, NO_ROOM)
        made = diff(old, new)
        self._room -= len(made.html)
        return Comparison(made)

    def _text(self, digest: Digest) -> str | None:
        return self._view.baseline if digest == self.baseline else self._view.code(digest)


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


def _best(trials: Trials, edit: Edit) -> float:
    return min((trial.rank for trial in _of(trials, edit)), default=math.inf)


def _revision(
    view: ReportView,
    number: int,
    edit: Edit,
    parent: int | None,
    saved: Sequence[Edit],
    trials: Trials,
    to_parent: Comparison,
    to_baseline: Comparison,
) -> Revision:
    event = edit.saved
    return Revision(
        number=number + 1,
        title=short(event.title),
        revision=event.revision,
        saved=clock(edit.at, view.zone),
        parent=_named(saved[parent]) if parent is not None else BASELINE,
        parent_number=parent + 1 if parent is not None else None,
        axes=tuple(short(axis).replace("_", " ") for axis in event.axes),
        summary=short(event.change_summary),
        overrides=short(", ".join(f"{name} = {value}" for name, value in event.config_overrides.items())),
        adjusted=tuple(short(f"{name}: {why}") for name, why in event.adjusted.items()),
        digest=event.train_py[: limits.DIGEST_PREFIX_CHARS],
        trials=tuple(_of(trials, edit)),
        to_parent=to_parent,
        to_baseline=to_baseline,
    )


def _named(edit: Edit) -> str:
    return f"{short(edit.saved.title)}, revision {edit.saved.revision}"


def tree(revisions: Sequence[Revision], found: Sequence[int | None]) -> Iterator[Node]:
    """Walk the lineage from the baseline down; without recursion, since a chain may have a thousand links."""
    children: dict[int | None, list[int]] = {}
    for index, parent in enumerate(found):
        children.setdefault(parent, []).append(index)
    walked: list[tuple[int, int]] = []
    waiting = [(index, 1) for index in reversed(children.get(None, ()))]
    while waiting:
        index, level = waiting.pop()
        walked.append((index, level))
        waiting += [(child, level + 1) for child in reversed(children.get(index, ()))]
    levels = [min(level, limits.REPORT_LINEAGE_DEPTH) for _, level in walked] + [1]
    for place, (index, level) in enumerate(walked):
        here, after = levels[place], levels[place + 1]
        deeper = level > limits.REPORT_LINEAGE_DEPTH
        yield Node(revisions[index], here, after > here, max(0, here - after), deeper)
