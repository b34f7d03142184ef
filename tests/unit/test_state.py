"""The state of a session: a pure fold over its events, and what two journals have in common."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from autoresearch_dagster.core.experiment import (
    Claims,
    Digest,
    ExperimentKey,
    ExperimentResult,
    Outcome,
    PlannedExperiment,
    TrainConfig,
)
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.fold import fold
from autoresearch_dagster.store.normal_form import normal_form
from autoresearch_dagster.store.state import SessionState

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
CONFIG = ev.SessionConfig(memory_key="tests", n_experiments=3)
STARTED = ev.SessionStarted(number=1, config=CONFIG, driver="cli", bundle="bundle")
KEYS = tuple(ExperimentKey(f"s01_d01_e{number:02}") for number in (1, 2, 3))


def recorded(events: Iterable[ev.Event], begun: datetime = NOON) -> list[ev.Recorded]:
    return [
        ev.Recorded(session="s01", sequence=number, at=begun + timedelta(seconds=number), event=event)
        for number, event in enumerate(events)
    ]


def planned(key: ExperimentKey) -> PlannedExperiment:
    return PlannedExperiment(
        key=key, title=f"title {key}", revision=1, train_py=Digest("a" * 64), config=TrainConfig()
    )


def launch(sequence: int, *keys: ExperimentKey, dispatch: int = 1) -> ev.CallPending:
    return ev.CallPending(
        turn=1,
        sequence=sequence,
        call=f"call-{sequence}",
        function="run_experiment_batch",
        arguments={"titles": [f"title {key}" for key in keys]},
        dispatch=dispatch,
        planned=tuple(planned(key) for key in keys),
        answers=keys,
    )


def finished(key: ExperimentKey, seconds: float = 1.0, **more: object) -> ev.ExperimentFinished:
    result = {"outcome": Outcome.TRAINED, "val_bpb": 2.5, "duration_sec": seconds, "cpu_sec": seconds, **more}
    return ev.ExperimentFinished(key=key, result=ExperimentResult.model_validate(result), run_id=f"run {seconds}")


REPLIED = ev.ModelReplied(turn=1, reply="a plan", stop_reason="end_turn")
RESEARCH: list[ev.Event] = [
    STARTED,
    REPLIED,
    ev.PlanStarted(turn=1, code="x", plan=Digest("c" * 64), started_at=NOON, seed=7),
    launch(0, *KEYS[:2]),
    ev.AttemptStarted(key=KEYS[0], attempt=1, owner="me"),
    finished(KEYS[0]),
    finished(KEYS[1]),
    ev.CallAnswered(turn=1, sequence=0, call="call-0", result=[1, 2]),
    ev.CallRecorded(turn=1, sequence=1, call="call-1", function="get_budget", arguments={}, result={}),
    launch(2, KEYS[2], dispatch=2),
    ev.SessionPaused(reason="keyboard"),
    ev.SessionResumed(config=CONFIG, driver="daemon"),
    finished(KEYS[2]),
    ev.CallAnswered(turn=1, sequence=2, call="call-2", result=[3]),
    ev.PlanFinished(turn=1, observation="done", failed=False),
    ev.SessionFinished(reason="final answer", summary="three experiments"),
]


def test_a_session_begins_with_its_start_and_begins_once() -> None:
    with pytest.raises(ValueError, match="no state"):
        fold([])
    with pytest.raises(ValueError, match="begins with session_started, not model_replied"):
        fold(recorded([REPLIED]))
    with pytest.raises(ValueError, match="only once"):
        fold(recorded([STARTED, STARTED]))


def test_the_fold_tells_where_everything_stands() -> None:
    state = fold(recorded(RESEARCH))
    assert (state.status, state.summary, state.driver) == ("finished", "three experiments", "daemon")
    assert (state.dispatches, state.allotted, state.remaining) == (2, 3, 0)
    assert [key for key, item in state.experiments.items() if item.result is not None] == list(KEYS)
    assert [item.dispatch for item in state.experiments.values()] == [1, 1, 2]
    assert state.experiments[KEYS[0]].attempts == 1
    assert state.turns[0].finished is not None
    assert state.updated_at == NOON + timedelta(seconds=len(RESEARCH) - 1)


def test_a_session_waits_for_its_launch_until_it_is_answered() -> None:
    waiting = fold(recorded(RESEARCH[:6]))
    assert waiting.pending == RESEARCH[3]
    assert [item.planned.key for item in waiting.unfinished] == [KEYS[1]]
    assert fold(recorded(RESEARCH[:8])).pending is None
    assert fold(recorded(RESEARCH[:10])).pending == RESEARCH[9]


def test_a_finished_session_is_granted_more_and_a_paused_one_keeps_what_it_has() -> None:
    resumed = ev.SessionResumed(config=CONFIG, driver="cli")
    after_pause = fold(recorded([*RESEARCH[:10], ev.SessionPaused(reason="x"), resumed]))
    assert (after_pause.status, after_pause.allotted, after_pause.remaining) == ("active", 3, 0)
    after_end = fold(recorded([*RESEARCH, resumed]))
    assert (after_end.status, after_end.allotted, after_end.remaining) == ("active", 6, 3)


@given(st.integers(1, len(RESEARCH)))
def test_folding_in_parts_is_folding_at_once_and_a_copy_stays_as_it_was(cut: int) -> None:
    records = recorded(RESEARCH)
    first = fold(records[:cut])
    kept, mirror = first.clone(), fold(records[:cut])
    assert fold(records[cut:], first) == fold(records)
    assert kept == mirror


def test_the_latest_edit_of_a_title_is_found_without_case_and_blanks() -> None:
    edits: list[ev.Event] = [
        ev.EditSaved(
            title=title,
            slug="a",
            revision=revision,
            train_py=Digest("a" * 64),
            lines=1,
            config_overrides={},
            adjusted={},
            change_summary="",
            parent_title=None,
            signature="",
        )
        for revision, title in enumerate(["Wide", "wide ", "other"], start=1)
    ]
    state: SessionState = fold(recorded([STARTED, *edits]))
    found = state.latest_edit(" WIDE")
    assert found is not None
    assert found.saved.revision == 2
    assert state.latest_edit("absent") is None


def replaced(number: int, event: ev.Event) -> list[ev.Event]:
    return [*RESEARCH[:number], event, *RESEARCH[number + 1 :]]


def test_the_normal_form_ignores_times_and_the_order_of_finishing() -> None:
    other = [*RESEARCH]
    other[5], other[6] = finished(KEYS[1], 9.0, tokens_per_second=3.0), finished(KEYS[0], 4.0, log_tail="noise")
    other[2] = ev.PlanStarted(turn=1, code="x", plan=Digest("c" * 64), started_at=NOON.replace(hour=13), seed=7)
    assert normal_form(recorded(other, NOON + timedelta(days=3))) == normal_form(recorded(RESEARCH))


def test_the_normal_form_ignores_kills_and_pauses() -> None:
    again: list[ev.Event] = [
        ev.AttemptStarted(key=KEYS[1], attempt=2, owner="another"),
        ev.SessionPaused(reason="stopped"),
        ev.SessionResumed(config=CONFIG, driver="cli"),
    ]
    assert normal_form(recorded([*RESEARCH[:6], *again, *RESEARCH[6:]])) == normal_form(recorded(RESEARCH))


def test_the_normal_form_ignores_measured_times_inside_answers() -> None:
    def answered(seconds: float) -> list[ev.Event]:
        rows = [{"title": "a", "val_bpb": 2.5, "duration_sec": seconds, "receipt": f"{seconds}"}]
        event = ev.CallAnswered(turn=1, sequence=0, call=f"hash of {seconds}", result={"results": rows})
        return replaced(7, event)

    assert normal_form(recorded(answered(1.0))) == normal_form(recorded(answered(2.0)))


@pytest.mark.parametrize(
    "other",
    [
        replaced(5, finished(KEYS[0], val_bpb=2.4)),
        replaced(5, finished(KEYS[0], claims=Claims(steps=1))),
        replaced(7, ev.CallAnswered(turn=1, sequence=0, call="call-0", result=[1, 3])),
        replaced(9, launch(2, KEYS[2], dispatch=3)),
        replaced(14, ev.PlanFinished(turn=1, observation="done", failed=True)),
        [*RESEARCH[:6], finished(KEYS[0]), *RESEARCH[6:]],
        RESEARCH[:-1],
    ],
    ids=["score", "claims", "answer", "dispatch", "failure", "result-twice", "no-end"],
)
def test_the_normal_form_sees_every_decision(other: list[ev.Event]) -> None:
    assert normal_form(recorded(other)) != normal_form(recorded(RESEARCH))
