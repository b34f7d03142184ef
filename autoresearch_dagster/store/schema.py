"""The tables of the journal, and the steps that bring those of an older version here."""

from collections.abc import Callable

import sqlalchemy as sa

SCHEMA_VERSION = 2
metadata = sa.MetaData()

schema_version = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, primary_key=True))
sessions = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", sa.String(32), primary_key=True),
    sa.Column("number", sa.Integer, nullable=False, unique=True),
    sa.Column("memory_key", sa.String(255), nullable=False, unique=True),
)
events = sa.Table(
    "events",
    metadata,
    sa.Column("session", sa.ForeignKey("sessions.id"), primary_key=True),
    sa.Column("sequence", sa.Integer, primary_key=True),
    sa.Column("at", sa.String(40), nullable=False),
    sa.Column("event", sa.Text, nullable=False),
)
leases = sa.Table(
    "leases",
    metadata,
    sa.Column("name", sa.String(255), primary_key=True),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("epoch", sa.Integer, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
)
projections = sa.Table(
    "projections",
    metadata,
    sa.Column("subject", sa.String(255), primary_key=True),
    sa.Column("run_id", sa.String(64), nullable=False),
    sa.Column("content", sa.String(64), nullable=False),
)
# What follows came with version 2.  The two read tables are computed from `events` and may be emptied at any
# time; what they say stands as JSON, because it holds text and numbers that no column type takes everywhere.
session_rows = sa.Table(
    "session_rows",
    metadata,
    sa.Column("session", sa.ForeignKey("sessions.id"), primary_key=True),
    sa.Column("sequence", sa.Integer, nullable=False),
    sa.Column("version", sa.String(64), nullable=False),
    sa.Column("experiments", sa.Integer, nullable=False),
    sa.Column("facts", sa.Text, nullable=False),
)
experiment_rows = sa.Table(
    "experiment_rows",
    metadata,
    sa.Column("session", sa.ForeignKey("sessions.id"), primary_key=True),
    sa.Column("position", sa.Integer, primary_key=True),
    sa.Column("score", sa.Double),
    sa.Column("facts", sa.Text, nullable=False),
)
slot_tickets = sa.Table(
    "slot_tickets",
    metadata,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("host", sa.String(255), nullable=False),
    sa.Column("party", sa.String(255), nullable=False),
    sa.Column("owner", sa.String(255), nullable=False),
    sa.Column("cores", sa.Text, nullable=False),
    sa.Column("state", sa.String(16), nullable=False),
    sa.Column("at", sa.Double, nullable=False),
)
removed_blobs = sa.Table(
    "removed_blobs",
    metadata,
    sa.Column("digest", sa.String(64), primary_key=True),
    sa.Column("reason", sa.String(255), nullable=False),
)


def _add_reading_slots_and_removals(connection: sa.Connection) -> None:
    metadata.create_all(connection, tables=[session_rows, experiment_rows, slot_tickets, removed_blobs])


MIGRATIONS: tuple[Callable[[sa.Connection], None], ...] = (_add_reading_slots_and_removals,)
"""Step n brings a database of version n + 1 to version n + 2; a released step is never changed."""
