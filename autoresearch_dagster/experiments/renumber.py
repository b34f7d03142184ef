"""Give a session another number or memory key, everywhere in its events and consistently.

The keys of its experiments are replaced wherever they stand: in plans, answers and what the agent was told, so
that a plan which looks for a key in an answer still finds it.  The identities of calls
hold the session's id and the plan's code, and are computed anew; without that a replay would look like another
plan.  Receipts are not touched: they are named by their content, and say under which key it was measured.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from pydantic import JsonValue

from autoresearch_dagster.agent.code_mode import PlanSpec
from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.store import events as ev


@dataclass(frozen=True, slots=True)
class _Plan:
    """A plan before and after."""

    old: PlanSpec
    new: PlanSpec

    def call(self, event: ev.CallRecorded | ev.CallPending, arguments: dict[str, JsonValue]) -> ev.CallKey:
        """Return a call's new identity; one that was not made by this plan keeps its own."""
        before = {name: value for name, value in event.arguments.items() if name != "effective"}
        after = {name: value for name, value in arguments.items() if name != "effective"}
        if self.old.call_key(event.sequence, event.function, before) != event.call:
            return event.call
        return self.new.call_key(event.sequence, event.function, after)


def session_id(number: int) -> str:
    """Name a session by its number."""
    return f"s{number:02}"


def renumbered(records: Iterable[ev.Recorded], old: int, new: int, memory_key: str) -> Iterator[ev.Recorded]:
    """Yield the events under another number and memory key."""
    key = re.compile(rf"(?<![0-9A-Za-z])([a-z]?){session_id(old)}(?=_[a-z]\d)")
    plan: _Plan | None = None
    calls: dict[ev.CallKey, ev.CallKey] = {}
    for record in records:
        event = record.event
        changed: dict[str, Any] = event.model_dump(mode="json")
        if old != new:
            changed = _replaced(changed, key, session_id(new))
        match event:
            case ev.SessionStarted():
                changed |= {"number": new, "config": {**event.config.model_dump(), "memory_key": memory_key}}
            case ev.SessionResumed():
                changed |= {"config": {**event.config.model_dump(), "memory_key": memory_key}}
            case ev.PlanStarted():
                plan = _Plan(
                    PlanSpec(session_id(old), event.turn, event.code, event.started_at, event.seed),
                    PlanSpec(session_id(new), event.turn, changed["code"], event.started_at, event.seed),
                )
                if event.plan == plan.old.digest:
                    changed |= {"plan": Digest(plan.new.digest)}
            case ev.CallRecorded() | ev.CallPending() if plan is not None:
                calls[event.call] = changed["call"] = plan.call(event, changed["arguments"])
            case ev.CallAnswered():
                changed["call"] = calls.get(event.call, event.call)
            case _:
                pass
        yield record.model_copy(
            update={"session": session_id(new), "event": ev.EVENT.validate_python(changed)},
        )


def _replaced(value: Any, key: re.Pattern[str], session: str) -> Any:
    """Replace the session in the keys of experiments, in every string of some plain data."""
    match value:
        case str():
            return key.sub(rf"\g<1>{session}", value)
        case list():
            return [_replaced(item, key, session) for item in value]
        case dict():
            return {_replaced(name, key, session): _replaced(item, key, session) for name, item in value.items()}
        case _:
            return value
