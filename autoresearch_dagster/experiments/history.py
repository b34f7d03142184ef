"""What happened in a session: its events, and the code that its edits are compared with."""

from dataclasses import dataclass

from autoresearch_dagster.core.errors import StoreUnavailable, UserError
from autoresearch_dagster.core.experiment import Digest
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.laboratory import BASELINE_FILE
from autoresearch_dagster.experiments.overview import find
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.fold import fold
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store, open_store


@dataclass(frozen=True, slots=True)
class History:
    """A session with everything that a teller needs."""

    state: SessionState
    events: list[ev.Recorded]
    baseline: str
    store: Store

    def code(self, digest: Digest) -> str | None:
        """Read a train.py; None where it is not kept any more."""
        try:
            return self.store.blobs.get(digest).decode(errors="replace")
        except StoreUnavailable:
            return None

    def turn(self, number: int) -> list[ev.Recorded]:
        """Return the events from one reply of the researcher to the next.

        Raises:
            UserError: the session has no such turn.
        """
        found: list[ev.Recorded] = []
        current = 0
        for record in self.events:
            if isinstance(record.event, ev.ModelReplied):
                current = record.event.turn
            if current == number:
                found.append(record)
        turns = len(self.state.turns)
        if not 1 <= number <= turns:
            name = self.state.config.memory_key
            known = f"turns 1 to {turns}" if turns else "no turn yet"
            raise UserError(f"There is no turn {number} in {name!r}; it has {known}.")
        return found


def open_history(settings: Settings, memory_key: str) -> History | None:
    """Open the history of a session (the latest one, if none is named); None if there is none at all.

    Raises:
        UserError: no session has that memory key.
    """
    store = open_store(settings)
    found = find(store, memory_key)
    return history_of(store, found.session) if found else None


def history_of(store: Store, session: str) -> History:
    """Read the history of a session that is known to be there."""
    events = store.journal.events(session)
    return History(fold(events), events, BASELINE_FILE.read_text(encoding="utf-8"), store)
