"""The tab of what happened: every turn with its plan, its calls, its waits and what was decided in it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.reports.history import Teller
from autoresearch_dagster.reports.page.figures import clock, span
from autoresearch_dagster.reports.page.markup import in_short, short
from autoresearch_dagster.reports.page.view import ReportView
from autoresearch_dagster.reports.session_lines import MARGIN
from autoresearch_dagster.reports.text import Passage, passage
from autoresearch_dagster.store import events as ev

KINDS = {
    "model_replied": "reply",
    "plan_started": "plan",
    "plan_finished": "plan",
    "call_recorded": "call",
    "call_pending": "launch",
    "call_answered": "wait",
    "edit_saved": "edit",
    "hypothesis_recorded": "claim",
    "batch_planned": "plan",
    "attempt_started": "training",
    "attempt_resumed": "training",
    "experiment_finished": "result",
    "steered": "person",
    "halt_asked": "person",
    "model_asked": "model",
    "model_answered": "model",
    "model_failed": "model",
    "experiment_sized": "model",
    "session_slept": "wait",
    "directive_given": "session",
}
"""One word for each kind of event; what is not here is a session's own or a decision."""
SHORT_IS_ENOUGH = ("edit_saved",)
"""Whose text stands in another tab."""
AFTERWARDS = (ev.SessionImported, ev.SessionArchived, ev.SessionRestored)
"""What people do with a session later: no turn lasts until then."""


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened."""

    time: str
    kind: str
    line: str
    text: Passage
    waited: str = ""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A turn of the researcher, or what came before the first one."""

    place: int
    last: bool
    number: int
    title: str
    began: str
    took: str
    gist: str
    moments: tuple[Moment, ...]
    left_out: int = 0
    """Moments that are not told."""

    def brief(self) -> "Chapter":
        """Keep the first lines, without the texts below them."""
        kept = self.moments[: limits.REPORT_BRIEF_ITEMS]
        lines = tuple(replace(one, line=in_short(one.line), text=Passage("")) for one in kept)
        return replace(self, moments=lines, left_out=self.left_out + len(self.moments) - len(kept))


@dataclass(frozen=True, slots=True)
class _Told:
    record: ev.Recorded
    line: str
    below: str


def chapters(view: ReportView) -> list[Chapter]:
    """Tell the session in turns."""
    teller = Teller(view.baseline, view.code, view.zone)
    turns: list[list[_Told]] = [[]]
    for record in view.events:
        told = teller.sentence(record.event, whole=record.event.kind not in SHORT_IS_ENOUGH)
        if isinstance(record.event, ev.ModelReplied):
            turns.append([])
        if told is not None:
            turns[-1].append(_Told(record, told[0], _text(record.event, told[1])))
    limit = _fair_limit([one.below for turn in turns for one in turn])
    told = [turn for turn in turns if turn]
    return [_chapter(view, turn, limit, place, len(told)) for place, turn in enumerate(told)]


def _text(event: ev.Event, below: str) -> str:
    """What stands below a line; a plan is told as code, and not a second time within its reply."""
    if isinstance(event, ev.PlanStarted):
        return event.code
    if isinstance(event, ev.ModelReplied):
        return event.reply.partition("```")[0].strip()
    return "\n".join(line.removeprefix(MARGIN) for line in below.splitlines())


def _fair_limit(texts: Sequence[str]) -> int:
    """Return where each text is cut, so that all of them fit on the page: long ones make room for short ones."""
    room, left = limits.REPORT_TEXTS_CHARS, len(texts)
    for length in sorted(map(len, texts)):
        if length * left > room:
            return min(limits.REPORT_TEXT_CHARS, max(limits.REPORT_TEXT_LEAST_CHARS, room // left))
        room, left = room - length, left - 1
    return limits.REPORT_TEXT_CHARS


def _chapter(view: ReportView, told: Sequence[_Told], limit: int, place: int, total: int) -> Chapter:
    first = told[0].record
    last = next((one.record for one in reversed(told) if not isinstance(one.record.event, AFTERWARDS)), first)
    number = first.event.turn if isinstance(first.event, ev.ModelReplied) else 0
    return Chapter(
        place=place,
        last=place == total - 1,
        number=number,
        title=f"Turn {number}" if number else "Before the first turn",
        began=clock(first.at, view.zone),
        took=span(first.at, last.at),
        gist=_gist([one.record.event for one in told]),
        moments=tuple(islice(_moments(view, told, limit), limits.REPORT_MOMENTS)),
        left_out=max(0, len(told) - limits.REPORT_MOMENTS),
    )


def _moments(view: ReportView, told: Sequence[_Told], limit: int) -> Iterator[Moment]:
    waiting: dict[str, datetime] = {}
    for one in told:
        record, event = one.record, one.record.event
        waited = ""
        if isinstance(event, ev.CallPending | ev.SessionPaused):
            waiting[event.kind] = record.at
        if isinstance(event, ev.CallAnswered) and "call_pending" in waiting:
            waited = f"after {span(waiting.pop('call_pending'), record.at)}"
        if isinstance(event, ev.SessionResumed) and "session_paused" in waiting:
            waited = f"after a rest of {span(waiting.pop('session_paused'), record.at)}"
        yield Moment(
            time=f"{record.at.astimezone(view.zone):%H:%M:%S}",
            kind=KINDS.get(event.kind, "session" if event.kind.startswith("session") else "decision"),
            line=short(one.line),
            text=passage(one.below, limit),
            waited=waited,
        )


def _gist(events: Sequence[ev.Event]) -> str:
    """Say in a few words what a turn brought."""
    launched = sum(len(event.planned) for event in events if isinstance(event, ev.CallPending))
    calls = sum(isinstance(event, ev.CallRecorded) for event in events)
    crowned = sum(event.kind == "champion_chosen" for event in events)
    failed = any(isinstance(event, ev.PlanFinished) and event.failed for event in events)
    parts = [
        counted(calls, "call") if calls else "",
        f"{counted(launched, 'experiment')} launched" if launched else "",
        "a new champion" if crowned else "",
        "the plan failed" if failed else "",
        "the session finished" if any(isinstance(event, ev.SessionFinished) for event in events) else "",
    ]
    return ", ".join(part for part in parts if part)
