"""Many tiny experiments in one session, with a random fault every few seconds.

    python -m tests.faults.soak [EXPERIMENTS] [SEED] [local|docker]

prints one line: what was done to it and what it left.  The session runs in real containers with the numpy trainer;
its driver is killed, its containers are killed and removed, its journal is locked, its processes are stopped.
"""

import random
import signal
import sqlite3
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import docker.errors

from autoresearch_dagster.core.experiment import Outcome
from autoresearch_dagster.core.limits import MIB
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.data.build import build_bundle
from tests.trainers.drivers import Driver, nursery
from tests.trainers.laboratory import World, code, order, remove, trainer_image

SLOTS = 2
BATCH = 4
EVERY_S = (2.0, 5.0)
"""Seconds between two faults, at random."""
LOCK_S = 1.5
STOP_S = 1.5
GIVE_UP_S = 6 * 3600.0


@dataclass
class Soak:
    """What was done and what was seen.  Units: bytes, seconds."""

    seed: int
    experiments: int
    faults: Counter[str] = field(default_factory=Counter[str])
    drivers: int = 0
    memory: list[list[int]] = field(default_factory=list[list[int]])
    """Of each driver that lived: what it held, look after look."""
    wall_s: float = 0.0
    results: int = 0
    twice: int = 0
    outcomes: Counter[str] = field(default_factory=Counter[str])
    blamed: dict[str, str] = field(default_factory=dict[str, str])
    """What candidates were blamed for, by title: they are all innocent."""
    left: list[str] = field(default_factory=list[str])

    def growth_bytes(self) -> int:
        """By how much the longest-lived driver grew, from the first third of its looks to the last."""
        looks = max(self.memory, key=len, default=[])
        third = len(looks) // 3
        return max(looks[-third:]) - max(looks[:third]) if third else 0

    def line(self) -> str:
        """One line for a person."""
        faults = ", ".join(f"{count} x {name}" for name, count in sorted(self.faults.items()))
        outcomes = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        return (
            f"soak seed={self.seed}: {self.results} results of {self.experiments} ({outcomes}), "
            f"{self.twice} twice, {len(self.left)} left behind; "
            f"{self.faults.total()} faults in {self.wall_s:.0f} s ({faults}); "
            f"{self.drivers} drivers, the longest grew by {self.growth_bytes() / MIB:.0f} MiB"
        )


Fault = Callable[[World, Driver, random.Random], bool]
"""Does harm; false where there was nothing to harm just then."""


def kill_driver(_world: World, driver: Driver, _rng: random.Random) -> bool:
    driver.kill()
    return True


def kill_container(world: World, _driver: Driver, rng: random.Random) -> bool:
    running = [one for one in world.all_containers() if one.status == "running"]
    if running:
        rng.choice(running).kill()
    return bool(running)


def remove_container(world: World, _driver: Driver, rng: random.Random) -> bool:
    there = world.all_containers()
    if there:
        rng.choice(there).remove(force=True)
    return bool(there)


def stop_container(world: World, _driver: Driver, rng: random.Random) -> bool:
    running = [one for one in world.all_containers() if one.status == "running"]
    if running:
        chosen = rng.choice(running)
        chosen.pause()
        time.sleep(STOP_S)
        chosen.unpause()
    return bool(running)


