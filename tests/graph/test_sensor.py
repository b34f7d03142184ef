from datetime import UTC, datetime, timedelta

import dagster as dg
import pytest

from autoresearch_dagster.defs.research import research
from autoresearch_dagster.defs.sensors import next_batch
from autoresearch_dagster.defs.tags import memory_key_tag
from autoresearch_dagster.experiments.session import lease_name, pause
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.leases import this_process


def begin(store, memory_key="research", driver="daemon"):
    return store.journal.create(ev.SessionConfig(memory_key=memory_key), driver, "bundle").id


def tick(instance):
    """Evaluate the sensor once and return what it requests."""
    context = dg.build_sensor_context(instance=instance)
    found = next_batch(context)
    return [] if isinstance(found, dg.SkipReason) else found


def end_a_run(instance, request, status=dg.DagsterRunStatus.FAILURE):
    instance.create_run_for_job(research, run_config=request.run_config, tags=dict(request.tags), status=status)


def test_an_active_session_that_nobody_drives_gets_one_run(store, instance):
    session = begin(store)

    (request,) = tick(instance)

    assert request.run_config == {"session": session}
    assert request.tags["autoresearch/session"] == session


HOSTILE = "one\n two \x1b[2J \u202e \udc80 " + "x" * 300


@pytest.mark.parametrize(("memory_key", "shown"), [("my research", "my research"), (HOSTILE[:250], None)])
def test_a_run_can_be_found_by_its_memory_key_whatever_that_holds(store, instance, memory_key, shown):
    """The run is kept and found again under the same tag."""
    begin(store, memory_key.encode("utf-8", "ignore").decode())

    (request,) = tick(instance)
    end_a_run(instance, request)

    told = request.tags["autoresearch/memory_key"]
    assert told.isprintable()
    assert len(told) <= 255
    assert shown in (None, told)
    assert len(instance.get_runs(dg.RunsFilter(tags={"autoresearch/memory_key": told}))) == 1


def test_a_name_that_no_database_could_hold_is_escaped_in_a_tag():
    (told,) = memory_key_tag(HOSTILE).values()

    assert told.startswith("one two \\x1b[2J \\u202e \\udc80 xxx")
    assert len(told) == 255


def test_the_same_request_is_made_until_something_happens(store, instance):
    begin(store)

    assert tick(instance)[0].run_key == tick(instance)[0].run_key


def test_each_waiting_session_gets_its_own_run(store, instance):
    sessions = [begin(store, "one"), begin(store, "two")]

    requests = tick(instance)

    assert [request.run_config["session"] for request in requests] == sessions
    assert len({request.run_key for request in requests}) == 2


def test_a_session_of_the_command_line_is_never_adopted(store, instance):
    begin(store, driver="cli")

    assert tick(instance) == []


def test_a_paused_session_rests(store, instance):
    pause(begin(store), store, "by hand")

    assert tick(instance) == []


def test_a_finished_session_rests(store, instance):
    with store.journal.transaction(begin(store)) as transaction:
        transaction.append(ev.SessionFinished(reason="final answer", summary=""))

    assert tick(instance) == []


def test_a_session_that_somebody_drives_is_left_alone_until_they_stop(store, instance):
    session = begin(store)
    with store.leases.hold(lease_name(session), this_process()):
        assert tick(instance) == []

    assert len(tick(instance)) == 1


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED])
def test_a_run_that_ended_unsettled_is_followed_by_another_key(store, instance, status):
    begin(store)
    (first,) = tick(instance)
    end_a_run(instance, first, status)

    (second,) = tick(instance)

    assert second.run_key != first.run_key
    assert second.run_config == first.run_config


def test_a_run_that_has_not_ended_keeps_its_key(store, instance):
    begin(store)
    (first,) = tick(instance)
    end_a_run(instance, first, dg.DagsterRunStatus.STARTED)

    assert tick(instance)[0].run_key == first.run_key


