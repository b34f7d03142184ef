"""Room on the page: every list that may grow has its bytes, and what has no room is said, never lost in silence.

What is covered: the page stays below `limits.REPORT_BYTES` whatever a session holds, since each part is measured as
HTML before it is taken.  First all rows are told in short, the least valuable first; then rows are left out.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Protocol, TypeVar, cast, runtime_checkable

from markupsafe import Markup

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.reports.page.markup import in_short

T = TypeVar("T")
Write = Callable[[Any], str]
"""Writes a row as HTML: a macro of a template."""


@dataclass(frozen=True, slots=True)
class Part:
    """A list on the page."""

    room_bytes: int
    noun: str
    command: str
    """What shows all of it; `{}` is the session."""


PARTS = {
    "board": Part(limits.REPORT_BOARD_BYTES, "candidate", "leaderboard {}"),
    "activity": Part(limits.REPORT_ACTIVITY_BYTES, "turn", "history {} --turn N"),
    "edits": Part(limits.REPORT_EDITS_BYTES, "edit", "history {} --turn N"),
    "lineage": Part(limits.REPORT_LINEAGE_BYTES, "edit", "history {}"),
    "claims": Part(limits.REPORT_CLAIMS_BYTES, "hypothesis", "history {}"),
    "open": Part(limits.REPORT_OPEN_BYTES, "hypothesis", "history {}"),
    "batches": Part(limits.REPORT_BATCHES_BYTES, "batch", "history {} --turn N"),
    "notes": Part(limits.REPORT_NOTES_BYTES, "note", "history {}"),
    "directives": Part(limits.REPORT_DIRECTIVES_BYTES, "launch", "history {} --turn N"),
    "back": Part(limits.REPORT_BACK_BYTES, "batch", "history {}"),
    "trail": Part(limits.REPORT_TRAIL_BYTES, "change", "history {} --audit"),
    "reigns": Part(limits.REPORT_REIGNS_BYTES, "champion", "history {} --audit"),
    "turns": Part(limits.REPORT_TURNS_BYTES, "turn", "history {} --turn N"),
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
        self.lack(part, len(rows), len(rows) - len(kept), shortened)
        return kept

    def lack(self, part: str, total: int, left_out: int, shortened: int = 0) -> None:
        """Remember what of a list is missing, if anything is."""
        if left_out or shortened:
            self.missing.append(_missing(part, total, left_out, shortened, self.session))

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


def _missing(part: str, total: int, left_out: int, shortened: int, session: str) -> Missing:
    of = f" of {counted(total, PARTS[part].noun)}"
    cut = f"{left_out:,}{of} {_are(left_out)} left out" if left_out else ""
    short = f"{shortened:,}{'' if cut else of} {_are(shortened)} told in short" if shortened else ""
    return Missing(part, cut, short, f"autoresearch {PARTS[part].command.format(session)}")


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


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
        return in_short(value)
    if isinstance(value, tuple):
        items = cast(tuple[object, ...], value)
        shown = tuple(_cut(one) for one in items[: limits.REPORT_BRIEF_ITEMS])
        return (*shown, "…") if len(items) > len(shown) and all(isinstance(one, str) for one in items) else shown
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: _cut(getattr(value, one.name)) for one in fields(value) if one.init})
    return value
