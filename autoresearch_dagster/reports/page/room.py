"""Room on the page: every list that may grow has its bytes, and what has no room is said, never lost in silence.

What is covered: the page stays below `limits.REPORT_BYTES` whatever a session holds, since each part is measured as
HTML before it is taken.  First all rows are told in short, the least valuable first; then rows are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from markupsafe import Markup

from autoresearch_dagster.core import limits
from autoresearch_dagster.reports.page.markup import clipped

T = TypeVar("T")
Write = Callable[[Any], str]
"""Writes a row as HTML: a macro of a template."""


@dataclass(frozen=True, slots=True)
class Part:
    """A list on the page."""

    room_bytes: int
    one: str
    many: str
    command: str
    """What shows all of it; `{}` is the session."""


PARTS = {
    "board": Part(limits.REPORT_BOARD_BYTES, "candidate", "candidates", "leaderboard {}"),
    "activity": Part(limits.REPORT_ACTIVITY_BYTES, "turn", "turns", "history {} --turn N"),
    "edits": Part(limits.REPORT_EDITS_BYTES, "edit", "edits", "history {} --turn N"),
    "claims": Part(limits.REPORT_CLAIMS_BYTES, "hypothesis", "hypotheses", "history {}"),
    "open": Part(limits.REPORT_OPEN_BYTES, "hypothesis", "hypotheses", "history {}"),
    "batches": Part(limits.REPORT_BATCHES_BYTES, "batch", "batches", "history {} --turn N"),
    "notes": Part(limits.REPORT_NOTES_BYTES, "note", "notes", "history {}"),
    "directives": Part(limits.REPORT_DIRECTIVES_BYTES, "launch", "launches", "history {} --turn N"),
    "back": Part(limits.REPORT_BACK_BYTES, "batch", "batches", "history {}"),
    "trail": Part(limits.REPORT_TRAIL_BYTES, "change", "changes", "history {} --audit"),
    "reigns": Part(limits.REPORT_REIGNS_BYTES, "champion", "champions", "history {} --audit"),
    "turns": Part(limits.REPORT_TURNS_BYTES, "turn", "turns", "history {} --turn N"),
}


@runtime_checkable
class Shortened(Protocol):
    """A row that knows best what of it matters."""

    def brief(self) -> "Shortened":
        """Return it without what is worth least."""
        ...


@dataclass(frozen=True, slots=True)
class Missing:
    """What of a list is not on the page as it is."""

    part: str
    cut: str
    """'3 of 10 candidates are left out'; '' where all are there."""
    shortened: str
    command: str

    @property
    def told(self) -> str:
        """What is missing as a sentence without its end."""
        return "; ".join(text for text in (self.cut, self.shortened) if text)


@dataclass
class Room:
    """Measures what is written to the page."""

    session: str
    missing: list[Missing] = field(default_factory=list[Missing])
    used: dict[str, int] = field(default_factory=dict[str, int])

    def fit(self, part: str, rows: Sequence[object], write: Write, first: Sequence[int] = ()) -> list[Markup]:
        """Write the rows that have room, in their order; what is missing is added to `missing`.

        Args:
            part: name of the list, one of PARTS; several lists may share one.
            rows: what is written.
            write: how.
            first: places of rows, the most valuable first; those that it does not name come after it, from the
                last to the first.
        """
        room = PARTS[part].room_bytes - self.used.get(part, 0)
        whole = [Markup(write(row)) for row in rows]
        taken: dict[int, Markup] = dict(enumerate(whole))
        if size_of(whole) > room:
            named = set(first)
            order = [*first, *(place for place in reversed(range(len(rows))) if place not in named)]
            taken = _squeezed(whole, [Markup(write(brief(row))) for row in rows], order, room)
        kept = [taken[place] for place in sorted(taken)]
        self.used[part] = self.used.get(part, 0) + size_of(kept)
        shortened = sum(taken[place] != whole[place] for place in taken)
        if len(kept) < len(rows) or shortened:
            self.missing.append(_missing(part, len(rows), len(kept), shortened, self.session))
        return kept

    def lacks(self, part: str) -> Missing | None:
        """Return what of the list that was written last is missing."""
        return next((one for one in reversed(self.missing) if one.part == part), None)


def size_of(texts: Sequence[str]) -> int:
    """Bytes of some texts."""
    return sum(len(text.encode()) for text in texts)


def _squeezed(
    whole: Sequence[Markup], short: Sequence[Markup], order: Sequence[int], room: int
) -> dict[int, Markup]:
    """Take rows in short while they have room, the best first; what room is left makes the best ones whole."""
    taken: dict[int, Markup] = {}
    for place in order:
        size = len(short[place].encode())
        if size <= room:
            taken[place], room = short[place], room - size
    for place in order:
        more = len(whole[place].encode()) - len(short[place].encode())
        if place in taken and more <= room:
            taken[place], room = whole[place], room - more
    return taken


def _missing(part: str, total: int, kept: int, shortened: int, session: str) -> Missing:
    named, out = PARTS[part], total - kept
    noun = named.one if total == 1 else named.many
    cut = f"{out:,} of {total:,} {noun} {'is' if out == 1 else 'are'} left out" if out else ""
    short = f"{shortened:,} {'is' if shortened == 1 else 'are'} told in short" if shortened else ""
    if short and not cut:
        short = f"{shortened:,} of {total:,} {noun} {'is' if shortened == 1 else 'are'} told in short"
    return Missing(part, cut, short, f"autoresearch {named.command.format(session)}")


def brief(row: T) -> T:
    """Return a row whose texts and lists are cut; code that is HTML already is left out."""
    if isinstance(row, Shortened):
        return cast(T, row.brief())
    return cast(T, _cut(row))


def _cut(value: object) -> object:
    if isinstance(value, Shortened):
        return value.brief()
    if isinstance(value, Markup):
        return Markup()
    if isinstance(value, str):
        return clipped(value)
    if isinstance(value, tuple):
        items = cast(tuple[object, ...], value)
        shown = tuple(_cut(one) for one in items[: limits.REPORT_BRIEF_ITEMS])
        return (*shown, "…") if len(items) > len(shown) and all(isinstance(one, str) for one in items) else shown
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: _cut(getattr(value, one.name)) for one in fields(value) if one.init})
    return value
