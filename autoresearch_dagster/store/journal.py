"""The journal: append-only events of every session, and each session's state as a fold over them."""

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Literal

import sqlalchemy as sa

from autoresearch_dagster.core.errors import StoreConflict, StoreUnavailable
from autoresearch_dagster.store import database as db, events as ev, read_tables, schema as sc
from autoresearch_dagster.store.fold import fold
from autoresearch_dagster.store.leaderboard import Row, leaderboard
from autoresearch_dagster.store.leases import Lease, Leases
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.summary import SessionSummary, summarise


def utc_now() -> datetime:
    """The wall clock, in UTC."""
    return datetime.now(UTC)


class Transaction:
    """One short write transaction on one session: read its state, append events."""

    def __init__(self, connection: sa.Connection, state: SessionState, clock: Callable[[], datetime]) -> None:
        self._connection = connection
        self._clock = clock
        self._before: SessionState | None = None
        self.state = state

    def append(self, event: ev.Event) -> None:
        """Append an event; `state` follows at once, the journal when the transaction commits."""
        if self._before is None:
            self._before = replace(self.state, experiments=dict(self.state.experiments))
        record = ev.Recorded(session=self.state.id, sequence=self.state.sequence + 1, at=self._clock(), event=event)
        _insert(self._connection, record)
        fold([record], self.state)

    def close(self) -> None:
        """Bring the read tables to what was appended; they commit with it."""
        if self._before is not None:
            read_tables.update(self._connection, self._before, self.state)


class Journal:
    """All sessions of one database."""

    def __init__(self, engine: sa.Engine, leases: Leases, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._leases = leases
        self._clock = clock
        self._cache: dict[str, SessionState] = {}
        self._lock = threading.Lock()

    def sessions(self) -> list[str]:
        """Ids of all sessions, oldest first."""
        with db.read(self._engine) as connection:
            return list(connection.execute(sa.select(sc.sessions.c.id).order_by(sc.sessions.c.number)).scalars())

    def create(self, config: ev.SessionConfig, driver: Literal["cli", "daemon"], bundle: str) -> SessionState:
        """Start the session of a memory key.

        Raises:
            StoreConflict: that memory key has a session already.
        """
        with db.write(self._engine) as connection:
            if _session_of(connection, config.memory_key) is not None:
                raise StoreConflict(f"The memory key {config.memory_key!r} has a session already; resume it.")
            number = (connection.execute(sa.select(sa.func.max(sc.sessions.c.number))).scalar() or 0) + 1
            session = f"s{number:02}"
            connection.execute(sc.sessions.insert().values(id=session, number=number, memory_key=config.memory_key))
            event = ev.SessionStarted(number=number, config=config, driver=driver, bundle=bundle)
            record = ev.Recorded(session=session, sequence=0, at=self._clock(), event=event)
            _insert(connection, record)
            read_tables.rebuild(connection, fold([record]))
        return self.state(session)

    def free_number(self, wanted: int) -> int:
        """Return this session number if nobody has it, else the next one."""
        with db.read(self._engine) as connection:
            numbers = set(connection.execute(sa.select(sc.sessions.c.number)).scalars())
        return wanted if wanted not in numbers else max(numbers) + 1

    def adopt(self, records: Sequence[ev.Recorded], news: Sequence[ev.Event]) -> SessionState:
        """Take over a whole session that was recorded elsewhere, and append events of our own.

        Raises:
            StoreConflict: its id or its memory key was taken meanwhile.
        """
        session = records[0].session
        own = [
            ev.Recorded(session=session, sequence=sequence, at=self._clock(), event=event)
            for sequence, event in enumerate(news, start=len(records))
        ]
        state = fold([*records, *own])
        with db.write(self._engine) as connection:
            connection.execute(
                sc.sessions.insert().values(id=session, number=state.number, memory_key=state.config.memory_key)
            )
            for record in [*records, *own]:
                _insert(connection, record)
            read_tables.rebuild(connection, state)
        return state

    def find(self, memory_key: str) -> SessionState | None:
        """Return the session of a memory key, if there is one."""
        with db.read(self._engine) as connection:
            session = _session_of(connection, memory_key)
        return self.state(session) if session else None

    def events(self, session: str, after: int = -1) -> list[ev.Recorded]:
        """Return every event of a session, or those after a sequence number, in order."""
        with db.read(self._engine) as connection:
            return _events(connection, session, after)

    def state(self, session: str) -> SessionState:
        """Return a session as it stands; the caller owns the copy."""
        with db.read(self._engine) as connection:
            return self._fresh(connection, session)

    @contextmanager
    def transaction(self, session: str, lease: Lease | None = None) -> Iterator[Transaction]:
        """Open one write transaction; a lost lease or an exception commits nothing.

        Raises:
            StoreConflict: `lease` is no longer held.
        """
        with db.write(self._engine) as connection:
            if lease is not None:
                self._leases.check(connection, lease)
            transaction = Transaction(connection, self._fresh(connection, session), self._clock)
            yield transaction
            transaction.close()

    def summaries(self) -> list[SessionSummary]:
        """Sum up every session, oldest first, without folding where the read tables are up to date."""
        with db.read(self._engine) as connection:
            found = read_tables.summaries(connection)
        return [summary or summarise(self._mended(session)) for session, summary in found.items()]

    def leaderboard(self, session: str) -> list[Row]:
        """Rank a session's experiments, without folding where the read tables are up to date."""
        with db.read(self._engine) as connection:
            found = read_tables.leaderboard(connection, session)
        return found if found is not None else leaderboard(self._mended(session))

    def _mended(self, session: str) -> SessionState:
        """Fold a session and write its read tables anew; a reader that may not write reads all the same."""
        state = self.state(session)
        with suppress(StoreUnavailable), db.write(self._engine) as connection:
            state = self._fresh(connection, session)
            read_tables.rebuild(connection, state)
        return state

    def _fresh(self, connection: sa.Connection, session: str) -> SessionState:
        """Fold only what is new since the last look; transactions that roll back never reach the cache."""
        with self._lock:
            known = self._cache.get(session)
            news = _events(connection, session, after=known.sequence if known else -1)
            if news or known is None:
                # A lagging reader may see less than the cache holds, never something else.
                known = self._cache[session] = fold(news, known)
            return known.clone()


def _insert(connection: sa.Connection, record: ev.Recorded) -> None:
    connection.execute(
        sc.events.insert().values(
            session=record.session,
            sequence=record.sequence,
            at=record.at.isoformat(),
            event=ev.EVENT.dump_json(record.event).decode(),
        )
    )


def _events(connection: sa.Connection, session: str, after: int) -> list[ev.Recorded]:
    table = sc.events
    rows = connection.execute(
        table.select().where(table.c.session == session, table.c.sequence > after).order_by(table.c.sequence)
    )
    return [
        ev.Recorded(
            session=row.session,
            sequence=row.sequence,
            at=datetime.fromisoformat(row.at),
            event=ev.EVENT.validate_json(row.event),
        )
        for row in rows
    ]


def _session_of(connection: sa.Connection, memory_key: str) -> str | None:
    statement = sa.select(sc.sessions.c.id).where(sc.sessions.c.memory_key == memory_key)
    return connection.execute(statement).scalar()
