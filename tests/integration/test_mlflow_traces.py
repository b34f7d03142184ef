"""Turns of the agent as traces: what stands in them, and that each is there exactly once."""

from datetime import timedelta
from decimal import Decimal

import pytest

from autoresearch_dagster.core.experiment import digest_of
from autoresearch_dagster.core.limits import TRACE_TEXT_CHARS
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.ledger_events import TokenUsage
from tests.mlflow_desk import START, Desk, Died, dying_after

PLAN = digest_of(b"plan")


def think(desk: Desk, turn: int, *, code: str = "get_budget()", reply: str = "I look.") -> None:
    """A request to the model and the reply, then a plan that begins with one call."""
    ticket = f"t{turn}"
    asked = ev.ModelAsked(
        ticket=ticket, purpose="turn", turn=turn, request=PLAN, model="m", prices="1", reserved_usd=Decimal(1)
    )
    desk.append(asked)
    usage = TokenUsage(input_tokens=10, output_tokens=5, cache_read_tokens=90)
    desk.append(ev.ModelAnswered(ticket=ticket, usage=usage, usd=Decimal("0.25"), duration_s=10))
    desk.append(ev.ModelReplied(turn=turn, reply=reply, stop_reason="end_turn"))
    desk.append(ev.PlanStarted(turn=turn, code=code, plan=PLAN, started_at=START, seed=0))
    desk.append(
        ev.CallRecorded(
            turn=turn, sequence=0, call="c", function="get_budget", arguments={}, result={"left": 3}, duration_s=2.5
        )
    )


def end(desk: Desk, turn: int, observation: str = "seen", *, failed: bool = False) -> None:
    desk.append(ev.PlanFinished(turn=turn, observation=observation, failed=failed))


def traces(desk: Desk):
    return desk.traces_by_name()


def test_a_turn_is_a_trace_with_request_plan_calls_and_wait(desk):
    think(desk, 3)
    desk.launch(3, ("again", "pass", None))
    desk.append(ev.CallAnswered(turn=3, sequence=0, call="c", result={"rows": 1}))
    end(desk, 3, "one experiment")
    desk.project()

    trace = traces(desk)["s01 turn 3"]
    spans = {span.name: span for span in trace.data.spans}
    root, plan = spans["turn 3"], spans["plan"]
    assert root.outputs == {"reply": "I look.", "observation": "one experiment"}
    assert (spans["ask the model"].parent_id, plan.parent_id) == (root.span_id, root.span_id)
    assert (plan.inputs, plan.outputs) == ({"code": "get_budget()"}, "one experiment")
    assert spans["get_budget"].parent_id == plan.span_id
    assert spans["get_budget"].outputs == {"left": 3}
    assert spans["get_budget"].end_time_ns - spans["get_budget"].start_time_ns == 2_500_000_000
    wait = spans["f: wait for dispatch 3"]
    assert wait.parent_id == plan.span_id
    assert wait.inputs["experiments"] == ["s01_d03_e05"]
    assert spans["ask the model"].get_attribute("mlflow.chat.tokenUsage")["input_tokens"] == 100
    assert trace.info.trace_metadata["mlflow.trace.session"] == "s01"
    assert trace.info.trace_metadata["mlflow.sourceRun"] == desk.runs()["session s01 night"].info.run_id
    assert trace.info.token_usage["total_tokens"] == 105
    assert trace.info.cost["total_cost"] == 0.25
    assert (str(trace.info.state), trace.info.tags["autoresearch.turn"]) == ("OK", "3")


def test_times_come_from_the_journal(desk):
    think(desk, 3)
    end(desk, 3)
    desk.project()

    trace = traces(desk)["s01 turn 3"]
    asked, over = (
        next(one.at for one in desk.journal.events("s01") if isinstance(one.event, kind) and one.event.turn == 3)
        for kind in (ev.ModelAsked, ev.PlanFinished)
    )
    assert trace.info.request_time == asked.timestamp() * 1000
    assert trace.info.execution_duration == (over - asked) / timedelta(milliseconds=1)


