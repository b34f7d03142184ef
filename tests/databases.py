"""The databases that a journal may be kept in: SQLite always, PostgreSQL where a server is named.

`AUTORESEARCH_TEST_POSTGRES` is the SQLAlchemy address of an empty PostgreSQL database, for instance
`postgresql+psycopg://me@127.0.0.1:5433/tests`; every test there gets a schema of its own.
"""

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

POSTGRES = os.environ.get("AUTORESEARCH_TEST_POSTGRES", "")
KINDS = [
    "sqlite",
    pytest.param(
        "postgresql", marks=pytest.mark.skipif(not POSTGRES, reason="AUTORESEARCH_TEST_POSTGRES names no server")
    ),
]


def addresses(kind: str, folder: Path) -> Iterator[str]:
    """Yield the address of a new, empty database of this kind; it is gone afterwards."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'journal.db'}"
        return
    schema, server = f"t_{uuid.uuid4().hex}", sa.create_engine(POSTGRES)
    with server.begin() as connection:
        connection.exec_driver_sql(f"CREATE SCHEMA {schema}")
    try:
        address = sa.make_url(POSTGRES).update_query_dict({"options": f"-csearch_path={schema}"})
        yield address.render_as_string(hide_password=False)
    finally:
        with server.begin() as connection:
            connection.exec_driver_sql(f"DROP SCHEMA {schema} CASCADE")
        server.dispose()
