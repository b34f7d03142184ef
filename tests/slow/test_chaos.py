"""Kills a whole session again and again: what is left must be the research of an undisturbed one."""

import functools
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from autoresearch_dagster.core.experiment import Label
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.store import events as ev, promotion_events as pe
from autoresearch_dagster.store.journal import Journal
from autoresearch_dagster.store.normal_form import normal_form
from autoresearch_dagster.store.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(14_400)]

EXPERIMENTS = 4
KILLS = 100 if os.environ.get("AUTORESEARCH_NIGHT") == "1" else 10
SEED = 20_261
# A kill is aimed at what the driver is doing, then delayed at random: blind delays would hit training only.
MOMENTS = ["starting"] * 2 + ["thinking"] * 2 + ["training"] * 3 + ["scoring"] * 2 + ["collecting"]
DELAY_S = {"starting": 5.0, "thinking": 0.0, "training": 6.0, "scoring": 1.5, "collecting": 2.0}
SIGNS = {"training": "  training", "scoring": "  scoring", "collecting": "  val_bpb"}
EVENTS_OF_A_THOUGHT = 12
GIVE_UP_S = 180.0
# The command line on a smaller demo: a training that ends by its steps gives the same score on a busy machine too.
PROGRAM = """
import dataclasses, sys
from autoresearch_dagster.cli import main
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.presets import PRESETS
limits.BASELINE_TIMES = 100.0
demo = PRESETS["demo"]
config = demo.config.model_copy(update={"max_steps": 16, "time_budget_sec": 45})
PRESETS["demo"] = dataclasses.replace(demo, config=config)
main(sys.argv[1:])
"""


class Driver:
    """`autoresearch run` as its own process, all its state in one folder."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home"
        (folder / "tmp").mkdir(parents=True, exist_ok=True)
        places = {
            "AUTORESEARCH_HOME": str(self.home),
            "AUTORESEARCH_MLRUNS": str(folder / "mlruns"),
            "DAGSTER_HOME": str(folder / "dagster"),
            "TMPDIR": str(folder / "tmp"),
        }
        command = [sys.executable, "-c", PROGRAM, "run", "--preset", "demo", "--memory-key", "chaos"]
        self.process = subprocess.Popen(
            [*command, "--n-experiments", str(EXPERIMENTS), "--batch-size", "2"],
            cwd=PROJECT_ROOT,
            env={**os.environ, **places, "AUTORESEARCH_RUNNER": "plain", "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.append(line.rstrip())

    @property
    def ended(self) -> bool:
        return self.process.poll() is not None

    def wait(self) -> None:
        """Let it work to its end; a failure shows what it said."""
        code = self.process.wait(1_200)
        self._reader.join(10)
        assert code == 0, "\n".join(self.lines)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def reach(self, moment: str, rng: random.Random) -> None:
        """Return when the driver is in the middle of something, or has ended."""
        if moment == "thinking":
            wanted = _count(self.home) + rng.randint(1, EVENTS_OF_A_THOUGHT)
            self._until(lambda: _count(self.home) >= wanted or any("  training" in line for line in self.lines))
        elif moment in SIGNS:
            self._until(lambda: any(SIGNS[moment] in line for line in self.lines))
        time.sleep(0 if self.ended else rng.uniform(0.0, DELAY_S[moment]))

    def _until(self, reached: Callable[[], bool]) -> None:
        deadline = time.monotonic() + GIVE_UP_S
        while not (reached() or self.ended):
            assert time.monotonic() < deadline, "\n".join(self.lines)
            time.sleep(0.02)


@functools.cache
def _journal(home: Path) -> Journal:
    return open_store(Settings(home=home)).journal


def _events(home: Path) -> list[ev.Recorded]:
    if not (home / "journal.db").exists():
        return []
    journal = _journal(home)
    return [record for session in journal.sessions() for record in journal.events(session)]


def _count(home: Path) -> int:
    return len(_events(home))


def _finished(home: Path) -> bool:
    return any(isinstance(record.event, ev.SessionFinished) for record in _events(home))


def _processes_of(home: Path) -> list[str]:
    """Every process that was told of this home: drivers, jobs, sandbox workers."""
    found: list[str] = []
    for process in psutil.process_iter():
        try:
            if any(str(home) in value for value in process.environ().values()):
                found.append(f"{process.pid} {' '.join(process.cmdline())}")
        except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
            continue
    return found


def _disturbed(folder: Path, moments: list[str], rng: random.Random) -> Counter[str]:
    """Run one session to its end, killing its driver at each of these moments while it lasts."""
    home, hits = folder / "home", Counter[str]()
    while not _finished(home):
        driver = Driver(folder)
        if not moments:
            driver.wait()
            continue
        driver.reach(moments[0], rng)
        if driver.ended:
            driver.wait()
            continue
        driver.kill()
        hits[moments.pop(0)] += 1
        if rng.random() < 0.4:
            shutil.rmtree(home / "snapshots", ignore_errors=True)
    return hits


def _check(home: Path, undisturbed: list[ev.Recorded]) -> None:
    journal = _journal(home)
    assert journal.sessions() == ["s01"]
    records = journal.events("s01")
    assert [record.sequence for record in records] == list(range(len(records)))
    planned = [
        item.key
        for record in records
        if not isinstance(record.event, pe.FloorMeasured)  # which names trainings that were planned before
        for item in ev.planned_in(record.event)
    ]
    finished = Counter(record.event.key for record in records if isinstance(record.event, ev.ExperimentFinished))
    assert sum("_e" in key for key in planned) == EXPERIMENTS
    assert len(planned) == len(set(planned)) > EXPERIMENTS
    assert finished == Counter(planned)
    assert normal_form(records) == normal_form(undisturbed)
    assert _processes_of(home) == []
    assert list((home / "jobs").glob("*.json")) == []


def test_a_session_killed_at_random_moments_is_the_research_of_an_undisturbed_one(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    calm = Driver(tmp_path / "calm")
    left = MOMENTS * (KILLS // len(MOMENTS))
    rng.shuffle(left)
    hits: Counter[str] = Counter()
    homes: list[Path] = []
    while left:
        folder = tmp_path / f"chaos-{len(homes)}"
        # More kills than this in one session would only repeat its first training.
        portion = [left.pop() for _ in range(min(len(left), len(MOMENTS)))]
        asked = len(portion)
        hits += _disturbed(folder, portion, rng)
        assert len(portion) < asked
        left += portion
        homes.append(folder / "home")
    calm.wait()
    assert hits.total() >= KILLS
    assert set(hits) == set(MOMENTS)
    undisturbed = _events(tmp_path / "calm" / "home")
    results = [record.event.result for record in undisturbed if isinstance(record.event, ev.ExperimentFinished)]
    assert all(result.accepted and Label.STARVED not in result.labels for result in results), results
    for home in homes:
        _check(home, undisturbed)
