"""What the system stands on, taken away for a while: journal, MLflow, disk, clock.  No container is needed."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from autoresearch_dagster.core.experiment import Outcome
from autoresearch_dagster.core.limits import DISK_RESERVE_BYTES, GIB
from autoresearch_dagster.experiments.project import is_behind
from tests.faults.conftest import MakeWorld
from tests.trainers.drivers import Driver, until
from tests.trainers.laboratory import World, code, remove, sleeps

LOCKER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=60)
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
time.sleep(float(sys.argv[2]))
connection.execute("ROLLBACK")
"""
KEY = "s02_d01_e01"


@contextmanager
def locked(database: Path, seconds: float) -> Iterator[None]:
    """Another process holds the write lock of a database for a while, or until the block ends."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOCKER, str(database), str(seconds)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "locked"
    try:
        yield
    finally:
        process.kill()
        process.wait()


def check(world: World) -> None:
    assert world.finished() == Counter(dict.fromkeys(world.finished(), 1))
    assert world.finished()[KEY] == 1
    assert all(one.outcome is Outcome.TRAINED and one.accepted for one in world.results().values()), world.results()
    assert len(world.results()) == len(world.order.codes)
    assert world.leftovers() == []


def at(world: World, moment: str, **changes: object) -> Driver:
    driver = world.drive(halt=moment, halt_s=0.3, **changes)
    driver.reach(f"AT {moment}")
    return driver


@pytest.mark.parametrize("moment", ["trains", "scoring"])
def test_a_journal_that_is_locked_for_a_moment_is_waited_for(moment: str, world: MakeWorld) -> None:
    made = world(sleeps(0.3))
    driver = at(made, moment)
    with locked(made.home / "journal.db", 1.0):
        time.sleep(0.8)
        assert not driver.ended
    assert driver.finish() == "finished final answer"
    check(made)


@pytest.mark.slow
def test_a_journal_that_is_locked_beyond_the_busy_timeout_costs_no_result(world: MakeWorld) -> None:
    made = world(sleeps(0.3))
    driver = at(made, "scoring", busy_timeout_s=0.5)
    with locked(made.home / "journal.db", 600.0):
        time.sleep(4.0)
    assert driver.finish() == "finished final answer"
    assert made.attempts(KEY) == 1
    check(made)


def test_a_driver_that_could_not_write_its_result_is_followed_by_one_that_can(world: MakeWorld) -> None:
    made = world(code())
    driver = at(made, "scoring", busy_timeout_s=0.2)
    with locked(made.home / "journal.db", 600.0):
        time.sleep(0.8)
        driver.kill()
    assert made.drive().finish() == "finished final answer"
    check(made)


@pytest.mark.slow
def test_a_session_whose_clock_jumps_by_hours_ends_as_any_other(world: MakeWorld) -> None:
    made = world(code(0.9), code(0.8), code(0.7), clock_jumps=True)
    assert made.drive().finish() == "finished final answer"
    check(made)


def test_a_process_that_stands_still_holds_nobody_up_for_good(world: MakeWorld) -> None:
    """Two sessions of one home and one core: one is stopped for a moment while it has the core."""
    made = world(sleeps(0.5), code(0.8))
    first = at(made, "trains")
    second = made.drive(memory_key="other")
    first.send(signal.SIGSTOP)
    time.sleep(0.3)
    assert not [line for line in second.lines if line.startswith("RESULT")]
    first.send(signal.SIGCONT)
    assert first.finish() == "finished final answer"
    assert second.finish() == "finished final answer"
    check(made)


# --- MLflow --------------------------------------------------------------------------------------


@pytest.fixture
def researched(world: MakeWorld) -> World:
    made = world(code())
    assert made.drive().finish() == "finished final answer"
    return made


def told(world: World) -> str:
    """What a process that shows the session in MLflow says; '' where all is shown."""
    return world.drive(projects="s02").finish()


MLFLOW = {
    "a file where its folder should be": lambda folder: folder.write_text("in the way"),
    "a folder where its database should be": lambda folder: (folder / "mlflow.db").mkdir(parents=True),
    "a file that is no database": lambda folder: (folder.mkdir(), (folder / "mlflow.db").write_bytes(b"x" * 4096)),
}


@pytest.mark.parametrize(
    "what",
    [
        pytest.param("a file where its folder should be", marks=pytest.mark.slow),
        pytest.param("a file that is no database", marks=pytest.mark.night),
        pytest.param("a folder where its database should be", marks=pytest.mark.night),  # MLflow tries for 100 s
    ],
)
def test_an_mlflow_that_cannot_be_used_is_one_sentence_and_catches_up_when_it_can(
    what: str, researched: World
) -> None:
    folder = researched.settings.mlruns
    MLFLOW[what](folder)
    said = told(researched)
    assert said.startswith("MLflow is behind the journal")
    assert "\n" not in said
    remove(folder)
    state = researched.store.journal.state("s02")
    assert is_behind(researched.settings, researched.store, state)
    assert told(researched) == ""
    assert not is_behind(researched.settings, researched.store, state)


@pytest.mark.night
def test_an_mlflow_that_another_process_has_locked_is_waited_for(researched: World) -> None:
    assert told(researched) == ""
    with locked(researched.settings.mlruns / "mlflow.db", 2.0):
        assert told(researched) == ""
    rows = sqlite3.connect(researched.settings.mlruns / "mlflow.db").execute("select count(*) from runs").fetchone()
    assert rows[0] >= 2


# --- disk ----------------------------------------------------------------------------------------


@pytest.fixture
def disk(world: MakeWorld) -> Iterator[World]:
    """A world on a disk of its own, of which nothing is written until something is: a sparse file, mounted."""
    made = world(code(0.9), sleeps(1.0, 0.8), code(0.7), batch=1)
    place = made.folder / "disk"
    place.mkdir()
    whole = made.folder / "whole"
    with whole.open("wb") as file:
        file.truncate(DISK_RESERVE_BYTES + 2 * GIB)
    if os.geteuid() != 0 or shutil.which("mkfs.ext4", path=os.environ["PATH"] + ":/sbin:/usr/sbin") is None:
        pytest.skip("mounting a disk of one's own needs root and mkfs.ext4")
    environment = {**os.environ, "PATH": os.environ["PATH"] + ":/sbin:/usr/sbin"}
    subprocess.run(["mkfs.ext4", "-q", "-F", str(whole)], check=True, env=environment)
    mounted = subprocess.run(["mount", "-o", "loop", str(whole), str(place)], capture_output=True, check=False)
    if mounted.returncode:
        pytest.skip(f"mounting is not permitted here: {mounted.stderr.decode().strip()}")
    shutil.move(made.home, place / "home")
    made.home.symlink_to(place / "home")
    (place / "tmp").mkdir()
    made.temporary.rmdir()
    made.temporary.symlink_to(place / "tmp")
    yield made
    made.close()
    subprocess.run(["umount", "--lazy", str(place)], check=False)


def leave(world: World, free_bytes: int) -> Path:
    """Take the room of a disk until so much is left."""
    ballast = world.folder / "disk" / "ballast"
    taken = shutil.disk_usage(world.folder / "disk").free - free_bytes
    subprocess.run(["fallocate", "-l", str(taken), str(ballast)], check=True)
    return ballast


@pytest.mark.slow
def test_a_disk_without_the_reserve_pauses_the_session_with_a_sentence_and_it_goes_on_later(disk: World) -> None:
    ballast = leave(disk, DISK_RESERVE_BYTES // 2)
    said = disk.drive().finish()
    assert said.startswith("paused ")
    assert "GiB" in said or "MiB" in said
    assert disk.results() == {}
    ballast.unlink()
    assert disk.drive().finish() == "finished final answer"
    check(disk)


@pytest.mark.slow
def test_a_disk_that_fills_up_while_an_experiment_trains_loses_nothing(disk: World) -> None:
    driver = disk.drive(halt="trains", halt_s=1.0)
    driver.reach("AT trains")
    ballast = leave(disk, 4096)
    said = driver.finish()
    assert said != "finished final answer"
    assert "Traceback" not in said
    ballast.unlink()
    assert until(disk.drive().finish) == "finished final answer"
    check(disk)
