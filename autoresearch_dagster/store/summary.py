"""A session in one line: what lists show of it."""

from datetime import datetime
from typing import Literal

from autoresearch_dagster.core.experiment import Data
from autoresearch_dagster.store.leaderboard import best_experiment, score
from autoresearch_dagster.store.state import SessionState


class SessionSummary(Data):
    """One session as `autoresearch status` and `autoresearch session list` show it; `best_val_bpb` in bpb."""

    session: str
    memory_key: str
    status: Literal["active", "paused", "finished"]
    driver: Literal["cli", "daemon"]
    preset: str
    archived: bool
    imported: bool
    planned: int
    finished: int
    remaining: int
    best_val_bpb: float | None
    best_title: str
    waits_for: str
    started_at: datetime
    updated_at: datetime


def summarise(state: SessionState) -> SessionSummary:
    """Sum a session up; a pure function."""
    top = best_experiment(state)
    unfinished = len(state.unfinished)
    return SessionSummary(
        session=state.id,
        memory_key=state.config.memory_key,
        status=state.status,
        driver=state.driver,
        preset=state.config.preset,
        archived=state.archived,
        imported=bool(state.imported),
        planned=len(state.experiments),
        finished=len(state.experiments) - unfinished,
        remaining=state.remaining,
        best_val_bpb=score(top) if top else None,
        best_title=top.planned.title if top else "",
        waits_for=_waits_for(state, unfinished),
        started_at=state.started_at,
        updated_at=state.updated_at or state.started_at,
    )


def _waits_for(state: SessionState, unfinished: int) -> str:
    if state.status != "active":
        return state.reason
    return f"{unfinished} experiments" if unfinished else "the researcher"