def lock_journal(world: World, _driver: Driver, _rng: random.Random) -> bool:
    with closing(sqlite3.connect(world.home / "journal.db", isolation_level=None, timeout=60)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        time.sleep(LOCK_S)
        connection.execute("ROLLBACK")
    return True


def stop_driver(_world: World, driver: Driver, _rng: random.Random) -> bool:
    driver.send(signal.SIGSTOP)
    time.sleep(STOP_S)
    driver.send(signal.SIGCONT)
    return True


def forget_snapshots(world: World, _driver: Driver, _rng: random.Random) -> bool:
    there = (world.home / "snapshots").is_dir()
    remove(world.home / "snapshots")
    return there


def kill_process(world: World, driver: Driver, rng: random.Random) -> bool:
    """Kill any process of the session but its driver: a job, a worker of the plans' sandbox."""
    others = [one for one in world._processes() if one.pid != driver.pid]
    if others:
        rng.choice(others).kill()
    return bool(others)


EVERYWHERE: dict[str, Fault] = {
    "driver killed": kill_driver,
    "journal locked": lock_journal,
    "driver stopped": stop_driver,
    "snapshots deleted": forget_snapshots,
}
IN_CONTAINERS: dict[str, Fault] = {
    "container killed": kill_container,
    "container removed": remove_container,
    "container paused": stop_container,
}
IN_PROCESSES: dict[str, Fault] = {"process killed": kill_process}


def soak(world: World, seed: int) -> Soak:
    """Drive the world's session to its end, doing harm all the time, and count what became of it."""
    rng, done = random.Random(seed), Soak(seed, len(world.order.codes))
    faults = {**EVERYWHERE, **(IN_CONTAINERS if world.order.image else IN_PROCESSES)}
    started = time.monotonic()
    driver, looks = begin(world, done)
    following = time.monotonic() + rng.uniform(*EVERY_S)
    while True:
        if driver.ended:
            if driver.lines and driver.lines[-1].startswith("END finished"):
                break
            driver, looks = begin(world, done)
        with suppress(Exception):
            looks.append(driver.memory_bytes())
        if time.monotonic() > following:
            following = time.monotonic() + rng.uniform(*EVERY_S)
            name = rng.choice(sorted(faults))
            with suppress(docker.errors.APIError, ProcessLookupError, sqlite3.OperationalError):
                done.faults[name] += faults[name](world, driver, rng)  # what ended by itself meanwhile is no fault
        assert time.monotonic() - started < GIVE_UP_S, "\n".join(driver.lines[-30:])
        time.sleep(0.1)
    done.wall_s = time.monotonic() - started
    count(world, done)
    return done


def begin(world: World, done: Soak) -> tuple[Driver, list[int]]:
    done.drivers += 1
    done.memory.append([])
    return world.drive(), done.memory[-1]


def count(world: World, done: Soak) -> None:
    """Look at the journal, then at everything that may have been left."""
    finished, results = world.finished(), world.results()
    done.results, done.twice = len(results), sum(times - 1 for times in finished.values())
    done.outcomes = Counter(one.outcome.value for one in results.values())
    innocent = (Outcome.TRAINED, Outcome.LOST)  # one that is hit three times in a row is given up as Lost
    done.blamed = {
        title: f"{one.outcome}: {one.error}" for title, one in results.items() if one.outcome not in innocent
    }
    world.maintain()
    done.left = world.leftovers()


def codes(number: int) -> list[str]:
    """Candidates that are all a little worse than the baseline, each by its own measure and of its own structure.

    On a plateau, other numbers alone would be refused, also those of code that was saved before.
    """
    return [code(f"max({', '.join([str(0.95 - place / 1000)] * (place + 2))})") for place in range(number)]


def main(number: int, seed: int, runner: str) -> None:
    place = Path(tempfile.mkdtemp(prefix="ar-soak-"))
    place.chmod(0o755)
    try:
        bundle = build_bundle("sample", 1, 32, place / "bundles", lambda _line: None)
        image = trainer_image(load_settings()) if runner == "docker" else ""
        with nursery() as drivers:
            world = World(
                place / "world", drivers, order(bundle, *codes(number), image=image, batch=BATCH), slots=SLOTS
            )
            try:
                done = soak(world, seed)
            finally:
                world.close()
    finally:
        remove(place)
    print(done.line())  # noqa: T201 (a command)
    for one in done.left:
        print("left:", one)  # noqa: T201
    for title, why in done.blamed.items():
        print("blamed:", title, why)  # noqa: T201
    sys.exit(1 if done.results != number or done.twice or done.left or done.blamed else 0)


if __name__ == "__main__":
    told = [int(word) for word in sys.argv[1:] if word.isdecimal()]
    wanted, chosen = (*told, 200, int(time.time()))[:1], (*told[1:], int(time.time()))[:1]
    main(*wanted, *chosen, "local" if "local" in sys.argv else "docker")
