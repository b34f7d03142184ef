"""Kills sessions that Claude plans, again and again: each must be as an undisturbed one, and no dearer."""

import os
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal

import pytest

from autoresearch_dagster.core.limits import STALE_S
from autoresearch_dagster.experiments.collect_garbage import collect_garbage
from autoresearch_dagster.experiments.steering import steer
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.fold import fold
from autoresearch_dagster.store.ledger import usd_left
from autoresearch_dagster.store.normal_form import normal_form
from autoresearch_dagster.store.state import SessionState
from tests.anthropic_server import AnthropicServer, BrokenOff, Cut, Refused
from tests.claude import FINAL, never_repeated
from tests.faults.conftest import MakeWorld
from tests.trainers.claude_session import CODES, NOTE, REPLIES, ClaudeScript, damage_snapshots, held
from tests.trainers.drivers import Driver, until
from tests.trainers.laboratory import MODEL_KEY, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(14_400)]

NIGHT = os.environ.get("AUTORESEARCH_NIGHT") == "1"
KILLS = 100 if NIGHT else 10
KILLS_OF_A_SESSION = 5
FIXED_SEED = 20_261
MAX_USD = 20.0
TIGHT_USD = 0.9
"""Suffices for two or three requests, each of which reserves 16,000 tokens of a reply."""
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


def begun(world: World, script: ClaudeScript | None = None) -> World:
    """Start a session in a world, with a note for the agent."""
    store = world.store
    session = store.journal.create(world.order.config, "cli", world.bundle_digest).id
    steer(world.settings, world.order.memory_key, NOTE)
    if script is not None:
        script.store, script.session = store, session
    return world


def check(world: World, undisturbed: list[ev.Recorded]) -> None:
    """The research of an undisturbed session, each experiment once, no reply paid twice, nothing left."""
    records, state = world.events(), state_of(world)
    assert (state.reason, state.summary) == ("final answer", FINAL)
    assert [record.sequence for record in records] == list(range(len(records)))
    calls = [record.event for record in records if isinstance(record.event, ev.CallPending)]
    planned = [one.key for call in calls for one in call.planned]
    assert world.finished() == Counter(planned) == Counter(dict.fromkeys(planned, 1))
    assert len(planned) == len(CODES)
    assert all(one.result is not None and one.result.accepted for one in state.experiments.values()), state
    assert len(state.hypotheses) == len(CODES)
    assert never_repeated(records)
    check_ledger(records)
    assert normal_form(records) == normal_form(undisturbed)
    check_nothing_left(world)
    said = "\n".join(line for driver in world.drivers for line in driver.lines)
    assert MODEL_KEY not in said + "".join(record.model_dump_json() for record in records)


def check_nothing_left(world: World) -> None:
    """Maintenance frees what drivers held; what they were writing goes a day later."""
    assert world.maintain() == "clear"
    tomorrow = time.time() + STALE_S + 1
    assert collect_garbage(world.settings, dry_run=False, clock=lambda: tomorrow).left == ()
    assert world.leftovers() == []
    assert list(world.home.glob("snapshots/*")) == []


def check_ledger(records: list[ev.Recorded]) -> None:
    """Whatever was asked counts until it is settled, and the cap holds after each event."""
    for end in range(1, len(records) + 1):
        if isinstance(records[end - 1].event, ev.ModelAsked | ev.ModelFailed | ev.ModelAnswered):
            ledger = fold(records[:end]).ledger
            left = usd_left(ledger, fold(records[:1]).config)
            assert left is not None
            assert left >= 0
    asked = {one.event.ticket: one.event for one in records if isinstance(one.event, ev.ModelAsked)}
    answered = {one.event.ticket: one.event.usd for one in records if isinstance(one.event, ev.ModelAnswered)}
    free = {one.event.ticket for one in records if isinstance(one.event, ev.ModelFailed)}
    free -= {
        one.event.ticket for one in records if isinstance(one.event, ev.ModelFailed) and one.event.possibly_charged
    }
    ledger = fold(records).ledger
    assert ledger.usd == sum(answered.values(), Decimal(0)) > 0
    lost = asked.keys() - answered.keys() - free
    assert ledger.usd_committed == ledger.usd + sum((asked[one].reserved_usd for one in lost), Decimal(0))
    assert all(usd <= asked[ticket].reserved_usd for ticket, usd in answered.items())


