"""Every session at a glance, read without folding a journal; and the leaderboard of one, with its hypotheses."""

import difflib

from autoresearch_dagster.agent.hypotheses.calibration import AxisCalibration, calibration
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import Data
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store.leaderboard import Row
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store, open_store
from autoresearch_dagster.store.summary import SessionSummary


class Ranking(Data):
    """The leaderboard of one session, with the session it belongs to."""

    session: SessionSummary
    rows: tuple[Row, ...]
    calibration: tuple[AxisCalibration, ...] = ()
    """How well hypotheses foretold what was measured, by axis."""


def overview(settings: Settings, *, archived: bool = False) -> list[SessionSummary]:
    """Describe every session, oldest first; archived ones only if they are asked for."""
    found = open_store(settings).journal.summaries()
    return [summary for summary in found if archived or not summary.archived]


def ranking_of(settings: Settings, memory_key: str) -> Ranking | None:
    """Rank a session's experiments; the latest session if none is named; None if there is none at all.

    Raises:
        UserError: no session has that memory key or id.
    """
    store = open_store(settings)
    found = find(store, memory_key)
    if found is None:
        return None
    rows = tuple(store.journal.leaderboard(found.session))
    return Ranking(session=found, rows=rows, calibration=tuple(calibration(store.journal.state(found.session))))


def session_of(settings: Settings, memory_key: str) -> SessionState | None:
    """Fold the session of a memory key or an id; the latest one if it is empty; None if there is none at all.

    Raises:
        UserError: no session has that memory key or id.
    """
    store = open_store(settings)
    found = find(store, memory_key)
    return store.journal.state(found.session) if found else None


def find(store: Store, memory_key: str) -> SessionSummary | None:
    """Find a session by memory key or id; an archived one is found only by its name.

    Raises:
        UserError: no session has that memory key or id.
    """
    sessions = store.journal.summaries()
    if not memory_key:
        return next((summary for summary in reversed(sessions) if not summary.archived), None)
    for summary in sessions:
        if summary.memory_key == memory_key:
            return summary
    for summary in sessions:
        if summary.session == memory_key:  # as `status` and the keys of experiments show it
            return summary
    near = difflib.get_close_matches(memory_key, [summary.memory_key for summary in sessions])
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "`autoresearch status` lists them."
    raise UserError(f"No session has the memory key {memory_key!r}; {hint}")
