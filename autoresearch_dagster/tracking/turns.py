"""Turns of the agent as spans: pure functions from events to names, times, inputs and outputs.

What is shown is text that the agent, a candidate or a person wrote: escaped, cut, and never more than text.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from autoresearch_dagster.core.limits import TRACE_TEXT_CHARS
from autoresearch_dagster.reports.text import passage
from autoresearch_dagster.store import events as ev

Kind = Literal["AGENT", "CHAT_MODEL", "CHAIN", "TOOL", "TASK"]


@dataclass(frozen=True, slots=True)
class Span:
    """One piece of work; `parent` is the place of another in the list, None for the turn itself."""

    name: str
    kind: Kind
    begun: datetime
    ended: datetime | None
    parent: int | None = 0
    asked: object = None
    said: object = None
    failed: str = ""
    facts: dict[str, object] = field(default_factory=dict[str, object])
    """Attributes: MLflow's own names for tokens and dollars, ours for the rest."""


@dataclass(frozen=True, slots=True)
class TurnShown:
    """A turn of the agent; its own span stands first.  `usd` is what its requests came to."""

    number: int
    spans: tuple[Span, ...]
    finished: bool
    dispatches: tuple[int, ...]
    usd: Decimal
    read_tokens: int
    written_tokens: int
    first: int
    """Sequence number of its first event."""
    seen_until: datetime
    """Time of its last event: what has no end yet is shown up to there."""

    @property
    def root(self) -> Span:
        """The turn itself."""
        return self.spans[0]


def turns(events: Iterable[ev.Recorded]) -> list[TurnShown]:
    """Return the turns that some events of a session belong to, in order; the first event begins a turn."""
    found: list[tuple[str, list[ev.Recorded]]] = []
    told, number = "", 0
    for record in events:
        event = record.event
        if isinstance(event, ev.ModelAsked | ev.ModelReplied) and event.turn != number:
            found.append((told, []))
            number = event.turn
        if found:
            found[-1][1].append(record)
        if isinstance(event, ev.DirectiveGiven):
            told = event.text
        elif isinstance(event, ev.PlanFinished):
            told = event.observation
    return [_turn(own, told, last=number == len(found)) for number, (told, own) in enumerate(found, start=1)]


def _turn(records: list[ev.Recorded], told: str, *, last: bool) -> TurnShown:
    replied = next((one.event for one in records if isinstance(one.event, ev.ModelReplied)), None)
    over = next((one for one in records if isinstance(one.event, ev.PlanFinished)), None)
    spans = [*_requests(records, replied), *_plan(records)]
    observed = over.event if over is not None and isinstance(over.event, ev.PlanFinished) else None
    ended = over.at if over is not None else None if last else records[-1].at
    facts, usd, read, written = _spent(records)
    number = next((one.event.turn for one in records if isinstance(one.event, ev.ModelAsked | ev.ModelReplied)), 0)
    root = Span(
        name=f"turn {number}",
        kind="AGENT",
        begun=min([records[0].at, *(span.begun for span in spans)]),
        ended=ended,
        parent=None,
        asked={"told": cut(told)} if told else None,
        said={"reply": cut(replied.reply if replied else ""), "observation": cut(observed.observation)}
        if observed
        else None,
        failed="The plan failed." if observed is not None and observed.failed else "",
        facts=facts,
    )
    dispatches = tuple(one.event.dispatch for one in records if isinstance(one.event, ev.CallPending))
    return TurnShown(
        number=number,
        spans=(root, *spans),
        finished=ended is not None,
        dispatches=dispatches,
        usd=usd,
        read_tokens=read,
        written_tokens=written,
        first=records[0].sequence,
        seen_until=records[-1].at,
    )


def _requests(records: list[ev.Recorded], replied: ev.ModelReplied | None) -> Iterator[Span]:
    """What was asked of the model in this turn, retries and estimates of memory included."""
    asked: dict[str, ev.Recorded] = {}
    for record in records:
        event = record.event
        if isinstance(event, ev.ModelAsked):
            asked[event.ticket] = record
        elif isinstance(event, ev.ModelAnswered | ev.ModelFailed) and event.ticket in asked:
            yield _request(asked.pop(event.ticket), record, replied)
        elif isinstance(event, ev.ModelReplied) and not any(
            isinstance(one.event, ev.ModelAsked) for one in records
        ):
            yield Span("reply", "CHAT_MODEL", record.at, record.at, said=cut(event.reply))
    for record in asked.values():
        yield _request(record, None, replied)


