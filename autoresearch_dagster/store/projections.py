"""Which run of a tracking server shows which subject, so that projecting again changes nothing."""

from collections.abc import Iterable

import sqlalchemy as sa

from autoresearch_dagster.store import database as db, schema as sc

AT_ONCE = 500  # names in one statement; SQLite allows some thousand


class Projections:
    """A table from subject (a session or an experiment) to run id and the digest of what was shown."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    def get(self, subject: str) -> tuple[str, str] | None:
        """Return (run id, content digest) of a subject."""
        table = sc.projections
        with db.read(self._engine) as connection:
            row = connection.execute(table.select().where(table.c.subject == subject)).first()
        return (row.run_id, row.content) if row else None

    def of(self, subjects: Iterable[str]) -> dict[str, tuple[str, str]]:
        """Return (run id, content digest) of those of the subjects that are shown, asked for at once."""
        table, wanted = sc.projections, list(subjects)
        found: dict[str, tuple[str, str]] = {}
        with db.read(self._engine) as connection:
            for first in range(0, len(wanted), AT_ONCE):
                some = table.c.subject.in_(wanted[first : first + AT_ONCE])
                for row in connection.execute(table.select().where(some)):
                    found[row.subject] = (row.run_id, row.content)
        return found

    def forget(self, subjects: Iterable[str]) -> None:
        """Forget what shows these subjects: the next projection makes new runs."""
        table, unwanted = sc.projections, list(subjects)
        with db.write(self._engine) as connection:
            for first in range(0, len(unwanted), AT_ONCE):
                some = table.c.subject.in_(unwanted[first : first + AT_ONCE])
                connection.execute(table.delete().where(some))

    def put(self, subject: str, run_id: str, content: str) -> None:
        """Remember what shows a subject now."""
        table = sc.projections
        with db.write(self._engine) as connection:
            connection.execute(table.delete().where(table.c.subject == subject))
            connection.execute(table.insert().values(subject=subject, run_id=run_id, content=content))
