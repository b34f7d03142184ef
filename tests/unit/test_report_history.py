import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from autoresearch_dagster.core.experiment import (
    ExperimentKey,
    ExperimentResult,
    Outcome,
    PlannedExperiment,
    Standing,
    TrainConfig,
    Verdict,
    digest_of,
)
from autoresearch_dagster.reports.history import Teller
from autoresearch_dagster.store import events as ev
from tests.every_event import KINDS, small
from tests.histories import Author

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
BASELINE = "a = 1\nb = 2\n"
WIDER = "a = 1\nb = 3\nc = 4\n"
PLAN = "\n".join(f"line_{number} = {number}" for number in range(40))


def recorded(*events):
    return [
        ev.Recorded(session="s01", sequence=number, at=START + timedelta(seconds=number), event=event)
        for number, event in enumerate(events)
    ]


def edit(title, code, parent=None, revision=1):
    return ev.EditSaved(
        title=title,
        slug="x",
        revision=revision,
        train_py=digest_of(code.encode()),
        lines=2,
        config_overrides={},
        adjusted={},
        change_summary="",
        parent_title=parent,
        signature="",
    )


def told(events, turn=None):
    codes = {digest_of(code.encode()): code for code in (BASELINE, WIDER)}
    lines = Teller(BASELINE, codes.get, UTC).tell(events, turn)
    return "\n".join(line.plain for line in lines)


def reply(turn=1):
    return ev.ModelReplied(turn=turn, reply=f"I try.\n```python\n{PLAN}\n```", stop_reason="end_turn")


def plan(turn=1):
    return ev.PlanStarted(turn=turn, code=PLAN, plan=digest_of(b""), started_at=START, seed=1)


def launch(key):
    planned = PlannedExperiment(
        key=key, title="wider", revision=1, train_py=digest_of(WIDER.encode()), config=TrainConfig()
    )
    return ev.CallPending(
        turn=1, sequence=0, call="c", function="f", arguments={}, dispatch=1, planned=(planned,), answers=()
    )


def session():
    key = ExperimentKey("s01_d01_e01")
    score = ExperimentResult(
        outcome=Outcome.TRAINED, verdict=Verdict.ACCEPTED, standing=Standing.SCREENED, val_bpb=2.5, duration_sec=8
    )
    return recorded(
        ev.SessionStarted(number=1, config=ev.SessionConfig(), driver="cli", bundle="b"),
        reply(),
        plan(),
        ev.HypothesisRecorded(title="wider", hypothesis="more is more", expected_effect="decrease by 0.1"),
        edit("wider", WIDER),
        launch(key),
        ev.AttemptStarted(key=key, attempt=1, owner="host:7:1", slot="core 3"),
        ev.ExperimentFinished(key=key, result=score),
        ev.SessionPaused(reason="stopped from the keyboard"),
        ev.SessionResumed(config=ev.SessionConfig(), driver="daemon"),
        reply(2),
        ev.SessionFinished(reason="final answer", summary="wider wins"),
    )


def test_it_says_who_did_what_when():
    text = told(session())

    assert text.startswith(
        "2026-03-01, UTC+0000\n  22:00:00  session s01 started by the command line: 6 experiments"
    )
    for line in (
        "22:00:03  hypothesis for wider: more is more (expects decrease by 0.1)",
        "22:00:05  launch of dispatch 1: wider (s01_d01_e01)",
        "22:00:06  s01_d01_e01 attempt 1 on core 3, by host:7:1",
        "22:00:07  s01_d01_e01 val_bpb 2.5000, screened, 8 s",
        "22:00:08  paused: stopped from the keyboard",
        "22:00:09  resumed by Dagster",
        "22:00:11  finished: final answer",
    ):
        assert line in text


