import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import HealthCheck, given, settings

from autoresearch_dagster.core.errors import StoreUnavailable
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.database import connect
from autoresearch_dagster.store.fold import fold
from autoresearch_dagster.store.journal import Journal
from autoresearch_dagster.store.leases import Leases
from autoresearch_dagster.store.store import open_store
from tests.histories import histories


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path / 'home' / 'journal.db'}"


def open_journal(url):
    engine = connect(url)
    return Journal(engine, Leases(engine))


def notes(journal, session="s01"):
    return [record.event.note for record in journal.events(session) if record.event.kind == "steered"]


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(events=histories())
def test_the_journal_gives_back_what_was_appended_and_folds_it_alike_for_every_reader(tmp_path, events):
    url = f"sqlite:///{tmp_path / 'shared.db'}"
    journal, other = open_journal(url), open_journal(url)
    config = ev.SessionConfig(memory_key=f"k{len(journal.sessions())}")
    session = journal.create(config, "cli", "b").id
    seen = other.state(session)
    for event in events:
        with journal.transaction(session) as transaction:
            transaction.append(event)
    assert [record.event for record in other.events(session)][1:] == events
    assert journal.state(session) == other.state(session) == fold(other.events(session))
    assert seen.sequence == 0


OPENER = """
import sys
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.database import connect
from autoresearch_dagster.store.journal import Journal
from autoresearch_dagster.store.leases import Leases
sys.stdin.readline()
engine = connect(sys.argv[1])
journal = Journal(engine, Leases(engine))
print(journal.create(ev.SessionConfig(memory_key=sys.argv[2]), "cli", "b").id)
"""


def test_processes_that_create_database_and_sessions_at_once_get_different_numbers(url):
    starters = [
        subprocess.Popen(
            [sys.executable, "-c", OPENER, url, f"k{n}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for n in range(4)
    ]
    for starter in starters:
        assert starter.stdin is not None
        starter.stdin.write("go\n")
        starter.stdin.flush()
    ids = sorted(starter.communicate()[0].strip() for starter in starters)
    assert ids == ["s01", "s02", "s03", "s04"]


def test_many_that_open_a_database_while_it_is_created_all_get_it(tmp_path):
    switch = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # of about 140 openings one met the lock that SQLite does not wait for
    try:
        for number in range(60):
            url, ready = f"sqlite:///{tmp_path / str(number) / 'journal.db'}", threading.Barrier(8)

            def open_it(url=url, ready=ready):
                ready.wait()
                return connect(url)

            with ThreadPoolExecutor(8) as pool:
                assert len([one.result() for one in [pool.submit(open_it) for _ in range(8)]]) == 8
    finally:
        sys.setswitchinterval(switch)


def test_a_read_only_database_is_one_sentence(tmp_path, url):
    open_journal(url).create(ev.SessionConfig(), "cli", "b")
    journal = open_journal(f"sqlite:///file:{tmp_path / 'home' / 'journal.db'}?mode=ro&uri=true")
    assert journal.state("s01").sequence == 0
    with pytest.raises(StoreUnavailable, match="cannot be written"), journal.transaction("s01") as transaction:
        transaction.append(ev.Steered(note="no"))


def test_events_that_were_folded_once_are_not_read_again(url):
    journal = open_journal(url)
    journal.create(ev.SessionConfig(), "cli", "b")
    with journal.transaction("s01") as transaction:
        for number in range(1000):
            transaction.append(ev.Steered(note=str(number)))
    journal.state("s01")
    with sqlite3.connect(url.removeprefix("sqlite:///")) as raw:
        raw.execute("UPDATE events SET event = '{}' WHERE sequence BETWEEN 1 AND 999")
    assert journal.state("s01").sequence == 1000


def test_the_store_opens_without_mlflow_torch_dagster_or_docker(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from autoresearch_dagster.core.settings import Settings\n"
        "from autoresearch_dagster.store.store import open_store\n"
        "open_store(Settings(home=Path(sys.argv[1]))).journal.sessions()\n"
        "print([name for name in ('mlflow', 'torch', 'dagster', 'docker') if name in sys.modules])"
    )
    assert subprocess.check_output([sys.executable, "-c", code, str(tmp_path)], text=True).strip() == "[]"


def test_the_store_of_a_machine_lies_in_its_home(tmp_path):
    store = open_store(Settings(home=tmp_path / "h", database_url=""))
    store.blobs.put(b"x")
    assert sorted(path.name for path in (tmp_path / "h").iterdir() if "-" not in path.name) == [
        "blobs",
        "journal.db",
    ]
