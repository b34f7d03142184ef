"""A session in one line: what lists show of it."""

from collections import Counter
from datetime import datetime
from typing import Literal

from autoresearch_dagster.core.experiment import Data, Purpose
from autoresearch_dagster.core.judgement import NoiseFloor
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.store.leaderboard import leader
from autoresearch_dagster.store.state import SessionState

WAITED_FOR = {
    Purpose.CANDIDATE: ("experiment", ""),
    Purpose.NOISE_FLOOR: ("training", " of the noise floor"),
    Purpose.CONFIRMATION: ("training", " of a confirmation"),
    Purpose.SCALE_TRANSFER: ("training", " of a scale transfer"),
}


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
    trained: int
    """Trainings with a result, noise floor and confirmations included."""
    best_val_bpb: float | None
    best_title: str
    """Of the champion, or of the baseline while nothing was confirmed against it."""
    floor: NoiseFloor | None
    looks: int
    """At the confirmation rows."""
    waits_for: str
    started_at: datetime
    updated_at: datetime


def summarise(state: SessionState) -> SessionSummary:
    """Sum a session up; a pure function."""
    top = leader(state)
    return SessionSummary(
        session=state.id,
        memory_key=state.config.memory_key,
        status=state.status,
        driver=state.driver,
        preset=state.config.preset,
        archived=state.archived,
        imported=bool(state.imported),
        planned=len(state.experiments),
        finished=sum(one.result is not None for one in state.experiments.values()),
        remaining=state.remaining,
        trained=sum(one.result is not None for one in state.everything.values()),
        best_val_bpb=top.val_bpb if top else None,
        best_title=top.title if top else "",
        floor=state.floor.floor if state.floor else None,
        looks=state.looks,
        waits_for=_waits_for(state),
        started_at=state.started_at,
        updated_at=state.updated_at or state.started_at,
    )


def _waits_for(state: SessionState) -> str:
    if state.status != "active":
        return state.reason
    waiting = Counter(one.planned.purpose for one in state.unfinished)
    told = [
        f"{counted(count, noun)}{of}" for purpose, count in waiting.items() for noun, of in [WAITED_FOR[purpose]]
    ]
    if not told and state.asleep_until is not None:
        told = [f"the model, asleep until {state.asleep_until:%Y-%m-%d %H:%M} UTC"]
    asked = f"; then {state.asked.end}" if state.asked is not None else ""
    return (" and ".join(told) or "the researcher") + asked
