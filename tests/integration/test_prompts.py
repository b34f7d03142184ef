"""What the agent reads: snapshots, and that nothing once told changes."""

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from jinja2 import UndefinedError

from autoresearch_dagster.agent import compaction, prompt
from autoresearch_dagster.agent.loop import advance
from autoresearch_dagster.agent.scripted import ScriptedResearcher
from autoresearch_dagster.agent.tools.dispatcher import TOOLBOX
from autoresearch_dagster.core import limits
from autoresearch_dagster.store import events as ev
from tests.agent_bench import Says, bench, train_one
from tests.sessions import finished_session

PLAN = "Look first.\n\n```python\nget_budget()\n```"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return finished_session(tmp_path_factory.mktemp("home"))


def state_of(desk: Any) -> Any:
    return desk.journal.state(desk.session)


def add(desk: Any, *events: ev.Event) -> None:
    with desk.transaction() as tx:
        for event in events:
            tx.append(event)


class Reads(Says):
    """Keeps what it was asked."""

    def __init__(self, *replies: str, tokens: int = 0) -> None:
        super().__init__(*replies)
        self.asked: list[list[str]] = []
        self.tokens = tokens

    def reply(self, view: Any) -> Any:
        self.asked.append([view.system, *(message.text for message in view.messages)])
        said = super().reply(view)
        return type(said)(said.text, said.stop_reason, input_tokens=self.tokens)


def test_the_system_prompt(tmp_path: Path, snapshot: Any) -> None:
    desk = bench(tmp_path)
    assert prompt.system_prompt(state_of(desk), desk.preset, TOOLBOX) == snapshot


def test_the_first_directive(tmp_path: Path, snapshot: Any) -> None:
    assert prompt.directive(state_of(bench(tmp_path))) == snapshot


def test_the_directive_of_a_later_launch_has_the_history(finished: Any, snapshot: Any) -> None:
    assert prompt.directive(state_of(finished)) == snapshot


def test_the_history_has_twenty_rows_and_counts_the_older_ones(tmp_path: Path) -> None:
    desk = finished_session(tmp_path)
    edit = state_of(desk).edits[-1].saved
    add(desk, *(edit.model_copy(update={"title": f"edit | {number}"}) for number in range(30)))
    text = prompt.directive(state_of(desk))
    rows = [line for line in text.splitlines() if line.startswith("| edit")]
    assert len(rows) == limits.HISTORY_ROWS
    assert all(row.count("|") == 5 for row in rows)  # a title's own bars would make a column
    assert f"{len(state_of(desk).edits) - limits.HISTORY_ROWS} earlier ones" in text


def test_a_template_that_misses_a_value_is_an_error() -> None:
    with pytest.raises(UndefinedError):
        prompt.rendered("directive")


def test_what_was_told_is_a_prefix_of_what_is_told_next(tmp_path: Path) -> None:
    desk, researcher = bench(tmp_path), Reads(PLAN, PLAN, PLAN)
    advance(desk, researcher)
    for before, after in pairwise(researcher.asked):
        assert after[: len(before)] == before


def test_a_resumed_session_keeps_what_it_was_told_before(tmp_path: Path) -> None:
    desk, first = bench(tmp_path), Reads(PLAN)
    advance(desk, first)
    add(desk, ev.SessionResumed(config=state_of(desk).config, driver="cli"))
    second = Reads("", "", "Nothing more.")
    advance(desk, second)
    assert second.asked[-1][: len(first.asked[-1])] == first.asked[-1]
    assert "The session goes on: 6 more experiments" in second.asked[-1][-1]


def test_the_status_says_what_is_left(tmp_path: Path, snapshot: Any) -> None:
    desk = bench(tmp_path, max_usd=5.0, max_gpu_hours=2.0)
    assert prompt.status(state_of(desk)) == snapshot


