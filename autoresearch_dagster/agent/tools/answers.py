"""Composes the answers of durable calls from the journal, never from what a plan says."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from autoresearch_dagster.agent.history import Row, judgement_fields, result_fields
from autoresearch_dagster.agent.tools.signatures import Transaction
from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState


def result_row(state: SessionState, key: ExperimentKey, title: str) -> Row:
    """Return the result of a decided experiment, as `run_experiment` answers it."""
    result = state.experiments[key].result
    if result is None:
        return {"title": title, "key": key, "success": False, "val_bpb": None, "error": "not decided yet"}
    return {"title": title, "key": key, **result_fields(result), **judgement_fields(state.experiments[key])}


def evaluate(results: Sequence[Any], batch_id: str = "") -> Row:
    """Rank results by val_bpb, lowest first, and list the failures."""
    rows: list[dict[str, Any]] = [
        row if isinstance(row, dict) else {"title": "?", "error": str(row)} for row in results
    ]
    good = [row for row in rows if row.get("success") and isinstance(row.get("val_bpb"), int | float)]
    ranked = sorted(good, key=lambda row: float(row["val_bpb"]))
    shown = ("title", "val_bpb", "model_name", "steps", "resources", "oom_retries", "standing", "labels")
    return {
        "batch_id": batch_id or None,
        "total": len(rows),
        "n_success": len(ranked),
        "n_failed": len(rows) - len(ranked),
        "ranked": [{name: row.get(name) for name in shown} for row in ranked],
        "best": ranked[0] if ranked else None,
        "failures": [
            {"title": row.get("title", "?"), "error": row.get("error"), "oom": bool(row.get("oom"))}
            for row in rows
            if row not in good
        ],
    }


def compose(
    state: SessionState, function: str, arguments: Mapping[str, JsonValue], answers: Sequence[JsonValue]
) -> JsonValue:
    """Return the value of a durable call once every experiment in `answers` is decided."""
    titles = requested_titles(function, arguments)
    rows: list[JsonValue] = [
        result_row(state, ExperimentKey(answer), title) if isinstance(answer, str) else answer
        for title, answer in zip(titles, answers, strict=True)
    ]
    used = arguments.get("effective")
    effective = used if isinstance(used, dict) else {}
    adjusted = effective.get("adjusted") or {}
    if function == "run_experiment":
        first = rows[0]
        return {**first, "adjusted": adjusted} if adjusted and isinstance(first, dict) else first
    if function != "run_experiment_batch":
        return rows
    batch_id = str(arguments.get("batch_id") or "")
    return {
        "batch_size": len(titles),
        "titles": list(titles),
        "results": rows,
        "concurrency": effective.get("concurrency"),
        "group_name": batch_id or f"batch-{len(titles)}",
        "evaluation": evaluate(rows, batch_id),
        "adjusted": adjusted,
    }


def requested_titles(function: str, arguments: Mapping[str, JsonValue]) -> list[str]:
    """Return the titles that a durable call asked for, in order."""
    if function == "run_experiment":
        return [str(arguments["title"])]
    asked = arguments.get("titles")
    if asked is None:
        columns = arguments.get("iterables")
        asked = columns[0] if isinstance(columns, list) and columns else []
    return [str(title) for title in asked] if isinstance(asked, list) else []


def answer_pending(tx: Transaction) -> bool:
    """Answer the call that the session waits for, if all its experiments are decided; idempotent.

    Returns:
        Whether the session no longer waits.
    """
    pending = tx.state.pending
    if pending is None:
        return True
    if any(tx.state.experiments[planned.key].result is None for planned in pending.planned):
        return False
    tx.append(
        ev.CallAnswered(
            turn=pending.turn,
            sequence=pending.sequence,
            call=pending.call,
            result=compose(tx.state, pending.function, pending.arguments, pending.answers),
        )
    )
    return True
