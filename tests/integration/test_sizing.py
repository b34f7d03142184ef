"""Memory as the model estimates it: within floor and ceiling whatever it answers, and paid from the same cap."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st
from pydantic import SecretStr

from autoresearch_dagster.agent.llm import Claude
from autoresearch_dagster.agent.loop import advance
from autoresearch_dagster.agent.model.prices import given_prices
from autoresearch_dagster.agent.model.sizing import _bytes, _read, _sized, estimate
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.core.limits import GIB
from autoresearch_dagster.store import events as ev
from tests.anthropic_server import AnthropicServer, Refused
from tests.claude import KEY, SESSION, by_turn, claude_at, claude_bench

FLOOR, CEILING = 2 * GIB, 8 * GIB
KEYS = ["s01_d01_e01", "s01_d01_e02", "s01_d01_e03"]


def sizes(home: Path, answer: Any, **config: Any) -> tuple[dict[str, int], Any]:
    """Plan a batch, ask for its sizes, and return them with the session."""
    desk = claude_bench(home, **config)
    with AnthropicServer(by_turn(*SESSION)) as server:
        assert advance(desk, claude_at(desk, server)) == "waiting"
    jobs = [one.planned for one in desk.journal.state(desk.session).unfinished]
    with AnthropicServer([answer]) as server:
        model = Claude("claude-sonnet-4-6", SecretStr(KEY), server.url)
        news = estimate(desk, model, given_prices("3,15"), jobs, FLOOR, CEILING)
        seen = server.sent
    with desk.transaction() as tx:
        for event in news:
            tx.append(event)
    state = desk.journal.state(desk.session)
    return {one.planned.key: one.sized_bytes for one in state.unfinished}, (seen, state)


def test_each_job_gets_what_was_estimated_within_floor_and_ceiling(tmp_path: Path) -> None:
    told = {KEYS[0]: {"memory": "3Gi", "reason": "wide"}, KEYS[1]: {"memory": "1Gi"}, KEYS[2]: {"memory": "900Gi"}}
    found, (seen, state) = sizes(tmp_path, f"Here you are:\n```json\n{json.dumps(told)}\n```")
    assert found == dict(zip(KEYS, [3 * GIB, FLOOR, CEILING], strict=True))
    assert len(seen) == 1
    assert seen[0].text.count("def run_training") == 1  # three jobs share one code
    assert all(key in seen[0].text for key in KEYS)
    assert state.ledger.usd > 0
    assert state.ledger.asked == {}


@pytest.mark.parametrize("answer", ["I cannot say.", "{", "[1]", '{"s01_d01_e01": 7}', Refused(400, "x", "no")])
def test_an_answer_that_is_none_gives_the_floor(tmp_path: Path, answer: Any) -> None:
    found, _ = sizes(tmp_path, answer)
    assert found == dict.fromkeys(KEYS, FLOOR)


@pytest.mark.parametrize(
    "said",
    [
        '{"memory": "3Gi", "reason": "\\ud800"}',
        '{"memory": "3Gi", "reason": "\\u001b[31m\\u202e\\u0000"}',
        '{"memory": "' + "9" * 5000 + 'Ti", "reason": "x"}',
        '{"memory": ' + "9" * 5000 + ', "reason": "x"}',
        '{"memory": NaN, "reason": "x"}',
        '{"memory": "\u0663Gi", "reason": "x"}',
    ],
)
def test_whatever_is_said_of_memory_can_be_written_down(tmp_path: Path, said: str) -> None:
    found, (_, state) = sizes(tmp_path, f'{{"{KEYS[0]}": {said}}}')
    assert set(found) == set(KEYS)
    assert all(FLOOR <= size <= CEILING for size in found.values())
    assert state.ledger.usd > 0


def test_sizes_do_not_pay_for_nothing_either(tmp_path: Path) -> None:
    desk = claude_bench(tmp_path)
    with AnthropicServer(by_turn(*SESSION)) as server:
        advance(desk, claude_at(desk, server))
    for number in range(limits.MODEL_CHARGED_IN_A_ROW):
        with desk.transaction() as tx:
            tx.append(
                ev.ModelAsked(
                    ticket=str(number),
                    purpose="turn",
                    turn=2,
                    request="0" * 64,
                    model="m",
                    prices="p",
                    reserved_usd=1,
                )
            )
            tx.append(ev.ModelFailed(ticket=str(number), reason="cut", possibly_charged=True))
    jobs = [one.planned for one in desk.journal.state(desk.session).unfinished]
    with AnthropicServer() as server:
        model = Claude("claude-sonnet-4-6", SecretStr(KEY), server.url)
        news = estimate(desk, model, given_prices("3,15"), jobs, FLOOR, CEILING)
        assert server.sent == []
    assert [event.memory_bytes for event in news] == [FLOOR] * 3


def test_a_cap_that_is_used_up_gives_the_floor_and_sends_nothing(tmp_path: Path) -> None:
    desk = claude_bench(tmp_path, max_usd=1.0)
    with AnthropicServer(by_turn(*SESSION)) as server:
        advance(desk, claude_at(desk, server))
    with desk.transaction() as tx:
        tx.append(
            ev.ModelAsked(
                ticket="t", purpose="turn", turn=2, request="0" * 64, model="m", prices="p", reserved_usd="0.98"
            )
        )
    jobs = [one.planned for one in desk.journal.state(desk.session).unfinished]
    with AnthropicServer() as server:
        model = Claude("claude-sonnet-4-6", SecretStr(KEY), server.url)
        news = estimate(desk, model, given_prices("3,15"), jobs, FLOOR, CEILING)
        assert server.sent == []
    assert [event.memory_bytes for event in news] == [FLOOR] * 3


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("3Gi", 3 * GIB),
        ("512Mi", 512 * 2**20),
        ("1.5Gi", 3 * 2**29),
        ("4G", 4 * 10**9),
        ("77", 77),
        (" 2 GiB ", 2 * GIB),
        *((text, None) for text in ("lots", "-1Gi", "", "1e9", None, "9" * 400 + "Ti")),
    ],
)
def test_amounts_are_read_as_kubernetes_writes_them(text: Any, amount: int | None) -> None:
    found = _bytes(text)
    assert found == amount or (amount is None and (found or 0) > CEILING)


ANYTHING = st.recursive(st.none() | st.integers() | st.text(), st.lists) | st.dictionaries(st.text(), st.text())


@given(ANYTHING)
def test_whatever_is_said_a_size_is_within_floor_and_ceiling(said: Any) -> None:
    sized = _sized(ExperimentKey(KEYS[0]), {"memory": said, "reason": said}, FLOOR, CEILING)
    assert FLOOR <= sized.memory_bytes <= CEILING
    assert isinstance(_read(str(said)), dict)
