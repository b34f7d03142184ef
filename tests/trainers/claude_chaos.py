"""Kills the drivers of a session that Claude plans: at the model, at a writing, in a training, at any time."""

import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from autoresearch_dagster.store.state import SessionState
from tests.anthropic_server import AnthropicServer, BrokenOff, Cut, Refused
from tests.trainers.claude_session import ClaudeScript, damage_snapshots, held
from tests.trainers.drivers import Driver, until
from tests.trainers.laboratory import World

AT_THE_MODEL = ["asking", "answered", "slow", "busy", "cut", "broken off"]
AT_A_WRITING = [
    *("model_asked", "model_answered", "model_replied", "plan_started", "call_recorded"),
    *("call_pending", "call_answered", "plan_finished", "attempt_started", "session_finished"),
]
AT_TRAINING = ["trains", "scoring A", "scoring B", "committing", "committed"]
MOMENTS = [
    *AT_THE_MODEL,
    *(f"writing {kind}" for kind in AT_A_WRITING),
    *AT_TRAINING,
    *("whenever", "two drivers", "agent alone"),
]
"""`whenever` is a time by chance; `two drivers` are started at once, and the one at work is killed."""
WRITINGS_PASSED = {"writing call_recorded": 6, "writing model_answered": 1, "writing plan_finished": 1}
"""How many of a kind are passed by at most, by chance, before the driver is killed at the next one."""


@dataclass
class Chaos:
    """What was done so far."""

    rng: random.Random
    server: AnthropicServer
    script: ClaudeScript
    kills: Counter[str] = field(default_factory=Counter[str])
    missed: Counter[str] = field(default_factory=Counter[str])
    harms: Counter[str] = field(default_factory=Counter[str])

    # --- one kill -----------------------------------------------------------------------------------

    def strike(self, world: World, moment: str) -> None:
        """Start a driver and kill it at a moment, unless it ends before that."""
        hit = self._at_the_model(world, moment) if moment in AT_THE_MODEL else self._elsewhere(world, moment)
        self.script.faults.clear()
        (self.kills if hit else self.missed)[moment] += 1
        self.harms[damage_snapshots(world.home / "snapshots", self.rng)] += 1

    def _elsewhere(self, world: World, moment: str) -> bool:
        match moment:
            case "whenever":
                driver = world.drive()
                time.sleep(self.rng.uniform(0.0, 4.0))
            case "two drivers":
                driver = one_of_two(world)
            case "agent alone":
                driver = world.drive(way="agent", halt="writing call_recorded", passes=self.rng.randint(0, 3))
                reached(driver, "AT ")
            case _:
                passes = self.rng.randint(0, WRITINGS_PASSED.get(moment, 0))
                driver = world.drive(halt=moment, passes=passes)
                reached(driver, "AT ")
        return killed(driver)

    def _at_the_model(self, world: World, moment: str) -> bool:
        drain(self.server.held), drain(self.script.answered)
        if moment in ("asking", "slow"):
            self.script.faults.append(held)
        elif moment == "busy":
            busy = [Refused(529, "overloaded_error", "Overloaded"), Refused(429, "rate_limit_error", "", "1")]
            self.script.faults.extend([lambda _reply: self.rng.choice(busy), held])
        elif moment != "answered":
            self.script.faults.extend([lambda _reply: Cut() if moment == "cut" else BrokenOff(), held])
        driver = world.drive()
        heard = self.script.answered if moment == "answered" else self.server.held
        until(lambda: driver.ended or heard.acquire(blocking=False), lambda: driver.lines)
        time.sleep(self.rng.uniform(0.0, 0.1))
        if moment == "slow":  # the reply is on its way when the driver is killed
            self.server.release.set()
            time.sleep(self.rng.uniform(0.0, 0.05))
        hit = killed(driver)
        self.server.release.set()
        self.server.release.clear()
        return hit


def drain(semaphore: threading.Semaphore) -> None:
    while semaphore.acquire(blocking=False):
        pass


def reached(driver: Driver, words: str) -> bool:
    """Wait for a line that begins so, or for the driver's end."""
    until(lambda: driver.ended or any(line.startswith(words) for line in driver.lines), lambda: driver.lines)
    return not driver.ended


def killed(driver: Driver) -> bool:
    """Kill a driver; false: it had ended by itself, without a fault."""
    if not driver.ended:
        driver.kill()
        if not any(line.startswith("END ") for line in driver.lines):
            return True
    assert "fault" not in driver.finish()
    return False


def one_of_two(world: World) -> Driver:
    """Start two drivers at once; return the one at work when the other was told so."""
    both = [world.drive(), world.drive()]
    until(lambda: any(one.ended for one in both), lambda: [one.lines for one in both])
    both.sort(key=lambda one: one.ended)
    if state_of(world).status == "active":
        assert "is held by" in both[1].finish(), both[1].lines
    return both[0]


def state_of(world: World) -> SessionState:
    state = world.store.journal.find(world.order.memory_key)
    assert state is not None
    return state


def decks(rng: random.Random) -> Iterator[str]:
    """Every moment once before any comes again, in an order by chance."""
    while True:
        yield from rng.sample(MOMENTS, len(MOMENTS))
