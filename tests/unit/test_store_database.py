"""What a person is told when the database cannot be used: one sentence, and nothing is lost."""

import sqlite3
from pathlib import Path

import pytest

from autoresearch_dagster.core.errors import StoreUnavailable
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store import database as db, events as ev, schema as sc
from autoresearch_dagster.store.journal import Journal
from autoresearch_dagster.store.leases import Leases
from autoresearch_dagster.store.projections import Projections
from autoresearch_dagster.store.store import open_store


def one_sentence(fault: pytest.ExceptionInfo[StoreUnavailable]) -> str:
    said = str(fault.value)
    assert said.endswith(".")
    assert "\n" not in said
    assert "Traceback" not in said
    return said


def journal_in(folder: Path) -> tuple[str, Journal]:
    url = f"sqlite:///{folder / 'journal.db'}"
    engine = db.connect(url, busy_timeout_s=0.2)
    journal = Journal(engine, Leases(engine))
    journal.create(ev.SessionConfig(memory_key="tests"), "cli", "bundle")
    return url, journal


def test_a_locked_journal_is_reported_and_works_again_when_it_is_free(tmp_path: Path) -> None:
    url, journal = journal_in(tmp_path)
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable) as fault, journal.transaction("s01") as transaction:
        transaction.append(ev.Steered(note="never"))
    assert "locked by another program" in one_sentence(fault)
    late = db.connect(url, busy_timeout_s=0.2)  # whoever only looks may come in meanwhile
    assert Journal(late, Leases(late)).state("s01").sequence == 0
    with (
        pytest.raises(StoreUnavailable, match="locked"),
        Journal(late, Leases(late)).transaction("s01") as other_tx,
    ):
        other_tx.append(ev.Steered(note="never"))
    assert journal.state("s01").sequence == 0  # readers go on
    other.execute("ROLLBACK")
    with journal.transaction("s01") as transaction:
        transaction.append(ev.Steered(note="now"))
    assert journal.state("s01").sequence == 1


def test_a_new_journal_that_cannot_be_made_because_it_is_locked_is_reported(tmp_path: Path) -> None:
    other = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    other.execute("PRAGMA journal_mode=WAL")
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="locked"):
        db.connect(f"sqlite:///{tmp_path / 'journal.db'}", busy_timeout_s=0.2)


def test_a_file_that_is_no_database_is_reported_and_left_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "journal.db"
    file.write_bytes(b"this was never a database" * 100)
    with pytest.raises(StoreUnavailable) as fault:
        db.connect(f"sqlite:///{file}")
    assert "damaged" in one_sentence(fault)
    assert file.read_bytes().startswith(b"this was never")


def test_damaged_pages_are_reported(tmp_path: Path) -> None:
    _, journal = journal_in(tmp_path)
    with journal.transaction("s01") as transaction:
        for number in range(200):
            transaction.append(ev.Steered(note=f"{number} " + "x" * 500))
    file = tmp_path / "journal.db"
    writing = sqlite3.connect(file)
    writing.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    writing.close()
    whole = file.read_bytes()
    file.write_bytes(whole[:8192] + b"\xff" * (len(whole) - 8192))

    def look() -> None:
        engine = db.connect(f"sqlite:///{file}")
        Journal(engine, Leases(engine)).events("s01")

    with pytest.raises(StoreUnavailable) as fault:
        look()
    assert "damaged" in one_sentence(fault)


def test_a_home_that_cannot_be_a_folder_is_reported(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(StoreUnavailable) as fault:
        open_store(Settings(home=tmp_path / "file" / "home"))
    assert "AUTORESEARCH_HOME" in one_sentence(fault)


def test_a_database_that_cannot_be_opened_is_reported(tmp_path: Path) -> None:
    (tmp_path / "journal.db").mkdir()
    with pytest.raises(StoreUnavailable) as fault:
        open_store(Settings(home=tmp_path))
    assert "cannot be written" in one_sentence(fault)


@pytest.mark.parametrize("url", ["nonsense", "martian://somewhere/db", "mysql+nodriver://host/db"])
def test_an_address_that_is_not_known_is_reported(url: str) -> None:
    with pytest.raises(StoreUnavailable) as fault:
        db.connect(url)
    assert "AUTORESEARCH_DATABASE_URL" in one_sentence(fault)


def test_a_journal_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    url, journal = journal_in(tmp_path)
    with db.write(db.connect(url)) as connection:
        connection.execute(sc.schema_version.update().values(version=sc.SCHEMA_VERSION + 1))
    with pytest.raises(StoreUnavailable, match="newer version"):
        db.connect(url)
    assert journal.sessions() == ["s01"]


def test_commits_survive_a_power_cut(tmp_path: Path) -> None:
    engine = db.connect(f"sqlite:///{tmp_path / 'journal.db'}")
    with db.read(engine) as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2  # FULL
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_subject_has_one_projection_the_latest(tmp_path: Path) -> None:
    projections = Projections(db.connect(f"sqlite:///{tmp_path / 'journal.db'}"))
    assert projections.get("s01_d01_e01") is None
    projections.put("s01_d01_e01", "run-1", "a")
    projections.put("s01_d01_e01", "run-2", "b")
    assert projections.get("s01_d01_e01") == ("run-2", "b")
