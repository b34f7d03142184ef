"""Who gets the next slot: tickets of all that wait on this machine, whichever process they are in.

A free slot goes to the party (a session) that holds the fewest of its kind now, and within that to the oldest
ticket.  A party that has just given a slot back counts as waiting for a moment, last in line: its next experiment
is on its way, and without that another party's second one would slip in between.  Tickets of processes that have
ended are ignored and swept; so are those of living ones that have been silent for too long.

A slot is leased part by part (its GPU, each of its cores) in one transaction, all or none.  So two slots that
share a core are never held at once, even where two processes divide the machine differently: one does not see a
GPU that the other sees, or has other settings.
"""

import socket
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, replace
from functools import cache
from typing import Literal

import sqlalchemy as sa

from autoresearch_dagster.core.limits import LEASE_S, SLOT_HANDOVER_S, SLOT_SEEN_S, SLOT_SILENT_S
from autoresearch_dagster.core.slot import Slot, SlotKind, slot_of
from autoresearch_dagster.store import database as db, schema as sc
from autoresearch_dagster.store.leases import Lease, Leases, is_dead

State = Literal["waiting", "holding", "returned"]


@dataclass(frozen=True, slots=True)
class Ticket:
    """One experiment's place in line; `slots` are those that it may have, or the one that it has.

    Units: `at` in seconds since the epoch: the last sign of life, or when the slot was taken or returned.
    """

    id: int
    party: str
    owner: str
    slots: tuple[Slot, ...]
    state: State
    at: float

    @property
    def queue(self) -> tuple[str, SlotKind]:
        """Whose turn it is, for which kind of slot."""
        return self.party, self.slots[0].kind


@dataclass(frozen=True, slots=True)
class Grant:
    """A slot that somebody has now: a lease on each of its parts; `offered` are those that it was one of."""

    leases: tuple[Lease, ...]
    slot: Slot
    offered: tuple[Slot, ...]


def assign(tickets: Iterable[Ticket], taken: Set[str]) -> Mapping[Slot, Ticket]:
    """Return whose each free slot is, where the parts in `taken` are held; a pure function."""
    line = [ticket for ticket in tickets if ticket.state != "holding"]
    held = Counter(ticket.queue for ticket in tickets if ticket.state == "holding")
    wanted = {slot for ticket in line for slot in ticket.slots}
    used, given = set(taken), dict[Slot, Ticket]()
    for slot in sorted(wanted):
        able = [ticket for ticket in line if slot in ticket.slots]
        if able and used.isdisjoint(slot.parts):
            first = min(able, key=lambda ticket: (held[ticket.queue], ticket.id))
            given[slot] = first
            line.remove(first)
            held[first.queue] += 1
            used.update(slot.parts)
    return given


