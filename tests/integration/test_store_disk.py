"""A disk that is full or read-only: one sentence, and nothing that was committed is lost.

They need a file system of their own, so they run where the user may mount one and are skipped elsewhere.
"""

import subprocess
from contextlib import suppress

import pytest

from autoresearch_dagster.core.errors import StoreUnavailable, UserError
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.archive import export_session
from autoresearch_dagster.experiments.import_archive import import_session
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.store import open_store
from tests.researched import research

KEY = "parallelized-autoresearch"


@pytest.fixture
def small(tmp_path):
    """A file system of 3 MiB."""
    place = tmp_path / "small"
    place.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", str(place)], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def one_sentence(fault):
    said = str(fault.value)
    assert said.endswith(".")
    assert "\n" not in said
    return said


def test_a_full_disk_while_appending_loses_nothing_that_was_committed(small):
    store = open_store(Settings(home=small))
    store.journal.create(ev.SessionConfig(memory_key="k"), "cli", "b")
    committed = 0

    def append_for_ever():
        nonlocal committed
        while True:
            with store.journal.transaction("s01") as transaction:
                transaction.append(ev.Steered(note=f"{committed} " + "x" * 20_000))
            committed += 1

    with pytest.raises(StoreUnavailable) as fault:
        append_for_ever()
    assert "disk is full" in one_sentence(fault)
    assert committed > 3
    assert len(store.journal.events("s01")) == committed + 1
    assert store.journal.summaries()[0].session == "s01"
    subprocess.run(["mount", "-o", "remount,size=12m", str(small)], check=True)
    with store.journal.transaction("s01") as transaction:
        transaction.append(ev.Steered(note="there is room again"))
    again = open_store(Settings(home=small)).journal
    assert again.state("s01").sequence == committed + 1
    assert [record.sequence for record in again.events("s01")] == list(range(committed + 2))


def test_a_full_disk_leaves_no_half_of_a_blob(small):
    blobs = open_store(Settings(home=small)).blobs
    with pytest.raises(StoreUnavailable) as fault:
        blobs.put(b"x" * (8 << 20))
    assert "free some space" in one_sentence(fault)
    assert list((small / "blobs").rglob("*")) == []


def test_a_full_disk_leaves_no_half_of_an_archive_and_no_half_of_a_session(small, tmp_path):
    research(tmp_path / "home", n_experiments=1, batch_size=1)
    home = Settings(home=tmp_path / "home")
    export_session(home, KEY, tmp_path / "s.tar", checkpoints=True)
    (small / "filler").write_bytes(b"x" * ((3 << 20) - 4096))
    with pytest.raises(UserError) as fault:
        export_session(home, KEY, small / "s.tar")
    assert "cannot be written" in one_sentence(fault)
    assert [path.name for path in small.iterdir()] == ["filler"]
    (small / "filler").unlink()
    store = open_store(Settings(home=small))
    with suppress(OSError), (small / "filler").open("wb") as filler:
        while True:
            filler.write(b"x" * 4096)
            filler.flush()
    with pytest.raises(StoreUnavailable) as trouble:
        import_session(Settings(home=small), tmp_path / "s.tar")
    one_sentence(trouble)
    assert store.journal.sessions() == []
    (small / "filler").unlink()
    assert import_session(Settings(home=small), tmp_path / "s.tar").status == "finished"


def test_a_read_only_home_is_read_and_refuses_to_write(small):
    store = open_store(Settings(home=small))
    store.journal.create(ev.SessionConfig(memory_key="k"), "cli", "b")
    store.engine.dispose()
    subprocess.run(["mount", "-o", "remount,ro", str(small)], check=True)
    try:
        with pytest.raises(StoreUnavailable) as fault:
            open_store(Settings(home=small)).journal.create(ev.SessionConfig(memory_key="l"), "cli", "b")
        assert "AUTORESEARCH_HOME" in one_sentence(fault)
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(small)], check=True)
    assert open_store(Settings(home=small)).journal.sessions() == ["s01"]