def test_a_note_is_in_the_next_turns_message_and_stays_where_it_was_read(tmp_path: Path) -> None:
    desk = bench(tmp_path)

    class Interrupted(Reads):
        def reply(self, view: Any) -> Any:
            said = super().reply(view)
            if len(self.asked) == 1:  # a person writes while the model thinks
                add(desk, ev.Steered(note="try a warmup", by="ann"))
            return said

    researcher = Interrupted(PLAN, PLAN)
    advance(desk, researcher)
    assert "try a warmup" not in "".join(researcher.asked[0])
    assert "A note from the person who runs this research:\ntry a warmup" in researcher.asked[1][-1]
    assert "try a warmup" not in researcher.asked[2][-1]
    assert researcher.asked[2][: len(researcher.asked[1])] == researcher.asked[1]


def test_a_note_before_the_first_turn_is_in_the_first_message(tmp_path: Path) -> None:
    desk, researcher = bench(tmp_path), Reads()
    add(desk, ev.Steered(note="be bold"))
    advance(desk, researcher)
    assert "be bold" in researcher.asked[0][1]


def test_a_long_conversation_is_told_in_short_without_losing_results_or_notes(
    tmp_path: Path, snapshot: Any
) -> None:
    desk = bench(tmp_path)
    while advance(desk, ScriptedResearcher()) == "waiting":
        while train_one(desk):
            pass
        add(desk, ev.Steered(note="mind the noise"))
    last = len(state_of(desk).turns) - 1
    add(desk, ev.TranscriptCompacted(turn=last, input_tokens=200_000))
    told = prompt.messages(state_of(desk))
    assert [message.role for message in told] == ["user", "assistant", "user"]
    for experiment in state_of(desk).experiments.values():
        assert experiment.planned.title in told[0].text
    assert told[0].text.count("mind the noise") == 2
    assert told[0].text == snapshot


def test_a_reply_that_read_too_much_makes_the_conversation_shorter(tmp_path: Path) -> None:
    desk = bench(tmp_path)
    researcher = Reads(*[PLAN] * 8, tokens=limits.TRANSCRIPT_TOKENS + 1)
    advance(desk, researcher)
    sizes = [len(asked) for asked in researcher.asked]
    assert max(sizes) <= 2 + 2 * (limits.TRANSCRIPT_TURNS_KEPT + 1)
    assert len(state_of(desk).turns) == 9


def test_a_conversation_that_is_refused_as_too_long_is_halved_until_it_fits_or_the_session_pauses(
    tmp_path: Path,
) -> None:
    desk = bench(tmp_path)
    advance(desk, Reads(*[PLAN] * 5))
    kept: list[int] = []
    while not isinstance(event := compaction.shorter(state_of(desk)), ev.SessionPaused):
        add(desk, event)
        kept.append(event.turn)
    assert kept == sorted(set(kept))
    assert kept[-1] == len(state_of(desk).turns)
    assert "larger context" in event.reason


def test_what_is_told_in_short_stays_as_it_was_first_told(tmp_path: Path) -> None:
    """Else one more result would change the first message, and nothing of a long conversation would be cached."""
    desk = bench(tmp_path)
    assert advance(desk, ScriptedResearcher()) == "waiting"
    while train_one(desk):
        pass
    assert advance(desk, ScriptedResearcher()) == "waiting"
    event = compaction.shorter(state_of(desk))
    add(desk, event)
    before = prompt.messages(state_of(desk))[0]
    assert "Turns 1 to " in before.text
    while train_one(desk):
        pass
    assert prompt.messages(state_of(desk))[0] == before


def test_the_words_of_the_last_turn_stay_when_the_session_goes_on(tmp_path: Path) -> None:
    launch = '```python\nedit_train_code("a", config_overrides={"n_layer": 1})\nrun_experiment("a")\n```'
    desk, first = bench(tmp_path, n_experiments=1), Reads(launch, "That was all.")
    while advance(desk, first) == "waiting":
        assert train_one(desk)
    assert "nothing can be launched any more" in first.asked[-1][-1]
    add(desk, ev.SessionResumed(config=state_of(desk).config, driver="cli"))
    second = Reads("", "", "Nothing more.")
    advance(desk, second)
    assert second.asked[-1][: len(first.asked[-1])] == first.asked[-1]