class Tickets:
    """The line of this machine; every method is one short write transaction."""

    def __init__(self, engine: sa.Engine, leases: Leases, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._leases = leases
        self._clock = clock
        self._host = socket.gethostname()

    def draw(self, party: str, owner: str, slots: tuple[Slot, ...]) -> int:
        """Stand in line, last; return the number of the ticket."""
        with db.write(self._engine) as connection:
            now = self._clock()
            line = self._line(connection, self._holders(connection), now)
            mine = Ticket(self._next(connection, now), party, owner, slots, "waiting", now)
            self._delete(connection, [one.id for one in line if _is_kept_for(one, mine.queue)][:1])
            self._insert(connection, mine)
            return mine.id

    def ask(self, ticket: int, party: str, owner: str, slots: tuple[Slot, ...]) -> Grant | None:
        """Take one of the slots if it is this ticket's turn."""
        with db.write(self._engine) as connection:
            now = self._clock()
            holders = self._holders(connection)
            line = self._line(connection, holders, now)
            mine = next((one for one in line if one.id == ticket), None)
            if mine is None:  # swept after a long silence: stand where it stood
                mine = Ticket(ticket, party, owner, slots, "waiting", now)
                self._insert(connection, mine)
                line.append(mine)
            elif mine.slots != slots:  # a GPU was taken out, or put back, since it stands here
                line.remove(mine)
                mine = replace(mine, slots=slots)
                self._update(connection, ticket, cores=_text(slots))
                line.append(mine)
            alive = [one for one in line if one is mine or _is_heard(one, now)]
            slot = next((slot for slot, first in assign(alive, holders.keys()).items() if first is mine), None)
            if slot is not None:
                leases = tuple(self._leases.take(connection, self._name(part), owner) for part in slot.parts)
                self._update(connection, ticket, state="holding", cores=slot.text, at=now)
                return Grant(leases, slot, slots)
            if now - mine.at >= SLOT_SEEN_S:
                self._update(connection, ticket, at=now)
            return None

    def give_back(self, ticket: int, party: str, owner: str, slots: tuple[Slot, ...]) -> None:
        """Say, before its slot is free, that its party may want one of these again."""
        with db.write(self._engine) as connection:
            now = self._clock()
            number = self._next(connection, now)
            self._delete(connection, [ticket])
            self._insert(connection, Ticket(number, party, owner, slots, "returned", now))

    def leave(self, ticket: int) -> None:
        """Stand in line no more."""
        with db.write(self._engine) as connection:
            self._delete(connection, [ticket])

    def _line(self, connection: sa.Connection, holders: Mapping[str, str], now: float) -> list[Ticket]:
        """Return the tickets that mean something, the oldest first, and sweep the others."""
        dead, table = cache(is_dead), sc.slot_tickets
        rows = connection.execute(table.select().where(table.c.host == self._host).order_by(table.c.id)).all()
        found = [
            Ticket(row.id, row.party, row.owner, tuple(map(slot_of, row.cores.split(","))), row.state, row.at)
            for row in rows
        ]
        kept = [one for one in found if _means_something(one, holders, now) and not dead(one.owner)]
        self._delete(connection, [one.id for one in found if one not in kept])
        return kept

    def _holders(self, connection: sa.Connection) -> dict[str, str]:
        """Return who holds which part of a slot."""
        found: dict[str, str] = {}
        for kind in ("core", "gpu"):
            prefix = self._name(f"{kind}:")
            for lease in self._leases.held(connection, prefix):
                found[f"{kind}:{lease.name.removeprefix(prefix)}"] = lease.owner
        return found

    def _name(self, part: str) -> str:
        """Name the lease on a part: no other machine has the same core."""
        kind, _, which = part.partition(":")
        return f"{kind}:{self._host}:{which}"

    def _next(self, connection: sa.Connection, now: float) -> int:
        """Return a number that is larger than any before, also when the table has been empty."""
        last = connection.execute(sa.select(sa.func.max(sc.slot_tickets.c.id))).scalar() or 0
        return max(last + 1, int(now * 1000))

    def _insert(self, connection: sa.Connection, ticket: Ticket) -> None:
        connection.execute(
            sc.slot_tickets.insert().values(
                id=ticket.id,
                host=self._host,
                party=ticket.party,
                owner=ticket.owner,
                cores=_text(ticket.slots),
                state=ticket.state,
                at=ticket.at,
            )
        )

    def _update(self, connection: sa.Connection, ticket: int, **values: object) -> None:
        table = sc.slot_tickets
        connection.execute(table.update().where(table.c.id == ticket).values(**values))

    def _delete(self, connection: sa.Connection, tickets: list[int]) -> None:
        if tickets:
            connection.execute(sc.slot_tickets.delete().where(sc.slot_tickets.c.id.in_(tickets)))


def _is_kept_for(ticket: Ticket, queue: tuple[str, SlotKind]) -> bool:
    return ticket.state == "returned" and ticket.queue == queue


def _is_heard(ticket: Ticket, now: float) -> bool:
    """Whether others wait for this ticket: a stopped process must not hold up a whole machine."""
    return ticket.state != "waiting" or abs(now - ticket.at) < SLOT_SILENT_S


def _means_something(ticket: Ticket, holders: Mapping[str, str], now: float) -> bool:
    match ticket.state:
        case "waiting":
            return abs(now - ticket.at) < LEASE_S
        case "returned":
            return abs(now - ticket.at) < SLOT_HANDOVER_S
        case "holding":
            return all(holders.get(part) == ticket.owner for part in ticket.slots[0].parts)


def _text(slots: tuple[Slot, ...]) -> str:
    return ",".join(slot.text for slot in slots)