def decks(rng: random.Random) -> Iterator[str]:
    """Every moment once before any comes again, in an order by chance."""
    while True:
        yield from rng.sample(MOMENTS, len(MOMENTS))


def test_a_session_of_claude_killed_at_random_moments_is_that_of_an_undisturbed_one(
    world: MakeWorld, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = random.randrange(10**6) if NIGHT else FIXED_SEED
    script = ClaudeScript()
    with AnthropicServer(script) as server:
        told = {"model_url": server.url, "session": {"max_usd": MAX_USD}}
        calm = begun(world(*CODES, **told), script)
        assert calm.drive().finish() == "finished final answer"
        assert len(server.sent) == len(REPLIES)
        undisturbed = calm.events()
        check(calm, undisturbed)
        chaos = Chaos(random.Random(seed), server, script)
        moments, sessions, began = decks(chaos.rng), 0, time.monotonic()
        while chaos.kills.total() < KILLS:
            made, sent = begun(world(*CODES, **told), script), len(server.sent)
            wanted = min(KILLS, chaos.kills.total() + KILLS_OF_A_SESSION)
            while chaos.kills.total() < wanted and state_of(made).status == "active":
                moment = next(moments)
                print(f"seed {seed}, session {sessions}: {moment}")  # noqa: T201 (shown when it fails)
                chaos.strike(made, moment)
            if state_of(made).status == "active":
                assert made.drive().finish() == "finished final answer"
            check(made, undisturbed)
            asked = [one for one in made.events() if isinstance(one.event, ev.ModelAsked)]
            assert len(REPLIES) <= len(server.sent) - sent <= len(asked)
            sessions += 1
    with capsys.disabled():
        print(  # noqa: T201
            f"\nseed {seed}: {chaos.kills.total()} kills in {sessions} sessions and {time.monotonic() - began:.0f} s: "
            f"{dict(chaos.kills)}; too late: {dict(chaos.missed)}; snapshots: {dict(chaos.harms)}"
        )


def test_a_second_driver_is_told_who_is_at_work_and_does_nothing(world: MakeWorld) -> None:
    script = ClaudeScript()
    with AnthropicServer(script) as server:
        made = begun(world(*CODES, model_url=server.url, session={"max_usd": MAX_USD}), script)
        script.faults.append(held)
        first = made.drive()
        until(lambda: server.held.acquire(blocking=False), lambda: first.lines)
        before, sent = made.events(), len(server.sent)
        said = made.drive().finish()
        assert said.startswith("StoreConflict session:")
        assert f":{first.pid}:" in said or str(first.pid) in said
        assert (made.events(), len(server.sent)) == (before, sent)
        server.release.set()
        assert first.finish() == "finished final answer"
        check_nothing_left(made)


def test_drivers_killed_at_each_request_never_pass_the_cap(world: MakeWorld) -> None:
    script = ClaudeScript()
    with AnthropicServer(script) as server:
        made = begun(world(*CODES, model_url=server.url, session={"max_usd": TIGHT_USD}), script)
        kills = 0
        while state_of(made).status == "active":
            script.faults.append(held)
            driver = made.drive()
            until(lambda: driver.ended or server.held.acquire(blocking=False), lambda: driver.lines)  # noqa: B023
            kills += killed(driver)
        server.release.set()
    state = state_of(made)
    assert f"max_usd={TIGHT_USD} is used up" in state.reason
    assert len(server.sent) == len(state.ledger.asked) == kills > 1
    assert Decimal("0.0") == state.ledger.usd < state.ledger.usd_committed <= Decimal(str(TIGHT_USD))
