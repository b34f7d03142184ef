"""Carries out the pause or the end that a person asked for, at the next step of whoever drives the session."""

from typing import Any

from autoresearch_dagster.agent.scripted import summary
from autoresearch_dagster.agent.tools.dispatcher import SessionJournal
from autoresearch_dagster.agent.tools.signatures import Transaction
from autoresearch_dagster.core.experiment import ExperimentResult, Outcome, Purpose
from autoresearch_dagster.store import events as ev


def obey(journal: SessionJournal, session: str, lease: Any = None) -> None:
    """Pause or end the session, if a person asked for that: candidates that have not ended are `Stopped`."""
    if journal.state(session).asked is not None:
        with journal.transaction(session, lease) as tx:
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
