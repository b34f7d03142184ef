"""Lists and leaderboards come from read tables, which say what the journal says or are not believed."""

import sqlite3

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings, strategies as st

from autoresearch_dagster.core.errors import StoreUnavailable
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store import database as db, events as ev, read_tables, schema as sc
from autoresearch_dagster.store.fold import fold
from autoresearch_dagster.store.journal import Journal
from autoresearch_dagster.store.leaderboard import leaderboard, lowest
from autoresearch_dagster.store.leases import Leases
from autoresearch_dagster.store.store import open_store
from autoresearch_dagster.store.summary import summarise
from tests import databases
from tests.histories import histories, recorded
from tests.old_journal import rows, write_version_1

QUIET = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(params=databases.KINDS)
def url(request, tmp_path):
    yield from databases.addresses(request.param, tmp_path)


def open_journal(url):
    engine = db.connect(url, 0.2)
    return Journal(engine, Leases(engine))


def begin(journal):
    number = len(journal.sessions()) + 1
    return journal.create(ev.SessionConfig(memory_key=f"k{number}"), "cli", "b").id


def truth(journal, session):
    """What the journal says, folded without any cache."""
    state = fold(journal.events(session))
    return summarise(state), leaderboard(state)


def read(journal, session):
    (summary,) = [summary for summary in journal.summaries() if summary.session == session]
    return summary, journal.leaderboard(session)


def is_believed(journal, session):
    """Whether the tables alone answer."""
    with db.read(journal._engine) as connection:
        return read_tables.leaderboard(connection, session) is not None


@QUIET
@given(events=histories(), cuts=st.sets(st.integers(0, 25)))
def test_read_tables_equal_the_fold_after_every_transaction(url, events, cuts):
    journal = open_journal(url)
    session = begin(journal)
    while events:
        size = min(cuts, default=len(events)) or 1
        with journal.transaction(session) as transaction:
            for event in events[:size]:
                transaction.append(event)
        events = events[size:]
        assert is_believed(journal, session)
        assert read(journal, session) == truth(journal, session)
    state = journal.state(session)
    top = lowest(state)
    assert (top.planned.key if top else None) == next(
        (row.key for row in leaderboard(state) if row.val_bpb is not None), None
    )


@QUIET
@given(
    events=histories(),
    damage=st.sampled_from(
        [
            "DELETE FROM session_rows",
            "DELETE FROM experiment_rows",
            "DELETE FROM experiment_rows WHERE position = 0",
            "UPDATE session_rows SET version = 'another'",
            "UPDATE session_rows SET sequence = sequence - 1",
        ]
    ),
)
def test_rows_that_are_gone_stale_or_of_another_version_are_computed_again(url, events, damage):
    journal = open_journal(url)
    session = begin(journal)
    with journal.transaction(session) as transaction:
        for event in events:
            transaction.append(event)
    with db.write(journal._engine) as connection:
        connection.exec_driver_sql(damage)
    assert read(open_journal(url), session) == truth(journal, session)
    assert is_believed(journal, session)
    with journal.transaction(session) as transaction:
        transaction.append(ev.Steered(note="goes on"))
    assert read(journal, session) == truth(journal, session)


@QUIET
@given(events=histories())
def test_events_written_behind_the_back_of_the_tables_are_seen(url, events):
    journal = open_journal(url)
    session = begin(journal)
    behind = [
        {"session": session, "sequence": sequence, "at": at, "event": event}
        for sequence, at, event in rows(recorded(events))[1:]
    ]
    if behind:
        with db.write(journal._engine) as connection:
            connection.execute(sc.events.insert(), behind)
        assert not is_believed(journal, session)
    assert read(open_journal(url), session) == truth(journal, session)
    assert is_believed(journal, session)


def test_a_transaction_that_fails_leaves_the_read_tables_as_they_were(url):
    journal = open_journal(url)
    session = begin(journal)
    before = read(journal, session)

    def fail():
        with journal.transaction(session) as transaction:
            transaction.append(ev.SessionPaused(reason="never"))
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert read(journal, session) == before == truth(journal, session)
    assert is_believed(journal, session)


@QUIET
@given(events=histories())
def test_a_database_of_version_1_opens_reads_and_goes_on(tmp_path_factory, events):
    folder = tmp_path_factory.mktemp("old")
    write_version_1(folder / "journal.db", recorded(events))
    journal = open_store(Settings(home=folder)).journal
    assert [record.event for record in journal.events("s01")][1:] == events
    assert read(journal, "s01") == truth(journal, "s01")
    with journal.transaction("s01") as transaction:
        transaction.append(ev.Steered(note="in version 2"))
    assert is_believed(journal, "s01")
    with sqlite3.connect(folder / "journal.db") as raw:
        assert raw.execute("SELECT version FROM schema_version").fetchall() == [(sc.SCHEMA_VERSION,)]


def test_a_version_1_program_at_work_is_not_believed_by_the_tables_but_its_events_are(tmp_path):
    """Whoever opened the database before the migration goes on writing events alone."""
    history = [ev.Steered(note=str(number)) for number in range(3)]
    write_version_1(tmp_path / "journal.db", recorded(history[:1]))
    old = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    journal = open_store(Settings(home=tmp_path)).journal
    assert read(journal, "s01") == truth(journal, "s01")
    old.executemany("INSERT INTO events VALUES ('s01', ?, ?, ?)", rows(recorded(history))[2:])
    assert read(journal, "s01") == truth(journal, "s01")
    assert journal.state("s01").sequence == 3


def test_two_that_migrate_at_once_do_it_once(tmp_path):
    write_version_1(tmp_path / "journal.db", recorded([]))
    url = f"sqlite:///{tmp_path / 'journal.db'}"
    first = sa.create_engine(url)
    with first.begin() as connection:
        db._migrate(connection)
    with first.begin() as connection:  # the second one found version 1 and waited for the lock
        db._migrate(connection)
    assert open_journal(url).sessions() == ["s01"]


def test_a_migration_that_fails_changes_nothing(tmp_path):
    write_version_1(tmp_path / "journal.db", recorded([]))
    with sqlite3.connect(tmp_path / "journal.db") as raw:
        raw.execute("CREATE INDEX removed_blobs ON leases (owner)")  # in the way of the last table
    with pytest.raises(StoreUnavailable):
        open_store(Settings(home=tmp_path))
    with sqlite3.connect(tmp_path / "journal.db") as raw:
        assert raw.execute("SELECT version FROM schema_version").fetchall() == [(1,)]
        assert raw.execute("SELECT count(*) FROM sqlite_master WHERE name = 'session_rows'").fetchone() == (0,)


def test_who_may_not_write_reads_all_the_same(tmp_path):
    write_version_1(tmp_path / "journal.db", recorded([ev.SessionPaused(reason="lunch")]))
    open_store(Settings(home=tmp_path))
    journal = open_journal(f"sqlite:///file:{tmp_path / 'journal.db'}?mode=ro&uri=true")
    assert read(journal, "s01") == truth(journal, "s01")
    assert not is_believed(journal, "s01")


def test_reading_up_to_date_tables_parses_no_event(tmp_path):
    journal = open_journal(f"sqlite:///{tmp_path / 'journal.db'}")
    session = begin(journal)
    found = read(journal, session)
    with sqlite3.connect(tmp_path / "journal.db") as raw:
        raw.execute("UPDATE events SET event = '{}'")
    assert read(open_journal(f"sqlite:///{tmp_path / 'journal.db'}"), session) == found
