"""Drives a session from the journal: think, run the plan, sleep at a launch.

Every step is one transaction, so a process that dies anywhere is continued by the next one.
"""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Literal

from autoresearch_dagster.agent import prompt
from autoresearch_dagster.agent.answers import answer_pending
from autoresearch_dagster.agent.code_mode import Failed, Finished, Paused, PlanSpec, run_plan
from autoresearch_dagster.agent.dispatcher import TOOLBOX, Workbench, call_tool, recorded_answers
from autoresearch_dagster.agent.observation import observe
from autoresearch_dagster.agent.plan_snapshot import SnapshotFile, snapshot_name
from autoresearch_dagster.agent.plan_text import FinalAnswer, Unusable, read_reply
from autoresearch_dagster.agent.researcher import Researcher, ResearcherView
from autoresearch_dagster.agent.scripted import summary
from autoresearch_dagster.agent.signatures import Toolbox, Transaction
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import PlanDiverged
from autoresearch_dagster.core.experiment import digest_of
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState, Turn

Clock = Callable[[], datetime]


def now() -> datetime:
    """Return the present, in UTC."""
    return datetime.now(UTC)


def advance(bench: Workbench, researcher: Researcher, clock: Clock = now) -> Literal["waiting", "finished"]:
    """Drive the session until it waits for experiments (or is paused), or is finished.

    Raises:
        PlanDiverged: a replay made another call than the journal holds; the session is paused.
    """
    while True:
        state = bench.journal.state(bench.session)
        if state.status != "active":
            return "finished" if state.status == "finished" else "waiting"
        turn = state.turns[-1] if state.turns else None
        if turn is None or turn.finished is not None:
            _think(bench, researcher, state)
        elif turn.pending is not None:
            with bench.transaction() as tx:
                if not answer_pending(tx):
                    return "waiting"
        elif turn.plan is None:
            _begin(bench, state, turn, clock)
        elif not _run(bench, state, turn):
            return "waiting"


def turns_of_launch(events: Iterable[ev.Recorded]) -> list[ev.ModelReplied]:
    """Return the replies since the session began, or since it was resumed after its end."""
    replies: list[ev.ModelReplied] = []
    ended = False
    for record in events:
        if isinstance(record.event, ev.SessionFinished):
            ended = True
        elif isinstance(record.event, ev.SessionResumed) and ended:
            replies, ended = [], False
        elif isinstance(record.event, ev.ModelReplied):
            replies.append(record.event)
    return replies


def is_last(state: SessionState, turn: int) -> bool:
    """Return whether a turn comes after all experiments were planned: it has no run tools."""
    return sum(experiment.turn < turn for experiment in state.experiments.values()) >= state.allotted


def _tools(state: SessionState, turn: int) -> Toolbox:
    return TOOLBOX.without_running() if is_last(state, turn) else TOOLBOX


def _think(bench: Workbench, researcher: Researcher, state: SessionState) -> None:
    """Ask the researcher, outside any transaction, and keep the reply; or end the session at a limit."""
    taken = turns_of_launch(bench.journal.events(bench.session))
    reason = _limit_reached(state, taken)
    if reason:
        with bench.transaction() as tx:
            if tx.state.sequence == state.sequence:
                tx.append(ev.SessionFinished(reason=reason, summary=summary(tx.state)))
        return
    number = len(state.turns) + 1
    last = is_last(state, number)
    view = ResearcherView(
        system=prompt.system_prompt(state, bench.preset, _tools(state, number)),
        messages=prompt.messages(state, last=last),
        state=state,
        turns_taken=len(taken),
        last=last,
    )
    reply = researcher.reply(view)
    with bench.transaction() as tx:
        if len(tx.state.turns) == len(state.turns) and tx.state.status == "active":
            tx.append(
                ev.ModelReplied(
                    turn=number,
                    reply=reply.text,
                    stop_reason=reply.stop_reason,
                    input_tokens=reply.input_tokens,
                    output_tokens=reply.output_tokens,
                )
            )


def _limit_reached(state: SessionState, taken: list[ev.ModelReplied]) -> str:
    numbers = {reply.turn for reply in taken}
    turns = [turn for turn in state.turns if turn.number in numbers]
    if turns and is_last(state, turns[-1].number):
        return "n_experiments reached"
    if len(turns) >= state.config.max_turns:
        return f"max_turns={state.config.max_turns} reached without a final answer"
    recent = turns[-limits.PLAN_ERRORS_IN_A_ROW :]
    failed = [turn for turn in recent if turn.finished and turn.finished.failed]
    if len(failed) == limits.PLAN_ERRORS_IN_A_ROW:
        return f"{len(failed)} plans in a row failed"
    return ""


def _begin(bench: Workbench, state: SessionState, turn: Turn, clock: Clock) -> None:
    """Turn a kept reply into a started plan, an error observation or the end of the session."""
    read = read_reply(turn.replied.reply, turn.replied.stop_reason)
    with bench.transaction() as tx:
        if tx.state.sequence != state.sequence:
            return
        match read:
            case Unusable(problem):
                tx.append(ev.PlanFinished(turn=turn.number, observation=problem, failed=True))
            case FinalAnswer(text):
                tx.append(ev.PlanFinished(turn=turn.number, observation="", failed=False))
                tx.append(ev.SessionFinished(reason="final answer", summary=text))
            case _:
                plan = digest_of(read.code.encode())
                origin = digest_of(f"{state.id}|{turn.number}|{plan}".encode())
                tx.append(
                    ev.PlanStarted(
                        turn=turn.number,
                        code=read.code,
                        plan=plan,
                        started_at=clock(),
                        seed=int(origin[:8], 16),
                    )
                )


def _run(bench: Workbench, state: SessionState, turn: Turn) -> bool:
    """Run or replay the plan of a turn; False: it sleeps."""
    plan = turn.plan
    assert plan is not None
    tools = _tools(state, turn.number)
    spec = PlanSpec(state.id, turn.number, plan.code, plan.started_at, plan.seed)
    file = SnapshotFile(bench.snapshots / snapshot_name(state.id, turn.number))
    try:
        end: Finished | Paused | Failed = run_plan(
            spec,
            tools,
            recorded_answers(turn),
            lambda call: call_tool(bench, turn.number, tools, call),
            file,
        )
    except PlanDiverged as fault:
        with bench.transaction() as tx:
            tx.append(ev.SessionPaused(reason=str(fault)))
        raise
    if isinstance(end, Paused):
        return False
    with bench.transaction() as tx:
        _close(tx, turn.number, end)
    file.discard()
    return True


def _close(tx: Transaction, number: int, end: Finished | Failed) -> None:
    if tx.state.turns[-1].number == number and tx.state.turns[-1].finished is None:
        tx.append(ev.PlanFinished(turn=number, observation=observe(end), failed=isinstance(end, Failed)))
