"""The lineage of the edits: each below what it was made from, as many as have room."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from autoresearch_dagster.core import limits
from autoresearch_dagster.reports.page.edits import Revision
from autoresearch_dagster.reports.page.room import Write, brief, size_of


@dataclass(frozen=True, slots=True)
class Node:
    """A revision in the tree: its level, and how many lists end after it."""

    revision: Revision
    level: int
    opens: bool
    closes: int
    capped: bool
    """It stands deeper than is shown, so that its parent is named."""
    bare: bool = False
    """There are so many that titles must do."""


def tree(
    revisions: Sequence[Revision], found: Sequence[int | None], only: frozenset[int] | None = None
) -> Iterator[Node]:
    """Walk the lineage from the baseline down; without recursion, since a chain may have a thousand links.

    Args:
        revisions: all edits.
        found: the place of each edit's parent.
        only: places of those that are shown, with all their ancestors; None: all.
    """
    children: dict[int | None, list[int]] = {}
    for index, parent in enumerate(found):
        if only is None or index in only:
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
        yield Node(revisions[index], here, after > here, max(0, here - after), deeper, only is not None)


@dataclass(frozen=True, slots=True)
class Lineage:
    """The tree as HTML."""

    rows: tuple[Markup, ...]
    left_out: int


def lineage(
    revisions: Sequence[Revision], found: Sequence[int | None], first: Sequence[int], write: Write
) -> Lineage:
    """Write the tree; where it has no room, its titles alone: the champions' ancestors, then the oldest edits.

    Args:
        revisions: all edits.
        found: the place of each edit's parent.
        first: places of those that matter most.
        write: a node as HTML.
    """
    rows = [Markup(write(node)) for node in tree(revisions, found)]
    if size_of(rows) <= limits.REPORT_LINEAGE_BYTES:
        return Lineage(tuple(rows), 0)
    short = [brief(one) for one in revisions]
    sizes = [len(write(Node(one, 1, False, 0, True, True)).encode()) + CLOSED_BYTES for one in short]
    kept, room = set[int](), limits.REPORT_LINEAGE_BYTES
    for chain in (*(_line(found, place) for place in first[:CHAINS]), *([place] for place in range(len(found)))):
        new = [place for place in chain if place not in kept]
        cost = sum(sizes[place] for place in new)
        if cost <= room and (found[chain[-1]] is None or found[chain[-1]] in kept):
            kept.update(new)
            room -= cost
    nodes = tree(short, found, frozenset(kept))
    return Lineage(tuple(Markup(write(node)) for node in nodes), len(revisions) - len(kept))


CLOSED_BYTES = 20
"""Of tags that open or close a list, for each node."""
CHAINS = 100
"""Edits whose ancestors are looked for; a chain may have thousands."""


def _line(found: Sequence[int | None], place: int) -> list[int]:
    """Return an edit and its ancestors, the oldest last."""
    line, at = list[int](), found[place]
    line.append(place)
    while at is not None:
        line.append(at)
        at = found[at]
    return line
