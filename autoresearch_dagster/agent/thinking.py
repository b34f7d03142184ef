"""Asks the researcher for the next turn, and keeps what it says before anything is done with it."""

from collections.abc import Iterator

from autoresearch_dagster.agent import compaction, prompt
from autoresearch_dagster.agent.hypotheses.calibration import calibration, table
from autoresearch_dagster.agent.researcher import Reply, Researcher, ResearcherView, Sleep, TooLong
from autoresearch_dagster.agent.scripted import summary
from autoresearch_dagster.agent.tools.dispatcher import TOOLBOX, Workbench
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BudgetExceeded, ModelFault
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState, Turn


def is_last(state: SessionState, turn: int) -> bool:
    """Return whether a turn comes after all experiments were planned: it has no run tools."""
    return sum(experiment.turn < turn for experiment in state.experiments.values()) >= state.allotted


def think(bench: Workbench, researcher: Researcher, state: SessionState) -> None:
    """Ask the researcher, outside any transaction, and keep the reply; or end the session at a limit."""
    taken = state.turns[state.turns_before :]
    reason = _limit_reached(state, taken)
    if reason:
        _append(bench, state, ev.SessionFinished(reason=reason, summary=summary(state)))
        return
    if not taken and (not state.directives or state.directives[-1][0] < len(state.turns)):
        _append(bench, state, ev.DirectiveGiven(text=prompt.directive(state, table(calibration(state)))))
        return
    number = len(state.turns) + 1
    last = is_last(state, number)
    view = ResearcherView(
        system=prompt.system_prompt(state, bench.preset, TOOLBOX),
        messages=prompt.messages(state),
        state=state,
        turns_taken=len(taken),
        last=last,
    )
    reply = _asked(researcher, view)
    with bench.transaction() as tx:
        for event in _kept(reply, tx.state, state):
            tx.append(event)


def _asked(researcher: Researcher, view: ResearcherView) -> Reply | Sleep | TooLong | ev.Event:
    """Ask; what ends or pauses the session instead of an answer comes back as its event."""
    try:
        return researcher.reply(view)
    except BudgetExceeded as fault:
        return ev.SessionFinished(reason=str(fault), summary=summary(view.state))
    except ModelFault as fault:
        return ev.SessionPaused(reason=str(fault), trouble=True)


def _kept(reply: Reply | Sleep | TooLong | ev.Event, now: SessionState, asked: SessionState) -> Iterator[ev.Event]:
    """Return what is written down of a reply; a paid one is kept although the session was paused meanwhile."""
    match reply:
        case Sleep():
            yield ev.SessionSlept(until=reply.until, reason=reply.reason)
        case TooLong():
            yield compaction.shorter(now)
        case Reply():
            if reply.settled is not None:
                yield reply.settled
            if len(now.turns) > len(asked.turns):
                return
            yield ev.ModelReplied(
                turn=len(asked.turns) + 1,
                reply=reply.text.encode(errors="replace").decode(),  # a lone surrogate cannot be written down
                stop_reason=reply.stop_reason,
                input_tokens=reply.input_tokens,
                output_tokens=reply.output_tokens,
                notes_seen=len(asked.notes),
            )
            if news := compaction.due(now):
                yield news
        case _:
            if now.status == "active":
                yield reply


def _append(bench: Workbench, state: SessionState, event: ev.Event) -> None:
    """Append an event that follows from a state, unless somebody wrote meanwhile."""
    with bench.transaction() as tx:
        if tx.state.sequence == state.sequence:
            tx.append(event)


def _limit_reached(state: SessionState, turns: list[Turn]) -> str:
    if turns and is_last(state, turns[-1].number):
        return "n_experiments reached"
    if len(turns) >= state.config.max_turns:
        return f"max_turns={state.config.max_turns} reached without a final answer"
    recent = turns[-limits.PLAN_ERRORS_IN_A_ROW :]
    failed = [turn for turn in recent if turn.finished and turn.finished.failed]
    if len(failed) == limits.PLAN_ERRORS_IN_A_ROW:
        return f"{len(failed)} plans in a row failed"
    if len(turns) >= limits.IDLE_TURNS and not any(turn.launches for turn in turns[-limits.IDLE_TURNS :]):
        return f"{limits.IDLE_TURNS} turns in a row launched nothing"
    return ""
