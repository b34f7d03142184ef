"""Carries out the pause or the end that a person asked for, at the next step of whoever drives the session."""

from autoresearch_dagster.agent.scripted import summary
from autoresearch_dagster.agent.tools.dispatcher import Workbench
from autoresearch_dagster.agent.tools.signatures import Transaction
from autoresearch_dagster.core.experiment import ExperimentResult, Outcome, Purpose
from autoresearch_dagster.store import events as ev


def obey(bench: Workbench) -> None:
    """Pause or end the session, if a person asked for that: candidates that have not ended are `Stopped`."""
    if bench.journal.state(bench.session).asked is None:
        return
    with bench.transaction() as tx:
        halt(tx)


def halt(tx: Transaction) -> None:
    """Carry out what a person asked for, as a part of the caller's transaction."""
    asked, state = tx.state.asked, tx.state
    if asked is None or state.status == "finished":
        return
    reason = f"{asked.by or 'a person'} asked for it"
    if asked.end == "pause":
        tx.append(ev.SessionPaused(reason=reason))
        return
    for experiment in state.unfinished:
        if experiment.planned.purpose is Purpose.CANDIDATE:
            result = ExperimentResult(outcome=Outcome.STOPPED, error=f"The session was ended: {reason}.")
            tx.append(ev.ExperimentFinished(key=experiment.planned.key, result=result))
    tx.append(ev.SessionFinished(reason=reason, summary=summary(tx.state)))
