from datetime import timedelta

from hypothesis import given, strategies as st

from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.fold import fold
from autoresearch_dagster.store.normal_form import normal_form
from tests.histories import START, histories, recorded


@given(histories(), st.integers(0, 25))
def test_folding_in_two_halves_through_a_clone_equals_folding_at_once(events, cut):
    records = recorded(events)
    cut = max(1, min(cut, len(records)))
    half = fold(records[:cut])
    assert fold(records[cut:], half.clone()) == fold(records)
    assert half == fold(records[:cut])


def allotted(events):
    """Count independently what is granted: 6 at the start, and anew whenever a finished session is resumed."""
    granted, planned, status = 6, 0, "active"
    for event in events:
        if isinstance(event, ev.CallPending):
            planned += len(event.planned)
        elif isinstance(event, ev.SessionFinished | ev.SessionPaused):
            status = event.kind
        elif isinstance(event, ev.SessionResumed):
            granted = planned + event.config.n_experiments if status == "session_finished" else granted
            status = "active"
    return granted


@given(histories())
def test_experiments_are_either_finished_or_unfinished_and_never_exceed_what_is_accounted_for(events):
    state = fold(recorded(events))
    finished = {event.key for event in events if isinstance(event, ev.ExperimentFinished)}
    assert {key for key, run in state.everything.items() if run.result is not None} == finished
    assert len(state.unfinished) == len(state.everything) - len(finished)
    assert state.remaining == max(0, allotted(events) - len(state.experiments))
    assert state.sequence == len(events)
    assert state.updated_at == START + timedelta(seconds=len(events))


@given(histories())
def test_events_survive_json(events):
    for event in events:
        assert ev.EVENT.validate_json(ev.EVENT.dump_json(event)) == event


@given(histories())
def test_normal_form_ignores_times_attempts_pauses_and_the_order_in_which_results_came(events):
    records = recorded(events)
    noisy = [
        record.model_copy(update={"at": record.at + timedelta(hours=3)})
        for record in records
        if record.event.kind not in ("attempt_started", "session_paused")
    ]
    for place in range(len(noisy) - 1):
        if noisy[place].event.kind == noisy[place + 1].event.kind == "experiment_finished":
            noisy[place], noisy[place + 1] = noisy[place + 1], noisy[place]
    assert normal_form(noisy) == normal_form(records)