def test_an_unfinished_turn_is_in_progress_until_it_ends_and_then_replaced(desk):
    think(desk, 3)
    desk.project()
    before = traces(desk)["s01 turn 3"]
    assert (str(before.info.state), before.info.execution_duration) == ("IN_PROGRESS", None)

    end(desk, 3, failed=True)
    desk.project()
    after = traces(desk)["s01 turn 3"]
    assert (str(after.info.state), after.info.trace_id) == ("ERROR", before.info.trace_id)
    assert next(span for span in after.data.spans if span.name == "plan").status.status_code.value == "ERROR"
    assert len(after.data.spans) == len(before.data.spans)


@pytest.mark.parametrize("step", ["delete_traces", "start_trace", "log_spans"])
def test_a_projector_that_dies_between_two_steps_leaves_each_trace_once(desk, step):
    think(desk, 3)
    end(desk, 3)
    with pytest.raises(Died):
        desk.project(dying_after(step, 3, "_tracing"))
    desk.project()

    found = traces(desk)
    assert sorted(found) == ["s01 turn 1", "s01 turn 2", "s01 turn 3"]
    assert [len(trace.data.spans) for _, trace in sorted(found.items())] == [2, 2, 4]


def test_what_is_new_gives_the_same_traces_as_everything_at_once(desk):
    for turn in (3, 4, 5):
        think(desk, turn)
        desk.project()
        end(desk, turn, f"seen {turn}")
        desk.project()
    one_by_one = picture(desk)
    assert one_by_one["s01 turn 5"][0] == "seen 4"
    known = desk.client().get_metric_history(desk.runs()["session s01 night"].info.run_id, "usd_of_turn")
    assert [(point.step, point.value) for point in known] == [(3, 0.25), (4, 0.25), (5, 0.25)]

    desk.projector().forget("s01")
    assert traces(desk) == {}
    desk.project()
    assert picture(desk) == one_by_one


def picture(desk: Desk):
    return {
        name: (
            trace.info.request_preview,
            trace.info.response_preview,
            trace.info.state,
            trace.info.request_time,
            trace.info.execution_duration,
            [
                (span.name, span.inputs, span.outputs, span.start_time_ns, span.end_time_ns)
                for span in trace.data.spans
            ],
        )
        for name, trace in traces(desk).items()
    }


def test_nothing_is_written_for_turns_that_are_there(desk):
    think(desk, 3)
    end(desk, 3)
    desk.project()

    def refuse(projector):
        for step in ("delete_traces", "start_trace", "log_spans"):
            setattr(projector._tracing, step, None)

    desk.append(ev.Steered(note="look"))
    desk.project(refuse)


def test_long_and_unprintable_texts_are_cut_and_escaped(desk):
    think(desk, 3, code="x" * 10_000, reply="\x1b[2J" + "y" * 10_000)
    end(desk, 3)
    desk.project()

    spans = {span.name: span for span in traces(desk)["s01 turn 3"].data.spans}
    assert spans["plan"].inputs["code"].startswith("x" * TRACE_TEXT_CHARS + " … (")
    assert "\x1b" not in spans["turn 3"].outputs["reply"]
    assert len(str(spans["turn 3"].outputs)) < 2 * TRACE_TEXT_CHARS


def test_a_failed_request_and_its_retry_are_two_spans_of_one_turn(desk):
    asked = ev.ModelAsked(
        ticket="lost", purpose="turn", turn=3, request=PLAN, model="m", prices="1", reserved_usd=Decimal(1)
    )
    desk.append(asked, ev.ModelFailed(ticket="lost", reason="overloaded", possibly_charged=True))
    think(desk, 3)
    end(desk, 3)
    desk.project()

    spans = [span for span in traces(desk)["s01 turn 3"].data.spans if span.name == "ask the model"]
    assert [span.status.status_code.value for span in spans] == ["ERROR", "OK"]
