"""Who may do what: named leases with owner, epoch and expiry, checked in the transaction they protect.

On one machine it is the owner's life that counts, not the clock, which may jump: a process that runs keeps its
leases, one that has ended loses them at once.  Of a stopped one, and of other machines, only the expiry counts.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Literal

import psutil
import sqlalchemy as sa

from autoresearch_dagster.core.boot import start_of
from autoresearch_dagster.core.errors import StoreConflict, StoreUnavailable
from autoresearch_dagster.core.limits import LEASE_RENEW_S, LEASE_S
from autoresearch_dagster.store import database as db, schema as sc


@dataclass(frozen=True, slots=True)
class Lease:
    """A lease as it was granted; `epoch` grows with every grant of the same name."""

    name: str
    owner: str
    epoch: int
    expires_at: float


def this_process() -> str:
    """Name this process for as long as it lives: `host:pid:start`."""
    pid = os.getpid()
    return f"{socket.gethostname()}:{pid}:{start_of(pid)}"


def is_dead(owner: str) -> bool:
    """Whether the owner is known to have ended: a process of this host that is no more."""
    return _life_of(owner) == "ended"


def _life_of(owner: str) -> Literal["running", "stopped", "ended", "unknown"]:
    """Say what the owner does; unknown where this host cannot tell."""
    host, _, process = owner.partition(":")
    pid, _, start = process.partition(":")
    if host != socket.gethostname() or not pid.isdecimal():
        return "unknown"
    try:
        status = psutil.Process(int(pid)).status()
        if status == psutil.STATUS_ZOMBIE or start_of(int(pid)) != start:
            return "ended"
    except psutil.NoSuchProcess:
        return "ended"
    return "stopped" if status == psutil.STATUS_STOPPED else "running"


class Leases:
    """Grants leases.  A lease is free when it was released, its owner is dead, or it expired unseen."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._clock = clock

    def acquire(self, name: str, owner: str) -> Lease:
        """Take a lease.

        Raises:
            StoreConflict: somebody holds it.
        """
        with db.write(self._engine) as connection:
            return self.take(connection, name, owner)

    def take(self, connection: sa.Connection, name: str, owner: str) -> Lease:
        """Take a lease as a part of the caller's write transaction.

        Raises:
            StoreConflict: somebody holds it.
        """
        table, now = sc.leases, self._clock()
        held = self._row(connection, name)
        if held is not None and self._is_held(held, now):
            raise StoreConflict(f"{name} is held by {held.owner} now; wait for it, or stop that process.")
        lease = Lease(name, owner, (held.epoch if held else 0) + 1, now + LEASE_S)
        connection.execute(table.delete().where(table.c.name == name))
        connection.execute(
            table.insert().values(name=name, owner=owner, epoch=lease.epoch, expires_at=lease.expires_at)
        )
        return lease

    def renew(self, lease: Lease) -> Lease:
        """Extend a lease.

        Raises:
            StoreConflict: it was lost.
        """
        renewed = replace(lease, expires_at=self._clock() + LEASE_S)
        self._update(lease, renewed.expires_at)
        return renewed

    def release(self, lease: Lease) -> None:
        """Give a lease back; one that was lost already is left alone.  Its epoch is remembered."""
        with suppress(StoreConflict):
            self._update(lease, 0.0)

    def check(self, connection: sa.Connection, lease: Lease) -> None:
        """Make sure, inside a transaction, that the lease is still held.

        Raises:
            StoreConflict: it was released, or granted to somebody else.
        """
        held = self._row(connection, lease.name)
        if held is None or held.epoch != lease.epoch or held.expires_at <= 0:
            raise StoreConflict(f"The lease on {lease.name} was lost; somebody else goes on with it.")

    def holder(self, name: str) -> Lease | None:
        """Return the lease if somebody holds it."""
        with db.read(self._engine) as connection:
            held = self._row(connection, name)
        return held if held is not None and self._is_held(held, self._clock()) else None

    def abandoned(self) -> list[Lease]:
        """Return the leases that were neither released nor kept: their owners died, or went silent elsewhere."""
        table = sc.leases
        with db.read(self._engine) as connection:
            rows = connection.execute(table.select().where(table.c.expires_at > 0).order_by(table.c.name)).all()
        unreleased = [Lease(row.name, row.owner, row.epoch, row.expires_at) for row in rows]
        now = self._clock()
        return [lease for lease in unreleased if not self._is_held(lease, now)]

    def is_over(self, name: str) -> bool:
        """Whether somebody held the lease once and nobody can be at work under it any more."""
        with db.read(self._engine) as connection:
            held = self._row(connection, name)
        return held is not None and not self._is_held(held, self._clock())

    def held(self, connection: sa.Connection, prefix: str) -> list[Lease]:
        """Return the leases that somebody holds whose names begin so, as the caller's transaction sees them."""
        table, now = sc.leases, self._clock()
        rows = connection.execute(
            table.select().where(table.c.name.startswith(prefix, autoescape=True), table.c.expires_at > 0)
        )
        found = [Lease(row.name, row.owner, row.epoch, row.expires_at) for row in rows]
        return [lease for lease in found if self._is_held(lease, now)]

    @contextmanager
    def hold(self, name: str, owner: str) -> Iterator[Lease]:
        """Hold a lease, renewed in the background, until the block ends.

        Raises:
            StoreConflict: somebody holds it.
        """
        lease = self.acquire(name, owner)
        with self.continued(lease):
            yield lease

    @contextmanager
    def continued(self, *leases: Lease) -> Iterator[None]:
        """Keep granted leases renewed in the background until the block ends, then release them."""
        ended = threading.Event()
        renewer = threading.Thread(target=self._keep, args=(leases, ended), daemon=True)
        renewer.start()
        try:
            yield
        finally:
            ended.set()
            renewer.join()
            for lease in leases:
                try:
                    self.release(lease)
                except StoreUnavailable:  # as long as this process lives, nobody else would take it for free
                    threading.Thread(target=self._release_later, args=(lease,), daemon=True).start()

    def _release_later(self, lease: Lease) -> None:
        while True:
            time.sleep(LEASE_RENEW_S)
            with suppress(StoreUnavailable):
                self.release(lease)
                return

    def _keep(self, leases: tuple[Lease, ...], ended: threading.Event) -> None:
        kept = list(leases)
        while kept and not ended.wait(LEASE_RENEW_S):
            for lease in list(kept):
                try:
                    self.renew(lease)
                except StoreConflict:
                    kept.remove(lease)  # the next transaction of its owner is refused
                except StoreUnavailable:
                    continue

    def _is_held(self, lease: Lease, now: float) -> bool:
        if lease.expires_at <= 0:
            return False
        life = _life_of(lease.owner)
        return life == "running" or (life != "ended" and lease.expires_at > now)

    def _row(self, connection: sa.Connection, name: str) -> Lease | None:
        row = connection.execute(sc.leases.select().where(sc.leases.c.name == name)).first()
        return Lease(row.name, row.owner, row.epoch, row.expires_at) if row else None

    def _update(self, lease: Lease, expires_at: float) -> None:
        table = sc.leases
        statement = (
            table.update()
            .where(table.c.name == lease.name, table.c.epoch == lease.epoch, table.c.owner == lease.owner)
            .values(expires_at=expires_at)
        )
        with db.write(self._engine) as connection:
            if connection.execute(statement).rowcount != 1:
                raise StoreConflict(f"The lease on {lease.name} was lost; somebody else goes on with it.")
