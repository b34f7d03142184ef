"""A database as version 1 of the schema made it, and as it still lies on disks."""

import sqlite3
from pathlib import Path

from autoresearch_dagster.store import events as ev

VERSION_1 = """
CREATE TABLE schema_version (version INTEGER NOT NULL, PRIMARY KEY (version));
CREATE TABLE sessions (
    id VARCHAR(32) NOT NULL, number INTEGER NOT NULL, memory_key VARCHAR(255) NOT NULL,
    PRIMARY KEY (id), UNIQUE (number), UNIQUE (memory_key)
);
CREATE TABLE leases (
    name VARCHAR(255) NOT NULL, owner VARCHAR(255) NOT NULL, epoch INTEGER NOT NULL, expires_at FLOAT NOT NULL,
    PRIMARY KEY (name)
);
CREATE TABLE projections (
    subject VARCHAR(255) NOT NULL, run_id VARCHAR(64) NOT NULL, content VARCHAR(64) NOT NULL, PRIMARY KEY (subject)
);
CREATE TABLE events (
    session VARCHAR(32) NOT NULL, sequence INTEGER NOT NULL, at VARCHAR(40) NOT NULL, event TEXT NOT NULL,
    PRIMARY KEY (session, sequence), FOREIGN KEY(session) REFERENCES sessions (id)
);
INSERT INTO schema_version VALUES (1);
"""


def write_version_1(file: Path, records: list[ev.Recorded]) -> None:
    """Make a database of version 1 that holds one session."""
    with sqlite3.connect(file) as raw:
        raw.executescript(VERSION_1)
        raw.execute("INSERT INTO sessions VALUES ('s01', 1, 'tests')")
        raw.executemany("INSERT INTO events VALUES ('s01', ?, ?, ?)", rows(records))
    raw.close()


def rows(records: list[ev.Recorded]) -> list[tuple[int, str, str]]:
    """Events as every version writes them: sequence, time, JSON."""
    return [
        (record.sequence, record.at.isoformat(), ev.EVENT.dump_json(record.event).decode()) for record in records
    ]
