"""Who gets the next core: tickets of all that wait on this machine, whichever process they are in.

A free core goes to the party (a session) that holds the fewest cores now, and within that to the oldest ticket.
A party that has just given a core back counts as waiting for a moment, last in line: its next experiment is on
its way, and without that another party's second one would slip in between.  Tickets of processes that have
ended are ignored and swept; so are those of living ones that have been silent for too long.
"""

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Literal

import sqlalchemy as sa

from autoresearch_dagster.core.limits import LEASE_S, SLOT_HANDOVER_S, SLOT_SEEN_S, SLOT_SILENT_S
from autoresearch_dagster.store import database as db
from autoresearch_dagster.store.leases import Lease, Leases, is_dead

State = Literal["waiting", "holding", "returned"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """One experiment's place in line; `cores` are those that it may have, or the one that it has.

    Units: `at` in seconds since the epoch: the last sign of life, or when the core was taken or returned.
    """

    id: int
    party: str
    owner: str
    cores: tuple[int, ...]
    state: State
    at: float


@dataclass(frozen=True, slots=True)
class Grant:
    """A core that somebody has now."""

    lease: Lease
    core: int


def assign(tickets: Iterable[Ticket], free: Iterable[int]) -> Mapping[int, Ticket]:
    """Return whose each free core is; a pure function."""
    line = [ticket for ticket in tickets if ticket.state != "holding"]
    held = Counter(ticket.party for ticket in tickets if ticket.state == "holding")
    given: dict[int, Ticket] = {}
    for core in sorted(free):
        able = [ticket for ticket in line if core in ticket.cores]
        if able:
            first = min(able, key=lambda ticket: (held[ticket.party], ticket.id))
            given[core] = first
            line.remove(first)
            held[first.party] += 1
    return given


class Tickets:
    """The line of this machine; every method is one short write transaction."""

    def __init__(self, engine: sa.Engine, leases: Leases, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._leases = leases
        self._clock = clock
        self._host = socket.gethostname()

    def draw(self, party: str, owner: str, cores: tuple[int, ...]) -> int:
        """Stand in line, last; return the number of the ticket."""
        with db.write(self._engine) as connection:
            now = self._clock()
            line = self._line(connection, self._holders(connection), now)
            self._delete(connection, [one.id for one in line if _is_kept_for(one, party)][:1])
            number = self._next(connection, now)
            self._insert(connection, Ticket(number, party, owner, cores, "waiting", now))
            return number

    def ask(self, ticket: int, party: str, owner: str, cores: tuple[int, ...]) -> Grant | None:
        """Take a core if it is this ticket's turn."""
        with db.write(self._engine) as connection:
            now = self._clock()
            holders = self._holders(connection)
            line = self._line(connection, holders, now)
            mine = next((one for one in line if one.id == ticket), None)
            if mine is None:  # swept after a long silence: stand where it stood
                mine = Ticket(ticket, party, owner, cores, "waiting", now)
                self._insert(connection, mine)
                line.append(mine)
            alive = [one for one in line if one is mine or _is_heard(one, now)]
            free = {core for one in alive for core in one.cores} - holders.keys()
            core = next((core for core, first in assign(alive, free).items() if first is mine), None)
            if core is not None:
                lease = self._leases.take(connection, self._name(core), owner)
                self._update(connection, ticket, state="holding", cores=str(core), at=now)
                return Grant(lease, core)
            if now - mine.at >= SLOT_SEEN_S:
                self._update(connection, ticket, at=now)
            return None

    def give_back(self, ticket: int, party: str, owner: str, cores: tuple[int, ...]) -> None:
        """Say, before the core is free, that its party may want it again."""
        with db.write(self._engine) as connection:
            now = self._clock()
            number = self._next(connection, now)
            self._delete(connection, [ticket])
            self._insert(connection, Ticket(number, party, owner, cores, "returned", now))

    def leave(self, ticket: int) -> None:
        """Stand in line no more."""
        with db.write(self._engine) as connection:
            self._delete(connection, [ticket])

    def _line(self, connection: sa.Connection, holders: Mapping[int, str], now: float) -> list[Ticket]:
        """Return the tickets that mean something, the oldest first, and sweep the others."""
        dead, table = cache(is_dead), db.slot_tickets
        rows = connection.execute(table.select().where(table.c.host == self._host).order_by(table.c.id)).all()
        found = [
            Ticket(row.id, row.party, row.owner, tuple(map(int, row.cores.split(","))), row.state, row.at)
            for row in rows
        ]
        kept = [one for one in found if _means_something(one, holders, now) and not dead(one.owner)]
        self._delete(connection, [one.id for one in found if one not in kept])
        return kept

    def _holders(self, connection: sa.Connection) -> dict[int, str]:
        """Return who holds which core."""
        prefix = self._name("")
        return {
            int(lease.name.removeprefix(prefix)): lease.owner for lease in self._leases.held(connection, prefix)
        }

    def _name(self, core: int | str) -> str:
        return f"core:{self._host}:{core}"

    def _next(self, connection: sa.Connection, now: float) -> int:
        """Return a number that is larger than any before, also when the table has been empty."""
        last = connection.execute(sa.select(sa.func.max(db.slot_tickets.c.id))).scalar() or 0
        return max(last + 1, int(now * 1000))

    def _insert(self, connection: sa.Connection, ticket: Ticket) -> None:
        connection.execute(
            db.slot_tickets.insert().values(
                id=ticket.id,
                host=self._host,
                party=ticket.party,
                owner=ticket.owner,
                cores=",".join(map(str, ticket.cores)),
                state=ticket.state,
                at=ticket.at,
            )
        )

    def _update(self, connection: sa.Connection, ticket: int, **values: object) -> None:
        table = db.slot_tickets
        connection.execute(table.update().where(table.c.id == ticket).values(**values))

    def _delete(self, connection: sa.Connection, tickets: list[int]) -> None:
        if tickets:
            connection.execute(db.slot_tickets.delete().where(db.slot_tickets.c.id.in_(tickets)))


def _is_kept_for(ticket: Ticket, party: str) -> bool:
    return ticket.state == "returned" and ticket.party == party


def _is_heard(ticket: Ticket, now: float) -> bool:
    """Whether others wait for this ticket: a stopped process must not hold up a whole machine."""
    return ticket.state != "waiting" or now - ticket.at < SLOT_SILENT_S


def _means_something(ticket: Ticket, holders: Mapping[int, str], now: float) -> bool:
    match ticket.state:
        case "waiting":
            return now - ticket.at < LEASE_S
        case "returned":
            return now - ticket.at < SLOT_HANDOVER_S
        case "holding":
            return holders.get(ticket.cores[0]) == ticket.owner
