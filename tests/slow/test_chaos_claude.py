"""Kills sessions that Claude plans, again and again: each must be as an undisturbed one, and no dearer."""

import os
import random
import time
from collections import Counter
from decimal import Decimal

import pytest

from autoresearch_dagster.core.limits import STALE_S
from autoresearch_dagster.experiments.collect_garbage import collect_garbage
from autoresearch_dagster.experiments.steering import steer
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.fold import fold
from autoresearch_dagster.store.ledger import usd_left
from autoresearch_dagster.store.normal_form import normal_form
from tests.anthropic_server import AnthropicServer
from tests.claude import FINAL, never_repeated
from tests.faults.conftest import MakeWorld
from tests.trainers.claude_chaos import Chaos, decks, killed, state_of
from tests.trainers.claude_session import CODES, NOTE, REPLIES, ClaudeScript, held
from tests.trainers.drivers import until
from tests.trainers.laboratory import MODEL_KEY, World

pytestmark = [pytest.mark.slow, pytest.mark.timeout(14_400)]

NIGHT = os.environ.get("AUTORESEARCH_NIGHT") == "1"
KILLS = 100 if NIGHT else 10
KILLS_OF_A_SESSION = 5
FIXED_SEED = 20_261
MAX_USD = 20.0
TIGHT_USD = 0.9
"""Suffices for two or three requests, each of which reserves 16,000 tokens of a reply."""
TOO_MANY = 10


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
            f"\nseed {seed}: {chaos.kills.total()} kills in {sessions} sessions and "
            f"{time.monotonic() - began:.0f} s: {dict(chaos.kills)}; too late: {dict(chaos.missed)}; "
            f"snapshots: {dict(chaos.harms)}"
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
        assert said.startswith("StoreConflict The session 'faults' is held by "), said
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
            assert kills < TOO_MANY
        server.release.set()
    state = state_of(made)
    assert f"max_usd={TIGHT_USD} is used up" in state.reason
    assert len(server.sent) == len(state.ledger.asked) == kills > 1
    assert Decimal("0.0") == state.ledger.usd < state.ledger.usd_committed <= Decimal(str(TIGHT_USD))
