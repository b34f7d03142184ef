"""The engine and its transactions.  SQLite by default, any SQLAlchemy database by URL.

Rules: every write is one short `BEGIN IMMEDIATE` transaction; none stays open across a model call, a
container wait, an MLflow call or a yield to Dagster.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa
from sqlalchemy.engine.interfaces import DBAPIConnection, DBAPICursor
from sqlalchemy.event import listen
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.pool import ConnectionPoolEntry

from autoresearch_dagster.core.errors import StoreConflict, StoreUnavailable
from autoresearch_dagster.core.limits import BUSY_TIMEOUT_S, WAL_AGAIN_S
from autoresearch_dagster.store.schema import MIGRATIONS, SCHEMA_VERSION, metadata, schema_version, sessions

WRITER_LOCK = 0x6175746F  # "auto": number of the advisory lock that writers take on PostgreSQL


def connect(url: str, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sa.Engine:
    """Open the database, creating file and tables where there are none, and migrating those of an older version.

    One that is up to date is only read, so that people can look while somebody writes.

    Raises:
        StoreUnavailable: it cannot be opened, is locked, damaged, or of a newer version.
    """
    engine = _create_engine(url, busy_timeout_s)
    if engine.dialect.name == "sqlite":
        _use_immediate_transactions(engine, busy_timeout_s)
    else:
        _use_one_writer_at_a_time(engine)
    with read(engine) as connection:
        found = _version_of(connection)
    if found != SCHEMA_VERSION:
        with write(engine) as connection:
            _migrate(connection)
    return engine


def _version_of(connection: sa.Connection) -> int | None:
    """Return the version of the tables; None where there are none yet."""
    if not sa.inspect(connection).has_table(schema_version.name):
        return None
    return connection.execute(sa.select(schema_version.c.version)).scalar()


def _migrate(connection: sa.Connection) -> None:
    """Bring the tables to this version within one transaction, whoever else tries at the same moment."""
    found = _version_of(connection)
    if found is None:
        metadata.create_all(connection)
        connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))
        return
    if found > SCHEMA_VERSION:
        raise StoreUnavailable(
            f"The journal was written by a newer version (schema {found}); update this installation."
        )
    for step in MIGRATIONS[found - 1 :]:
        step(connection)
    connection.execute(schema_version.update().values(version=SCHEMA_VERSION))


def exists(url: str) -> bool:
    """Whether a journal is at this address; creates nothing, not even an empty file.

    Raises:
        StoreUnavailable: the address is none, or its server does not answer.
    """
    engine = _create_engine(url, BUSY_TIMEOUT_S, make_folder=False)
    file = engine.url.database
    if engine.dialect.name == "sqlite" and file and not file.startswith("file:") and not Path(file).is_file():
        return False
    try:
        with translated():
            return sa.inspect(engine).has_table(sessions.name)
    finally:
        engine.dispose()


def _create_engine(url: str, busy_timeout_s: float, *, make_folder: bool = True) -> sa.Engine:
    try:
        address = sa.make_url(url)
        if address.get_backend_name() != "sqlite":
            return sa.create_engine(address)
        if make_folder and address.database and not address.database.startswith("file:"):
            _make_folder(Path(address.database).parent)
        return sa.create_engine(address, connect_args={"timeout": busy_timeout_s})
    except ArgumentError as fault:
        raise StoreUnavailable(
            "AUTORESEARCH_DATABASE_URL is not an address SQLAlchemy knows; "
            "write sqlite:////path/journal.db or postgresql+psycopg://user@host/name, or leave it unset."
        ) from fault
    except ImportError as fault:
        raise StoreUnavailable(
            f"The database driver {fault.name} is not installed; install it, "
            "or leave AUTORESEARCH_DATABASE_URL unset to use SQLite."
        ) from fault


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as fault:
        raise StoreUnavailable(
            f"The folder {folder} cannot be written ({fault.strerror}); set AUTORESEARCH_HOME to one that can."
        ) from fault


def _use_immediate_transactions(engine: sa.Engine, busy_timeout_s: float) -> None:
    """Take SQLite's write lock when a transaction begins: what it read cannot change under it."""

    def on_connect(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.isolation_level = None  # pyright: ignore[reportAttributeAccessIssue] (we begin ourselves)
        cursor = connection.cursor()
        _write_ahead(cursor, busy_timeout_s)
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    def on_begin(connection: sa.Connection) -> None:
        deferred = connection.get_execution_options().get("read_only")
        connection.exec_driver_sql("BEGIN DEFERRED" if deferred else "BEGIN IMMEDIATE")

    listen(engine, "connect", on_connect)
    listen(engine, "begin", on_begin)


def _write_ahead(cursor: DBAPICursor, busy_timeout_s: float) -> None:
    """Turn write-ahead logging on, waiting for others ourselves: this one lock SQLite gives up on at once."""
    deadline = time.monotonic() + busy_timeout_s
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as fault:
            if fault.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(WAL_AGAIN_S)
        else:
            return


def _use_one_writer_at_a_time(engine: sa.Engine) -> None:
    """Do on PostgreSQL what `BEGIN IMMEDIATE` does on SQLite; the lock goes with the transaction."""

    def on_begin(connection: sa.Connection) -> None:
        if connection.dialect.name == "postgresql" and not connection.get_execution_options().get("read_only"):
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(WRITER_LOCK)))

    listen(engine, "begin", on_begin)


@contextmanager
def write(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One write transaction: committed at the end of the block, rolled back by an exception."""
    with translated(), engine.begin() as connection:
        yield connection


@contextmanager
def read(engine: sa.Engine) -> Iterator[sa.Connection]:
    """One consistent read that keeps nobody from writing."""
    with translated(), engine.connect() as bare:
        connection = bare.execution_options(read_only=True)
        with connection.begin():
            yield connection


@contextmanager
def translated() -> Iterator[None]:
    """Turn the database's faults into one sentence."""
    try:
        yield
    except IntegrityError as fault:
        raise StoreConflict("Another process committed first; look at the new state and try again.") from fault
    except DBAPIError as fault:
        raise StoreUnavailable(_sentence(str(fault.orig).partition("\n")[0])) from fault


def _sentence(said: str) -> str:
    if "locked" in said:
        return "The journal is locked by another program; close what has it open and try again, nothing is lost."
    if "malformed" in said or "not a database" in said:
        return f"The journal is damaged ({said}); restore journal.db, or move it away to begin anew."
    if "readonly" in said or "unable to open" in said:
        return f"The journal cannot be written ({said}); check the permissions of AUTORESEARCH_HOME."
    if "full" in said:
        return "The disk is full; free some space and resume, nothing is lost."
    return f"The journal's database failed ({said}); try again, and check AUTORESEARCH_DATABASE_URL."
