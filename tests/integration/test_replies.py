"""What the agent gets for each reply of the corpus, and that none but a real final answer ends a session."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_dagster.agent.loop import advance
from autoresearch_dagster.agent.plan_text import FinalAnswer, Plan, Unusable, read_reply
from autoresearch_dagster.agent.researcher import Reply
from autoresearch_dagster.store import events as ev
from tests.agent_bench import bench, train_one
from tests.replies import FINAL, REPLIES

SHOWN_CHARS = 1_200


class SaysOnce:
    """Gives one reply, then pauses the session: only what came of the reply is of interest."""

    def __init__(self, desk: Any, text: str, stop: str | None) -> None:
        self.desk, self.text, self.stop = desk, text, stop

    def reply(self, view: Any) -> Reply:
        if view.state.turns:
            with self.desk.transaction() as tx:
                tx.append(ev.SessionPaused(reason="enough"))
        return Reply(self.text, self.stop) if not view.state.turns else Reply("", "end_turn")


def outcome(home: Path, name: str) -> Any:
    """Give a session one reply of the corpus; return the session when the plan in it has ended."""
    told = REPLIES[name]
    text, stop = (told, "end_turn") if isinstance(told, str) else told
    desk = bench(home, "workshop", n_experiments=6)
    researcher = SaysOnce(desk, text, stop)
    while advance(desk, researcher) == "waiting" and desk.journal.state(desk.session).status == "active":
        assert train_one(desk)
        while train_one(desk):
            pass
    return desk.journal.state(desk.session)


def shown(observation: str) -> str:
    """An observation as the snapshot keeps it: a long one by its ends, no digests."""
    text = re.sub(r"\b[0-9a-f]{64}\b", "DIGEST", observation)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:+]+", "TIME", text)
    if len(text) > SHOWN_CHARS:
        text = f"{text[: SHOWN_CHARS // 2]}\n[{len(text)} characters in all]\n{text[-SHOWN_CHARS // 2 :]}"
    return text


def test_the_corpus_is_large_enough() -> None:
    assert len(REPLIES) >= 60


@pytest.mark.parametrize("name", REPLIES)
def test_the_agent_is_told_what_came_of_its_reply(tmp_path: Path, name: str, snapshot: Any) -> None:
    state = outcome(tmp_path, name)
    assert (state.status == "finished") == (name in FINAL)
    assert shown(state.turns[0].finished.observation) == snapshot


@pytest.mark.parametrize("name", [name for name in REPLIES if name.endswith("after an edit")])
def test_a_wrong_argument_is_found_before_any_side_effect(tmp_path: Path, name: str) -> None:
    state = outcome(tmp_path, name)
    assert state.edits == []
    assert state.turns[0].finished.failed


def test_what_a_plan_says_itself_is_no_result(tmp_path: Path) -> None:
    state = outcome(tmp_path, "shadows a tool")
    assert state.experiments == {}


FENCE = re.compile(r"^ {0,3}(```|~~~)")


@given(st.text())
def test_a_reply_without_a_fence_is_never_run(text: str) -> None:
    if not any(FENCE.match(line) for line in text.replace("\r\n", "\n").split("\n")):
        assert isinstance(read_reply(text, "end_turn"), FinalAnswer | Unusable)


@given(
    st.text(min_size=1).filter(lambda text: text.replace("\r", "").strip()),
    st.sampled_from(["```", "~~~", "`````"]),
)
def test_one_block_is_run_as_it_is_written(code: str, ticks: str) -> None:
    code = code.replace("\r", "")
    bare = [line.strip() for line in code.split("\n")]
    if any(line and set(line) == {ticks[0]} and len(line) >= len(ticks) for line in bare):
        return
    found = read_reply(f"Look.\n\n{ticks}python\n{code}\n{ticks}\n\nThen more.", "end_turn")
    assert found == Plan(code)


@given(st.text(), st.sampled_from([None, "max_tokens", "refusal", "tool_use", "pause_turn", "anything"]))
def test_what_did_not_end_by_itself_is_neither_run_nor_final(text: str, stop: str | None) -> None:
    assert isinstance(read_reply(text, stop), Unusable)