def _request(sent: ev.Recorded, back: ev.Recorded | None, replied: ev.ModelReplied | None) -> Span:
    event = sent.event
    assert isinstance(event, ev.ModelAsked)
    facts: dict[str, object] = {"mlflow.llm.model": event.model, "autoresearch.request": event.request}
    said, failed = None, ""
    if back is not None and isinstance(back.event, ev.ModelAnswered):
        usage, usd = back.event.usage, float(back.event.usd)
        facts |= {
            "mlflow.chat.tokenUsage": tokens(usage.read_tokens, usage.output_tokens),
            "mlflow.llm.cost": {"input_cost": 0.0, "output_cost": 0.0, "total_cost": usd},
            "autoresearch.cache_read_tokens": usage.cache_read_tokens,
        }
        said = cut(replied.reply) if replied is not None and event.purpose == "turn" else None
    elif back is not None and isinstance(back.event, ev.ModelFailed):
        failed = cut(back.event.reason)
    name = "ask the model" if event.purpose == "turn" else "estimate memory"
    asked = {"turn": event.turn, "reserved_usd": str(event.reserved_usd)}
    return Span(
        name, "CHAT_MODEL", sent.at, back.at if back else None, asked=asked, said=said, failed=failed, facts=facts
    )


def _plan(records: list[ev.Recorded]) -> Iterator[Span]:
    """The plan, and each call that it made; a plan's place in the list depends on the requests before it."""
    begun = next((one for one in records if isinstance(one.event, ev.PlanStarted)), None)
    over = next((one for one in records if isinstance(one.event, ev.PlanFinished)), None)
    if begun is None or not isinstance(begun.event, ev.PlanStarted):
        return
    observed = over.event if over is not None and isinstance(over.event, ev.PlanFinished) else None
    yield Span(
        "plan",
        "CHAIN",
        begun.at,
        over.at if over else None,
        asked={"code": cut(begun.event.code)},
        said=cut(observed.observation) if observed else None,
        failed="The plan failed." if observed is not None and observed.failed else "",
        facts={"autoresearch.plan": begun.event.plan},
    )
    answers = {one.event.sequence: one for one in records if isinstance(one.event, ev.CallAnswered)}
    for record in records:
        event = record.event
        if isinstance(event, ev.CallRecorded):
            since = record.at - timedelta(seconds=event.duration_s)
            yield Span(event.function, "TOOL", since, record.at, PLAN, shown(event.arguments), shown(event.result))
        elif isinstance(event, ev.CallPending):
            yield _wait(record, event, answers.get(event.sequence))


def _wait(record: ev.Recorded, event: ev.CallPending, answered: ev.Recorded | None) -> Span:
    said = answered.event.result if answered and isinstance(answered.event, ev.CallAnswered) else None
    keys = [one.key for one in event.planned]
    return Span(
        f"{event.function}: wait for dispatch {event.dispatch}",
        "TASK",
        record.at,
        answered.at if answered else None,
        PLAN,
        shown({"arguments": event.arguments, "experiments": keys}),
        shown(said) if said is not None else None,
        facts={"autoresearch.dispatch": event.dispatch, "autoresearch.experiments": keys},
    )


PLAN = -1
"""Stands for the place of the plan's own span, which is known when all spans are listed."""


def _spent(records: list[ev.Recorded]) -> tuple[dict[str, object], Decimal, int, int]:
    answers = [one.event for one in records if isinstance(one.event, ev.ModelAnswered)]
    usd = sum((one.usd for one in answers), Decimal(0))
    read = sum(one.usage.read_tokens for one in answers)
    written = sum(one.usage.output_tokens for one in answers)
    return {"autoresearch.usd": str(usd)} if answers else {}, usd, read, written


def tokens(read: int, written: int) -> dict[str, int]:
    """Return a count of tokens as MLflow reads it."""
    return {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}


def cut(text: str) -> str:
    """Make a text printable and keep its beginning."""
    head = passage(text, TRACE_TEXT_CHARS)
    return f"{head.text} … ({head.left_out} more characters are in the journal)" if head.left_out else head.text


def shown(value: object) -> object:
    """Return plain data as it is where it is small, else the beginning of its JSON."""
    text = json.dumps(value, ensure_ascii=False, default=str)
    return value if len(text) <= TRACE_TEXT_CHARS and text.isprintable() else cut(text)
