"""Read tables: what lists and leaderboards are read from, so that nobody folds a journal to look at it.

They follow from the events and are never the truth: rows that are missing, behind the journal or written by
another version of this code are not believed, and are computed again.
"""

import json
from collections.abc import Iterator

import sqlalchemy as sa

from autoresearch_dagster.core.experiment import digest_of
from autoresearch_dagster.store import schema as sc
from autoresearch_dagster.store.leaderboard import Place, Row, places, row_of, score
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.store.summary import SessionSummary, summarise

PLACE = frozenset({"rank", "delta_vs_best"})
"""Fields of a row that follow from the other rows."""
MEANING = 3
"""Grows when the same events give other rows although the fields of the rows are the same."""
VERSION = digest_of(repr((MEANING, [*SessionSummary.model_fields], [*Row.model_fields])).encode())[:16]


def update(connection: sa.Connection, before: SessionState, after: SessionState) -> None:
    """Bring a session's rows from one state to a later one, in the transaction that appends its events."""
    found = connection.execute(
        sa.select(sc.session_rows.c.sequence, sc.session_rows.c.version, sc.session_rows.c.experiments).where(
            sc.session_rows.c.session == after.id
        )
    ).first()
    if found is None or tuple(found) != (before.sequence, VERSION, len(before.experiments)):
        rebuild(connection, after)
        return
    table = sc.experiment_rows
    changed = list(_changed(before, after))
    old = [position for position, _ in changed if position < len(before.experiments)]
    for position in old:
        connection.execute(table.delete().where(table.c.session == after.id, table.c.position == position))
    _insert(connection, after.id, changed)
    connection.execute(
        sc.session_rows.update().where(sc.session_rows.c.session == after.id).values(**_session_row(after))
    )


def rebuild(connection: sa.Connection, state: SessionState) -> None:
    """Write all rows of a session anew."""
    for table in (sc.experiment_rows, sc.session_rows):
        connection.execute(table.delete().where(table.c.session == state.id))
    _insert(connection, state.id, list(enumerate(state.experiments.values())))
    connection.execute(sc.session_rows.insert().values(session=state.id, **_session_row(state)))


def summaries(connection: sa.Connection) -> dict[str, SessionSummary | None]:
    """Return every session's summary, oldest first; None where the rows are not to be believed."""
    statement = (
        sa.select(sc.sessions.c.id, sc.session_rows.c.facts, _is_current())
        .select_from(sc.sessions.outerjoin(sc.session_rows))
        .order_by(sc.sessions.c.number)
    )
    return {
        session: SessionSummary.model_validate_json(text) if current else None
        for session, text, current in connection.execute(statement)
    }


def leaderboard(connection: sa.Connection, session: str) -> list[Row] | None:
    """Return a session's leaderboard; None where the rows are not to be believed."""
    heading = sa.select(sc.session_rows.c.experiments, _is_current()).select_from(sc.sessions.join(sc.session_rows))
    found = connection.execute(heading.where(sc.sessions.c.id == session)).first()
    if found is None or not found[1]:
        return None
    table = sc.experiment_rows
    statement = sa.select(table.c.score, table.c.facts).where(table.c.session == session).order_by(table.c.position)
    rows = connection.execute(statement).all()
    if len(rows) != found[0]:
        return None
    return [_row_at(rows[place.index][1], place) for place in places([row[0] for row in rows])]


def _is_current() -> sa.ColumnElement[bool]:
    """Whether rows were written by this version, with the last event of the journal."""
    last = (
        sa.select(sa.func.max(sc.events.c.sequence))
        .where(sc.events.c.session == sc.sessions.c.id)
        .scalar_subquery()
    )
    rows = sc.session_rows.c
    return sa.func.coalesce(sa.and_(rows.version == VERSION, rows.sequence == last), sa.false())


def _changed(before: SessionState, after: SessionState) -> Iterator[tuple[int, Experiment]]:
    """Find what is another object than before: experiments are immutable, so no kind of event is missed."""
    for position, (key, experiment) in enumerate(after.experiments.items()):
        if before.experiments.get(key) is not experiment:
            yield position, experiment


def _session_row(state: SessionState) -> dict[str, object]:
    return {
        "sequence": state.sequence,
        "version": VERSION,
        "experiments": len(state.experiments),
        "facts": summarise(state).model_dump_json(),
    }


def _insert(connection: sa.Connection, session: str, rows: list[tuple[int, Experiment]]) -> None:
    if rows:
        connection.execute(
            sc.experiment_rows.insert(),
            [
                {"session": session, "position": position, "score": score(experiment), "facts": _facts(experiment)}
                for position, experiment in rows
            ],
        )


def _facts(experiment: Experiment) -> str:
    """Write an experiment's row without its place, which changes with every other experiment."""
    return row_of(experiment, Place(0, 0, None)).model_dump_json(exclude={*PLACE})


def _row_at(text: str, place: Place) -> Row:
    """Put the place back into a row: as text, since copying a thousand rows takes longer than reading them."""
    delta = json.dumps(place.delta_vs_best)
    return Row.model_validate_json(f'{{"rank":{place.rank},"delta_vs_best":{delta},{text[1:]}')
