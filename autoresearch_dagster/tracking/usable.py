"""Whether MLflow's database can be written now: asked first, because MLflow itself tries for minutes."""

import sqlite3
from contextlib import closing
from pathlib import Path

from autoresearch_dagster.core.errors import StoreUnavailable
from autoresearch_dagster.core.limits import MLFLOW_PATIENCE_S


def require_usable(database: Path) -> None:
    """Try to begin a write; one that does not exist yet is MLflow's to make.

    Raises:
        StoreUnavailable: it is locked for longer than a person would wait, or no database.
    """
    if not database.exists():
        return
    try:
        with closing(sqlite3.connect(database, timeout=MLFLOW_PATIENCE_S, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")
    except sqlite3.Error as fault:
        raise StoreUnavailable(
            f"its database {database} cannot be written now ({fault}); it catches up by itself when it can."
        ) from fault