def test_a_session_whose_dispatch_fails_three_times_is_paused_with_a_reason(store, instance):
    session = begin(store)
    for _ in range(3):
        (request,) = tick(instance)
        end_a_run(instance, request)

    assert tick(instance) == []
    state = store.journal.state(session)
    assert state.status == "paused"
    assert "3 times" in state.reason


def fails_now(instance, request):
    run = instance.create_run_for_job(
        research, run_config=request.run_config, tags=dict(request.tags), status=dg.DagsterRunStatus.STARTED
    )
    instance.report_run_failed(run, "its worker died")


def test_a_session_that_was_paused_for_its_failures_goes_on_when_it_is_resumed(store, instance):
    session = begin(store)
    keys = []
    for _ in range(3):
        (request,) = tick(instance)
        keys.append(request.run_key)
        fails_now(instance, request)
    assert tick(instance) == []
    with store.journal.transaction(session) as transaction:
        transaction.append(ev.SessionResumed(config=transaction.state.config, driver="daemon"))

    (request,) = tick(instance)

    assert request.run_key not in keys  # Dagster never launches a used one again
    assert store.journal.state(session).status == "active"


def test_a_run_that_was_canceled_by_force_pauses_its_session_until_it_is_resumed(store, instance):
    session = begin(store)
    (request,) = tick(instance)
    run = instance.create_run_for_job(
        research, run_config=request.run_config, tags=dict(request.tags), status=dg.DagsterRunStatus.STARTED
    )
    instance.report_run_canceled(run)

    assert tick(instance) == []
    state = store.journal.state(session)
    assert state.status == "paused"
    assert "terminated in Dagster" in state.reason
    with store.journal.transaction(session) as transaction:
        transaction.append(ev.SessionResumed(config=transaction.state.config, driver="daemon"))
    assert len(tick(instance)) == 1


def test_progress_is_another_dispatch_and_forgets_failures(store, instance):
    session = begin(store)
    (first,) = tick(instance)
    for _ in range(2):
        end_a_run(instance, first)
    with store.journal.transaction(session) as transaction:
        transaction.append(ev.ModelReplied(turn=1, reply="thinking", stop_reason=None))

    (second,) = tick(instance)
    end_a_run(instance, second)

    assert len(tick(instance)) == 1
    assert store.journal.state(session).status == "active"


def test_a_session_that_sleeps_is_left_alone_until_its_time(store, instance):
    session = begin(store)
    for delay_s, requested in ((3600, []), (-1, [session])):
        until = datetime.now(UTC) + timedelta(seconds=delay_s)
        with store.journal.transaction(session) as transaction:
            transaction.append(ev.SessionSlept(until=until, reason="busy"))
        assert [request.run_config["session"] for request in tick(instance)] == requested


def told(instance, **config):
    flat = {"memory_key": "research", **config}
    return research.execute_in_process(run_config=flat, instance=instance, raise_on_error=False)


def test_a_run_of_the_job_passes_a_note_and_a_pause_on(store, instance):
    session = begin(store)

    assert told(instance, steer="try a warmup", halt="pause").success

    state = store.journal.state(session)
    assert [note.note for note, _ in state.notes] == ["try a warmup"]
    assert state.status == "paused"
    assert tick(instance) == []


def test_a_run_of_the_job_asks_whoever_drives_a_session_to_stop_now(store, instance):
    session = begin(store)
    with store.leases.hold(lease_name(session), this_process()):
        assert told(instance, halt="stop-now").success
        asked = store.journal.state(session).asked
    assert (asked.end, asked.kill) == ("stop", True)


def test_a_halt_that_is_none_is_refused_with_what_is_permitted(store, instance):
    begin(store)
    with pytest.raises(dg.DagsterInvariantViolationError, match="pause-now, stop-now"):
        research.execute_in_process(run_config={"halt": "die"}, instance=instance)
