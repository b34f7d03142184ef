"""Drives a session from the journal: think, run the plan, sleep at a launch.

Every step is one transaction, so a process that dies anywhere is continued by the next one.
"""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Literal

from autoresearch_dagster.agent import prompt
from autoresearch_dagster.agent.code_mode import Failed, Finished, Paused, PlanSpec, run_plan
from autoresearch_dagster.agent.halting import obey
from autoresearch_dagster.agent.observation import observe
from autoresearch_dagster.agent.plan_snapshot import SnapshotFile, snapshot_name
from autoresearch_dagster.agent.plan_text import FinalAnswer, Unusable, read_reply
from autoresearch_dagster.agent.researcher import Researcher
from autoresearch_dagster.agent.thinking import is_last, think
from autoresearch_dagster.agent.tools.answers import answer_pending
from autoresearch_dagster.agent.tools.dispatcher import TOOLBOX, Workbench, call_tool, recorded_answers
from autoresearch_dagster.agent.tools.signatures import Toolbox, Transaction
from autoresearch_dagster.core.errors import PlanDiverged
from autoresearch_dagster.core.experiment import digest_of
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState, Turn

Clock = Callable[[], datetime]


def now() -> datetime:
    """Return the present, in UTC."""
    return datetime.now(UTC)


def advance(bench: Workbench, researcher: Researcher, clock: Clock = now) -> Literal["waiting", "finished"]:
    """Drive the session until it waits for experiments or the model (or is paused), or is finished.

    It also waits, for `settle`, where a plan has ended whose launches deferred their confirmations.

    Raises:
        PlanDiverged: a replay made another call than the journal holds; the session is paused.
    """
    while True:
        state = bench.journal.state(bench.session)
        if state.asked is not None and state.status != "finished":
            obey(bench.journal, bench.session, bench.lease)
            continue
        if state.status != "active":
            return "finished" if state.status == "finished" else "waiting"
        turn = state.turns[-1] if state.turns else None
        if turn is None or turn.finished is not None:
            if state.undecided or (state.asleep_until is not None and clock() < state.asleep_until):
                return "waiting"
            think(bench, researcher, state)
        elif turn.pending is not None:
            with bench.transaction() as tx:
                if not answer_pending(tx):
                    return "waiting"
        elif turn.plan is None:
            _begin(bench, state, turn, clock)
        elif not _run(bench, state, turn):
            return "waiting"


def _tools(state: SessionState, turn: int) -> Toolbox:
    return TOOLBOX.without_running() if is_last(state, turn) else TOOLBOX


def _begin(bench: Workbench, state: SessionState, turn: Turn, clock: Clock) -> None:
    """Turn a kept reply into a started plan, an error observation or the end of the session."""
    read = read_reply(turn.replied.reply, turn.replied.stop_reason)
    with bench.transaction() as tx:
        if tx.state.sequence != state.sequence:
            return
        match read:
            case Unusable(problem):
                _finish(tx, turn.number, problem, failed=True)
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
            tx.append(ev.SessionPaused(reason=str(fault), trouble=True))
        raise
    if isinstance(end, Paused):
        return False
    with bench.transaction() as tx:
        _close(tx, turn.number, end)
    file.discard()
    return True


def _close(tx: Transaction, number: int, end: Finished | Failed) -> None:
    if tx.state.turns[-1].number == number and tx.state.turns[-1].finished is None:
        _finish(tx, number, observe(end), failed=isinstance(end, Failed))


def _finish(tx: Transaction, number: int, observation: str, *, failed: bool) -> None:
    where = prompt.status(tx.state)
    tx.append(ev.PlanFinished(turn=number, observation=observation, failed=failed, status=where))
