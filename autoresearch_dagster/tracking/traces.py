"""Turns of the agent as traces of MLflow, each exactly once.

A trace's id follows from the session and the number of the turn, so that whoever writes it again, after a crash or
because the turn went on, replaces it.
"""

import hashlib
import json
from datetime import datetime

from mlflow.entities import Span as MlflowSpan, TraceInfo
from mlflow.entities.trace_location import TraceLocation
from mlflow.entities.trace_state import TraceState
from mlflow.tracing.client import TracingClient

from autoresearch_dagster.core.experiment import canonical_json, digest_of
from autoresearch_dagster.core.limits import TRACE_PREVIEW_CHARS
from autoresearch_dagster.store.projections import Projections
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store
from autoresearch_dagster.tracking import describe
from autoresearch_dagster.tracking.turns import PLAN, Span, TurnShown, tokens, turns

AT_ONCE = 100  # traces that are deleted in one call
NANOSECONDS, MILLISECONDS = 1_000_000_000, 1000


class Traces:
    """Writes the turns of one session into one MLflow experiment."""

    def __init__(self, client: TracingClient, store: Store, state: SessionState, experiment: str) -> None:
        self._client, self._store, self._state, self._experiment = client, store, state, experiment
        self._known = Projections(store.engine)
        self._place = f"traces of {state.id}"

    def write(self, session_run: str) -> list[TurnShown]:
        """Write what is new since the last time; return it.

        The journal is read from the last turn that was whole then; another run of the session begins anew.
        """
        run_id, after = self._known.get(self._place) or ("", "-1")
        begins = int(after) if run_id == session_run else -1
        found = turns(self._store.journal.events(self._state.id, begins))
        news = found if begins < 0 else found[1:]  # the first is there for what the second one was told
        for turn in news:
            self._write(turn, session_run)
        whole = [turn for turn in found if turn.finished]
        if whole:
            self._known.put(self._place, session_run, str(whole[-1].first - 1))
        return news

    def forget(self) -> int:
        """Delete all of them; return how many there can have been."""
        ids = [self._id(turn.number) for turn in self._state.turns]
        for first in range(0, len(ids), AT_ONCE):
            self._client.delete_traces(self._experiment, trace_ids=ids[first : first + AT_ONCE])
        self._known.forget([self._place, *(self._subject(turn.number) for turn in self._state.turns)])
        return len(ids)

    def _write(self, turn: TurnShown, session_run: str) -> None:
        subject, trace_id = self._subject(turn.number), self._id(turn.number)
        info = self._info(turn, trace_id, session_run)
        spans = [_as_dict(turn, place, trace_id) for place in range(len(turn.spans))]
        content = digest_of(canonical_json([info.trace_metadata, info.tags, info.state, spans]))
        if self._known.get(subject) == (trace_id, content):
            return
        self._client.delete_traces(self._experiment, trace_ids=[trace_id])
        self._client.log_spans(self._experiment, [MlflowSpan.from_dict(span) for span in spans])
        self._client.start_trace(info)  # last: what it says of the whole stands
        self._known.put(subject, trace_id, content)

    def _info(self, turn: TurnShown, trace_id: str, session_run: str) -> TraceInfo:
        root = turn.root
        metadata = {
            "mlflow.trace.session": self._state.id,
            "mlflow.sourceRun": session_run,
            "mlflow.traceInputs": json.dumps(root.asked, ensure_ascii=False),
            "mlflow.traceOutputs": json.dumps(root.said, ensure_ascii=False),
        }
        if turn.written_tokens:
            metadata["mlflow.trace.tokenUsage"] = json.dumps(tokens(turn.read_tokens, turn.written_tokens))
            costs = {"input_cost": 0.0, "output_cost": 0.0, "total_cost": float(turn.usd)}
            metadata["mlflow.trace.cost"] = json.dumps(costs)
        tags = {
            "mlflow.traceName": f"{self._state.id} {root.name}",
            f"{describe.TAG}session": self._state.id,
            f"{describe.TAG}turn": str(turn.number),
            f"{describe.TAG}dispatches": ", ".join(map(str, turn.dispatches)),
            f"{describe.TAG}subject": describe.subject(self._state, self._subject(turn.number)),
        }
        ended = TraceState.ERROR if root.failed else TraceState.OK
        return TraceInfo(
            trace_id=trace_id,
            trace_location=TraceLocation.from_experiment_id(self._experiment),
            request_time=_at(root.begun, MILLISECONDS),
            state=ended if turn.finished else TraceState.IN_PROGRESS,
            request_preview=_preview(root.asked),
            response_preview=_preview(root.said),
            execution_duration=_at(root.ended, MILLISECONDS) - _at(root.begun, MILLISECONDS)
            if root.ended
            else None,
            trace_metadata=metadata,
            tags={name: text for name, text in tags.items() if text},
        )

    def _subject(self, turn: int) -> str:
        return f"turn {turn} of {self._state.id}"

    def _id(self, turn: int) -> str:
        return f"tr-{_hex(describe.subject(self._state, self._subject(turn)), 32)}"


def _as_dict(turn: TurnShown, place: int, trace_id: str) -> dict[str, object]:
    """Return a span in the form that MLflow reads spans back from."""
    span = turn.spans[place]
    attributes: dict[str, object] = {"mlflow.traceRequestId": trace_id, "mlflow.spanType": span.kind, **span.facts}
    for name, value in (("mlflow.spanInputs", span.asked), ("mlflow.spanOutputs", span.said)):
        if value is not None:
            attributes[name] = value
    parent = _parent(turn, span)
    return {
        "name": span.name,
        "trace_id": trace_id,
        "span_id": _span_id(trace_id, place),
        "parent_span_id": "" if parent is None else _span_id(trace_id, parent),
        "start_time_unix_nano": _at(span.begun, NANOSECONDS),
        "end_time_unix_nano": _at(span.ended or max(span.begun, turn.seen_until), NANOSECONDS),
        "attributes": {name: json.dumps(value, ensure_ascii=False) for name, value in attributes.items()},
        "status": {"code": "ERROR" if span.failed else "OK" if span.ended else "UNSET", "message": span.failed},
    }


def _parent(turn: TurnShown, span: Span) -> int | None:
    if span.parent != PLAN:
        return span.parent
    return next((place for place, other in enumerate(turn.spans) if other.kind == "CHAIN"), 0)


def _at(moment: datetime, units: int) -> int:
    """Return a time as whole units since 1970, from its microseconds: a float has too few digits."""
    whole = int(moment.timestamp())
    return whole * units + moment.microsecond * units // 1_000_000


def _span_id(trace_id: str, place: int) -> str:
    return _hex(f"{trace_id} {place}", 16)


def _hex(name: str, length: int) -> str:
    return hashlib.sha256(name.encode()).hexdigest()[:length]


def _preview(value: object) -> str:
    """Return the beginning of what a person is shown in a list of traces."""
    texts = [str(text) for text in value.values() if text] if isinstance(value, dict) else []
    return " ".join(" ".join(texts).split())[:TRACE_PREVIEW_CHARS]
