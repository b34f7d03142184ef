"""What the agent is told about every reply of the corpus; `--snapshot-update` after a change that was meant."""

import re
from pathlib import Path

import pytest

from autoresearch_dagster.agent.loop import advance
from autoresearch_dagster.core import limits
from tests.agent_bench import Says, bench, train_one
from tests.replies import CASES
from tests.replies.kinds import Case

MASKS = (
    (r"(?<!\.)\b[0-9a-f]{12,64}\b", "<digest>"),
    (r"0x[0-9a-f]+", "<address>"),
    (r"\d{4}-\d\d-\d\dT[\d:.+Z-]+", "<time>"),
)


class SaysOnce:
    """A researcher that is asked for one turn; then nothing comes for long."""

    def __init__(self, case: Case) -> None:
        self.case = case

    def reply(self, view):
        if view.state.turns:
            raise Asked
        return Says(self.case.text, stop=self.case.stop).reply(view)


class Asked(Exception):
    """The session went on to its second turn."""


def after(case: Case, home: Path):
    """The session once the first turn has ended; every launched experiment is trained."""
    desk = bench(home)
    try:
        while advance(desk, SaysOnce(case)) == "waiting":
            assert train_one(desk)
    except Asked:
        pass
    return desk.journal.state(desk.session)


def shown(observation: str) -> str:
    for pattern, mask in MASKS:
        observation = re.sub(pattern, mask, observation)
    observation = re.sub(r"[\x00-\x09\x0b-\x1f]", lambda one: f"\\x{ord(one[0]):02x}", observation)
    return re.sub(r"(.)\1{199,}", lambda run: f"{run[1]}<{len(run[0])} times>", observation)


RACES = {"squared integer": ("exceeded its memory limit", "went on beyond 10 seconds of computing")}
"""Replies that meet one of two limits first, as fast as the machine is."""


@pytest.mark.parametrize("name", CASES)
def test_a_reply_gets_an_observation_that_says_what_to_do(name, tmp_path, snapshot):
    case = CASES[name]
    state = after(case, tmp_path)
    finished = state.turns[0].finished
    assert finished is not None
    if case.final:
        assert (state.status, state.reason) == ("finished", "final answer")
        assert finished.observation == ""
        return
    assert state.status == "active"
    assert len(finished.observation) <= limits.OBSERVATION_CHARS
    assert finished.observation.count("<untrusted") <= finished.observation.count("</untrusted>")
    if name in RACES:
        assert finished.failed
        assert any(said in finished.observation for said in RACES[name])
        return
    assert ("failed" if finished.failed else "done", shown(finished.observation)) == snapshot


def test_a_wrong_argument_is_found_before_anything_is_saved(tmp_path):
    for name in ("budget as text after an edit", "await on a tool"):
        state = after(CASES[name], tmp_path / name)
        assert not state.edits
        assert not state.turns[0].calls


def test_a_tool_defined_anew_brings_nothing_to_the_leaderboard(tmp_path):
    assert not after(CASES["shadowed tool"], tmp_path).experiments
