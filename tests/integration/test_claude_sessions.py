"""Whole sessions with Claude over the wire: what is kept, what is paid, what ends them."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import pytest

from autoresearch_dagster.agent.loop import advance
from autoresearch_dagster.core import limits
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.normal_form import normal_form
from tests.agent_bench import train_one
from tests.anthropic_server import AnthropicServer, BrokenOff, Cut, Refused, Reply
from tests.claude import (
    FIRST_BATCH,
    KEY,
    LOOK,
    SESSION,
    by_turn,
    claude_at,
    claude_bench,
    events_of,
    never_repeated,
)
from tests.mortal import Killed, Mortal


def finish(desk: Any, server: AnthropicServer) -> Any:
    while advance(desk, claude_at(desk, server)) == "waiting":
        assert train_one(desk)
        while train_one(desk):
            pass
    return desk.journal.state(desk.session)


def test_a_session_is_planned_trained_and_paid(tmp_path: Path) -> None:
    desk = claude_bench(tmp_path)
    with AnthropicServer(by_turn(*SESSION)) as server:
        state = finish(desk, server)
    assert (state.reason, state.summary) == ("final answer", SESSION[-1])
    assert [one.planned.title for one in state.experiments.values()] == ["wider", "faster", "dropped"]
    assert len(state.hypotheses) == 3
    assert len(server.sent) == state.ledger.calls == 3
    answers = events_of(desk, ev.ModelAnswered)
    assert state.ledger.usd == sum((one.usd for one in answers), Decimal(0)) > 0
    assert state.ledger.usd == state.ledger.usd_committed
    reserved = {asked.ticket: asked.reserved_usd for asked in events_of(desk, ev.ModelAsked)}
    assert all(one.usd <= reserved[one.ticket] for one in answers)
    assert state.ledger.usage.cache_read_tokens > 0  # the second request reads what the first one wrote
    assert KEY not in "".join(record.model_dump_json() for record in desk.journal.events(desk.session))


def test_what_the_model_is_told_only_grows(tmp_path: Path) -> None:
    desk = claude_bench(tmp_path)
    with AnthropicServer(by_turn(*SESSION)) as server:
        finish(desk, server)
    told = [[seen.body["system"][0]["text"], *map(_texts, seen.body["messages"])] for seen in server.sent]
    for before, after in pairwise(told):
        assert after[: len(before)] == before


def _texts(message: dict[str, Any]) -> list[str]:
    return [block["text"] for block in message["content"]]


def test_a_busy_model_lets_the_session_sleep_and_nobody_asks_before_its_time(tmp_path: Path) -> None:
    desk = claude_bench(tmp_path)
    busy = Refused(429, "rate_limit_error", "later", retry_after="7200")
    with AnthropicServer([busy, *SESSION]) as server:
        assert advance(desk, claude_at(desk, server)) == "waiting"
        state = desk.journal.state(desk.session)
        until = state.asleep_until
        assert until is not None
        assert timedelta(hours=1.9) < until - datetime.now(UTC) <= timedelta(hours=2)
        assert advance(desk, claude_at(desk, server)) == "waiting"
        assert len(server.sent) == 1
        later = until + timedelta(seconds=1)
        assert advance(desk, claude_at(desk, server), clock=lambda: later) == "waiting"
        assert train_one(desk)
    state = desk.journal.state(desk.session)
    assert (state.asleep_until, state.sleeps) == (None, 0)
    assert state.ledger.usd_possible == 0  # a refused request is not paid


@pytest.mark.parametrize("fault", [Cut(), Cut(plain=True), BrokenOff()], ids=["cut", "silently cut", "broken off"])
def test_a_cut_reply_is_asked_again_and_counts_as_possibly_paid(tmp_path: Path, fault: Any) -> None:
    desk = claude_bench(tmp_path)
    with AnthropicServer([fault, *SESSION]) as server:
        state = finish(desk, server)
    assert state.reason == "final answer"
    (failed,) = events_of(desk, ev.ModelFailed)
    assert failed.possibly_charged
    assert state.ledger.usd_possible == events_of(desk, ev.ModelAsked)[0].reserved_usd
    assert len(server.sent) == 4


def test_a_session_whose_replies_are_never_whole_is_paused_with_one_sentence_and_goes_on_when_resumed(
    tmp_path: Path,
) -> None:
    desk = claude_bench(tmp_path)
    times = (datetime.now(UTC) + timedelta(hours=hours) for hours in count(1))
    with AnthropicServer([Cut()] * limits.MODEL_CHARGED_IN_A_ROW + list(SESSION)) as server:
        while desk.journal.state(desk.session).status == "active":
            assert advance(desk, claude_at(desk, server), clock=times.__next__) == "waiting"
        state = desk.journal.state(desk.session)
        assert (state.status, state.trouble, len(server.sent)) == ("paused", True, limits.MODEL_CHARGED_IN_A_ROW)
        assert state.reason.startswith("8 requests in a row may have been charged and brought no answer")
        with desk.transaction() as tx:
            tx.append(ev.SessionResumed(config=tx.state.config, driver="cli"))
        assert finish(desk, server).reason == "final answer"


def test_a_cap_ends_the_session_before_it_is_passed(tmp_path: Path) -> None:
    desk = claude_bench(tmp_path, max_usd=0.28)
    with AnthropicServer(by_turn(LOOK)) as server:
        state = finish(desk, server)
    assert state.status == "finished"
    assert "max_usd=0.28 is used up" in state.reason
    assert state.ledger.usd_committed <= Decimal("0.28")
    assert len(server.sent) == len(state.turns) > 0


def test_a_resumed_session_is_granted_its_cap_anew(tmp_path: Path) -> None:
    desk = claude_bench(tmp_path, max_usd=0.28)
    with AnthropicServer(by_turn(LOOK)) as server:
        turns = len(finish(desk, server).turns)
        with desk.transaction() as tx:
            tx.append(ev.SessionResumed(config=tx.state.config, driver="cli"))
        assert len(finish(desk, server).turns) > turns


def test_a_refused_key_pauses_the_session_with_a_sentence_that_does_not_hold_it(tmp_path: Path) -> None:
    desk = claude_bench(tmp_path)
    with AnthropicServer([LOOK], otherwise=Refused(401, "authentication_error", f"invalid x-api-key {KEY}")) as one:
        assert advance(desk, claude_at(desk, one)) == "waiting"
    state = desk.journal.state(desk.session)
    assert state.status == "paused"
    assert state.reason
    assert KEY not in state.reason


def test_a_conversation_that_is_too_long_is_told_in_short_and_goes_on(tmp_path: Path) -> None:
    desk = claude_bench(tmp_path)
    too_long = Refused(400, "invalid_request_error", "prompt is too long: 213000 tokens > 200000 maximum")
    with AnthropicServer([LOOK, LOOK, LOOK, too_long, too_long, "Enough."]) as server:
        state = finish(desk, server)
    assert (state.reason, state.summary) == ("final answer", "Enough.")
    assert [one.turn for one in events_of(desk, ev.TranscriptCompacted)] == [2, 3]
    assert len(server.sent[-1].body["messages"]) == 1


@pytest.mark.parametrize("stop", ["max_tokens", "refusal", "tool_use", "pause_turn"])
def test_a_reply_that_did_not_end_by_itself_is_no_final_answer(tmp_path: Path, stop: str) -> None:
    desk = claude_bench(tmp_path)
    with AnthropicServer([Reply("I am done.", stop_reason=stop), "Now I am."]) as server:
        state = finish(desk, server)
    assert (state.summary, len(state.turns)) == ("Now I am.", 2)


def test_a_paid_reply_is_kept_although_the_session_was_paused_meanwhile(tmp_path: Path) -> None:
    desk = claude_bench(tmp_path)

    def pauses(_seen: Any) -> str:
        with desk.transaction() as tx:
            tx.append(ev.SessionPaused(reason="by somebody"))
        return FIRST_BATCH

    with AnthropicServer([pauses]) as server:
        assert advance(desk, claude_at(desk, server)) == "waiting"
    state = desk.journal.state(desk.session)
    assert (state.status, len(state.turns)) == ("paused", 1)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_session_killed_around_every_transaction_repeats_no_stored_answer(tmp_path: Path, when: str) -> None:
    with AnthropicServer(by_turn(*SESSION)) as server:
        calm = claude_bench(tmp_path / "calm")
        finish(calm, server)
        undisturbed, deaths, fuse = len(server.sent), 0, 1
        desk = claude_bench(tmp_path / "killed")
        while True:
            mortal = replace(desk, journal=Mortal(desk.journal, [fuse], when))
            try:
                if advance(mortal, claude_at(mortal, server)) == "finished":
                    break
                while train_one(desk):
                    pass
            except Killed:
                deaths += 1
                fuse = fuse % 3 + 1
        asked_again = len(server.sent) - 2 * undisturbed
    records = desk.journal.events(desk.session)
    assert deaths > 5
    assert normal_form(records) == normal_form(calm.journal.events(calm.session))
    assert never_repeated(records)
    state = desk.journal.state(desk.session)
    lost = [one for one in events_of(desk, ev.ModelAsked) if one.ticket in state.ledger.asked]
    assert asked_again <= len(lost)
    assert state.ledger.usd_committed == state.ledger.usd + sum((one.reserved_usd for one in lost), Decimal(0))
