"""What a person may tell a session from outside: a note for the agent, a pause, an end."""

import getpass
from contextlib import suppress

from autoresearch_dagster.agent.halting import halt
from autoresearch_dagster.agent.tools.untrusted import visible
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.overview import session_of
from autoresearch_dagster.experiments.researchers import check_researcher
from autoresearch_dagster.experiments.session import lease_name
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import open_store


def steer(settings: Settings, key: str, note: str) -> SessionState:
    """Leave a note that the agent reads in its next turn.

    Raises:
        UserError: there is no such session, or the note is empty or too long.
    """
    text = visible(note).strip()
    if not text:
        raise UserError("The note is empty; write what the agent should know or do, in quotes.")
    if len(text) > limits.STEER_CHARS:
        raise UserError(f"The note has {len(text)} characters; {limits.STEER_CHARS} are permitted.")
    state = _known(settings, key)
    store = open_store(settings)
    with store.journal.transaction(state.id) as tx:
        tx.append(ev.Steered(note=text, by=who()))
    return store.journal.state(state.id)


def ask_halt(settings: Settings, key: str, end: ev.SessionEnd, *, kill: bool = False) -> SessionState:
    """Pause or end a session at its next step; where nobody drives it, now.

    Raises:
        UserError: there is no such session, or it is finished, or paused already.
    """
    state = _known(settings, key)
    if state.status == "finished" or (state.status == "paused" and end == "pause"):
        raise UserError(f"The session {state.config.memory_key!r} is {state.status} already.")
    store = open_store(settings)
    driven = store.leases.holder(lease_name(state.id)) is not None
    with store.journal.transaction(state.id) as tx:
        if tx.state.status == "finished":  # it ended since we looked
            return tx.state
        tx.append(ev.HaltAsked(end=end, kill=kill, by=who()))
        if not driven or tx.state.status == "paused":  # whoever held a paused one takes no further step
            halt(tx)
    return store.journal.state(state.id)


def resume(settings: Settings, key: str) -> SessionState:
    """Let a paused session go on where Dagster drove it; one of the command line is left for the caller to drive.

    Raises:
        UserError: there is no such session, it is archived or finished, or it is active already.
    """
    state = _known(settings, key)
    name = state.config.memory_key
    if state.archived:
        raise UserError(f"The session {name!r} is archived; `autoresearch session restore {state.id}` restores it.")
    if state.status == "finished":
        raise UserError(
            f"The session {name!r} is finished; `autoresearch run --memory-key {name} --preset "
            f"{state.config.preset}` grants it more experiments."
        )
    if state.driver == "cli":
        return state
    if state.status == "active":
        raise UserError(f"The session {name!r} is active already; Dagster's daemon drives it.")
    check_researcher(state.config, settings)
    store = open_store(settings)
    with store.journal.transaction(state.id) as tx:
        tx.append(ev.SessionResumed(config=tx.state.config, driver="daemon"))
    return store.journal.state(state.id)


def who() -> str:
    """Name the person at this terminal; '' where the system does not know."""
    with suppress(OSError, KeyError, ImportError):
        return getpass.getuser()
    return ""


def _known(settings: Settings, key: str) -> SessionState:
    state = session_of(settings, key)
    if state is None:
        raise UserError("There is no session yet; `autoresearch run` starts one.")
    return state
