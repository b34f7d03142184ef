"""The tab of what is remembered: hypotheses with their scores, plans of batches, notes, the audit trail."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from autoresearch_dagster.agent.hypotheses.calibration import scores_by_key
from autoresearch_dagster.core.figures import NONE
from autoresearch_dagster.core.limits import DIGEST_PREFIX_CHARS, REPORT_BRIEF_ITEMS
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.reports.audit import audit_trail
from autoresearch_dagster.reports.page.figures import clock
from autoresearch_dagster.reports.page.markup import in_short, short
from autoresearch_dagster.reports.page.predictions import Prediction
from autoresearch_dagster.reports.page.view import ReportView
from autoresearch_dagster.reports.text import Passage, passage

TITLE, CLAIM = "title", "hypothesis"


@dataclass(frozen=True, slots=True)
class Claim:
    """A hypothesis that has no score: nothing ran under it, or nothing could be compared."""

    title: str
    claim: str
    expected: str
    at: str


@dataclass(frozen=True, slots=True)
class Batch:
    """A plan of a batch, as the researcher wrote it."""

    number: int
    name: str
    at: str
    items: tuple[tuple[str, str, str], ...]
    """Title, hypothesis, and what else was written."""
    left_out: int = 0

    @property
    def size(self) -> int:
        """How many experiments were planned."""
        return len(self.items) + self.left_out

    def brief(self) -> "Batch":
        """Keep the first titles."""
        kept = self.items[:REPORT_BRIEF_ITEMS]
        titles = tuple((in_short(title), "", "") for title, _, _ in kept)
        return replace(self, items=titles, left_out=self.left_out + len(self.items) - len(kept))


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was said to the researcher."""

    number: int
    at: str
    by: str
    text: Passage


@dataclass(frozen=True, slots=True)
class Change:
    """One line of the audit trail."""

    at: str
    who: str
    what: str
    why: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Memory:
    """All of the tab but its chart."""

    predictions: tuple[Prediction, ...]
    open_claims: tuple[Claim, ...]
    batches: tuple[Batch, ...]
    sent_back: tuple[str, ...]
    notes: tuple[Note, ...]
    directives: tuple[Note, ...]
    trail: tuple[Change, ...]

    @property
    def first(self) -> tuple[int, ...]:
        """Places of the hypotheses that were kept; the others come after them, the newest first."""
        return tuple(at for at, one in enumerate(self.predictions) if one.kept)


def memory_of(view: ReportView, predictions: Sequence[Prediction]) -> Memory:
    """Collect what is remembered."""
    state = view.state
    return Memory(
        predictions=tuple(predictions),
        open_claims=tuple(_open(view)),
        batches=tuple(_batches(view)),
        sent_back=tuple(
            f"Turn {one.turn}: {counted(len(one.signatures), 'edit')}, all about {short(one.axis)}"
            for one in state.sent_back
        ),
        notes=tuple(
            Note(number, clock(at, view.zone), short(one.by or "a person"), passage(one.note))
            for number, (one, at) in enumerate(state.notes, 1)
        ),
        directives=tuple(
            Note(number, f"after {counted(turns, 'turn')}" if turns else "at the start", "", passage(text))
            for number, (turns, text) in enumerate(state.directives, 1)
        ),
        trail=tuple(_trail(view)),
    )


def _open(view: ReportView) -> Iterator[Claim]:
    scored = [one.claim for one in scores_by_key(view.state).values()]
    for one, at in view.state.hypotheses:
        if not any(one is claim for claim in scored):
            yield Claim(short(one.title), short(one.hypothesis), short(one.expected_effect), clock(at, view.zone))


def _batches(view: ReportView) -> Iterator[Batch]:
    for number, (planned, at) in enumerate(view.state.batches.values(), 1):
        items = tuple(_item(dict(item)) for item in planned.experiments)
        yield Batch(number, short(planned.batch_id), clock(at, view.zone), items)


def _item(item: dict[str, object]) -> tuple[str, str, str]:
    rest = {name: value for name, value in item.items() if name not in (TITLE, CLAIM)}
    told = ", ".join(
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)}"
        for name, value in rest.items()
    )
    return short(item.get(TITLE, NONE)), short(item.get(CLAIM, "")), short(told)


def _trail(view: ReportView) -> Iterator[Change]:
    for entry in audit_trail(view.events, view.baseline.encode()):
        yield Change(
            at=clock(entry.at, view.zone),
            who=short(entry.who),
            what=short(entry.what),
            why=short(entry.why),
            before=entry.before[:DIGEST_PREFIX_CHARS] or NONE,
            after=entry.after[:DIGEST_PREFIX_CHARS] or NONE,
        )