def test_an_edit_has_the_digests_before_and_after_and_the_lines_changed():
    again = edit("Wider ", BASELINE, parent="wider", revision=2)
    forked = edit("deeper", WIDER, parent="wider")
    text = told(recorded(edit("wider", WIDER), again, forked))
    old, new = digest_of(BASELINE.encode())[:8], digest_of(WIDER.encode())[:8]

    assert f"edit wider revision 1: train.py {old} → {new}, +2 −1 lines" in text
    assert f"edit Wider revision 2: train.py {new} → {old}, +1 −2 lines" in text
    assert f"edit deeper revision 1: train.py {old} → {new}, +2 −1 lines, from wider" in text


def test_what_is_worth_a_look_stands_below_the_diff_of_its_turn_and_is_told_once():
    first, second = "a = 1\nb = eval('3')\n", "a = 2\nb = eval('3')\nc = open('x')\n"
    codes = {digest_of(code.encode()): code for code in (first, second)}
    events = recorded(reply(), edit("one", first), edit("two", second, parent="one"))

    def told_of(turn):
        return "\n".join(line.plain for line in Teller(BASELINE, codes.get, UTC).tell(events, turn))

    whole = told_of(1)
    assert whole.count("worth a look: 1 new line\n") == 2
    assert (
        whole.index("+b = eval('3')") < whole.index("2 code: b = eval('3')") < whole.index("3 files: c = open('x')")
    )
    assert whole.count("code: b = eval('3')") == 1
    assert "worth a look" not in told_of(None)


def test_code_that_is_not_kept_any_more_is_said():
    assert "code not kept any more" in told(recorded(edit("lost", "nobody has this\n")))


def test_a_plan_is_cut_and_whole_in_its_turn():
    events = session()

    assert "line_2 = 2" in told(events)
    assert "line_39" not in told(events)
    assert "… 34 more lines" in told(events)
    assert "line_39 = 39" in told(events, turn=1)


def test_a_turn_has_everything_that_belongs_to_it_and_nothing_else():
    text = told(session(), turn=1)

    assert "val_bpb 2.5000" in text
    assert "+c = 4" in text
    assert "session s01 started" not in text
    assert "finished: final answer" not in text


@given(st.data())
def test_any_history_is_told_without_control_characters(data):
    author = Author(data.draw)
    begun = ev.SessionStarted(number=1, config=ev.SessionConfig(), driver="cli", bundle="b")
    events = recorded(begun, *[author.next() for _ in range(data.draw(st.integers(0, 12)))])

    for turn in (None, 1):
        text = told(events, turn)
        assert all(character == "\n" or character.isprintable() for character in text)


@pytest.mark.parametrize("text", ["\x1b[2J", "\x9b31m", "\u202eevil", "[bold]x[/bold]"])
def test_untrusted_text_is_escaped_and_taken_literally(text):
    shown = told(recorded(ev.Steered(note=f"see {text} here")))

    assert ("[bold]" in shown) == ("[bold]" in text)
    assert all(character == "\n" or character.isprintable() for character in shown)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("whole", [False, True])
def test_every_kind_of_event_is_told_in_words(kind, whole):
    event = small(kind)

    told = Teller(BASELINE, {}.get).sentence(event, whole=whole)

    if told is None:
        assert not whole
        assert isinstance(event, ev.CallRecorded | ev.ModelAsked)
    else:
        assert re.match(r"[\w+]", told[0])
        assert event.kind not in told[0]
        assert not re.search(r"[{}]|\b(None|True|False)\b", told[0])


def test_an_imported_session_says_what_it_was_elsewhere():
    event = ev.SessionImported(events=digest_of(b"events"), session="s07", memory_key="their-research")

    assert "imported: elsewhere it was s07 with the memory key their-research; nobody" in told(recorded(event))


def test_an_attempt_that_another_driver_goes_on_with_says_so():
    taken = ev.AttemptResumed(key=ExperimentKey("s01_d01_e01"), attempt=2, owner="host:12", slot="core 1")

    assert "s01_d01_e01 attempt 2 taken over on core 1, by host:12" in told(recorded(taken))
