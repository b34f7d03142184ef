"""Every session at a glance."""

import difflib

from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import Data
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store.leaderboard import best
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import open_store


class SessionOverview(Data):
    """One session as `autoresearch status` shows it."""

    session: str
    memory_key: str
    status: str
    driver: str
    planned: int
    finished: int
    remaining: int
    best_val_bpb: float | None
    best_title: str
    waits_for: str


def _waits_for(state: SessionState) -> str:
    if state.status != "active":
        return state.reason
    unfinished = state.unfinished
    return f"{len(unfinished)} experiments" if unfinished else "the researcher"


def _overview(state: SessionState) -> SessionOverview:
    top = best(state)
    return SessionOverview(
        session=state.id,
        memory_key=state.config.memory_key,
        status=state.status,
        driver=state.driver,
        planned=len(state.experiments),
        finished=len(state.experiments) - len(state.unfinished),
        remaining=state.remaining,
        best_val_bpb=top.val_bpb if top else None,
        best_title=top.title if top else "",
        waits_for=_waits_for(state),
    )


def overview(settings: Settings) -> list[SessionOverview]:
    """Describe every session, oldest first."""
    journal = open_store(settings).journal
    return [_overview(journal.state(session)) for session in journal.sessions()]


def session_of(settings: Settings, memory_key: str) -> SessionState | None:
    """Find the session of a memory key or an id; the latest one if it is empty; None if there is none at all.

    Raises:
        UserError: no session has that memory key.
    """
    journal = open_store(settings).journal
    sessions = journal.sessions()
    if not memory_key:
        return journal.state(sessions[-1]) if sessions else None
    found = journal.find(memory_key)
    if found is not None:
        return found
    if memory_key in sessions:  # an id, as `status` and the keys of experiments show it
        return journal.state(memory_key)
    near = difflib.get_close_matches(memory_key, [journal.state(one).config.memory_key for one in sessions])
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "`autoresearch status` lists them."
    raise UserError(f"No session has the memory key {memory_key!r}; {hint}")
