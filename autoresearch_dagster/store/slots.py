"""Slots: a core, or a GPU with its cores, for one experiment; shared fairly by all processes of this machine."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final

import sqlalchemy as sa

from autoresearch_dagster.core.errors import StoreConflict, StoreUnavailable
from autoresearch_dagster.core.limits import SLOT_POLL_S
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.store.leases import Leases
from autoresearch_dagster.store.tickets import Grant, Tickets

OUTSIDE: Final = "outside sessions"
"""The party of all work that belongs to no session: `evaluate`, reproductions."""
Offer = Callable[[], tuple[Slot, ...]]
"""The slots that an experiment may have now; asked again and again while it waits."""


class Slots:
    """Leases slots; which there are is the caller's to say."""

    def __init__(self, engine: sa.Engine, leases: Leases) -> None:
        self._leases = leases
        self._tickets = Tickets(engine, leases)

    @contextmanager
    def slot(self, party: str, owner: str, offer: Offer, stop: Callable[[], bool]) -> Iterator[Slot]:
        """Wait in line for one of the slots that are offered and hold it until the block ends; yields it.

        Args:
            party: what shares slots with others: the id of a session, or `OUTSIDE`.
            owner: the process that holds it.
            offer: says what it may have, all of one kind; what it raises ends the wait.
            stop: asked again and again while waiting.

        Raises:
            StoreConflict: `stop` became true while waiting.
        """
        ticket = self._tickets.draw(party, owner, offer())
        grant = self._wait(ticket, party, owner, offer, stop)
        with self._leases.continued(*grant.leases):
            try:
                yield grant.slot
            finally:
                with suppress(StoreUnavailable):  # the ticket means nothing once the lease is gone
                    self._tickets.give_back(ticket, party, owner, grant.offered)

    def _wait(self, ticket: int, party: str, owner: str, offer: Offer, stop: Callable[[], bool]) -> Grant:
        try:
            while not stop():
                grant = self._tickets.ask(ticket, party, owner, offer())
                if grant is not None:
                    return grant
                time.sleep(SLOT_POLL_S)
        except BaseException:
            self._leave(ticket)
            raise
        self._leave(ticket)
        raise StoreConflict("Stopped while waiting for a slot.")

    def _leave(self, ticket: int) -> None:
        with suppress(StoreUnavailable):  # it is swept when its owner ends or falls silent
            self._tickets.leave(ticket)
