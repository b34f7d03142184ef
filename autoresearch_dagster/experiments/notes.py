"""A note to a person when a session ends or is in trouble, by webhook if one is set; research never fails with it.

The address is a secret: whoever knows it may write there.  It is shown nowhere, not in errors either.
"""

import logging

from pydantic import SecretStr

from autoresearch_dagster.core.experiment import Data, canonical_json, digest_of
from autoresearch_dagster.core.limits import HISTORY_TEXT_CHARS, WEBHOOK_S
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.reports.bill import bill
from autoresearch_dagster.reports.standings import verdict
from autoresearch_dagster.reports.text import one_line
from autoresearch_dagster.store.leaderboard import leader
from autoresearch_dagster.store.projections import Projections
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store


class Note(Data):
    """What is sent, as JSON; `text` is what Slack and Mattermost show, `content` the same for Discord."""

    text: str
    content: str
    session: str
    memory_key: str
    status: str
    reason: str
    best_val_bpb: float | None


def note_end(settings: Settings, store: Store, session: str) -> str:
    """Send one note of a session that has ended or is in trouble; say in a sentence why it could not be sent."""
    state = store.journal.state(session)
    if not _is_worth_a_note(state):
        return ""
    subject, end = f"note of {session}", _end_of(state)
    known = Projections(store.engine)
    if known.get(subject) == ("", end):
        return ""
    problem = send(settings.webhook, note_of(state))
    if not problem:
        known.put(subject, "", end)
    return problem


def note_failure(settings: Settings, store: Store, memory_key: str, fault: str) -> str:
    """Send a note that a session was left by its driver, as `note_end` does, unless its pause was told already."""
    state = store.journal.find(memory_key)
    if state is None or _is_worth_a_note(state):
        return ""
    return send(settings.webhook, note_of(state, fault))


def note_of(state: SessionState, fault: str = "") -> Note:
    """Write a note; `fault` is what stopped its driver, where it is not what the journal says."""
    top, reason = leader(state), one_line(fault or state.reason, HISTORY_TEXT_CHARS)
    status = "stopped" if fault else state.status
    costs = f" Spent: {spent}." if (spent := bill(state)) else ""
    text = f"Research {state.config.memory_key} ({state.id}) is {status}: {reason}. {verdict(state)}{costs}"
    return Note(
        text=text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;"),  # no mentions, no links in Slack
        content=text.replace("@", "@\u200b"),  # none in Discord
        session=state.id,
        memory_key=state.config.memory_key,
        status=status,
        reason=reason,
        best_val_bpb=top.val_bpb if top else None,
    )


def send(webhook: SecretStr, note: Note) -> str:
    """Post a note; '' or the sentence that says why it did not arrive."""
    address = webhook.get_secret_value()
    if not address:
        return ""
    import httpx2  # a quarter of a second

    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it would log the address
    try:
        answer = httpx2.post(address, json=note.model_dump(mode="json"), timeout=WEBHOOK_S)
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError) as fault:
        return f"The note could not be sent ({type(fault).__name__}); check AUTORESEARCH_WEBHOOK."
    if not answer.is_success:
        return f"The webhook answers {answer.status_code}; check AUTORESEARCH_WEBHOOK."
    return ""


def _is_worth_a_note(state: SessionState) -> bool:
    return state.status == "finished" or (state.status == "paused" and state.trouble)


def _end_of(state: SessionState) -> str:
    """Name this end: a session that goes on and ends again is told again."""
    resumed = state.resumed_at.isoformat() if state.resumed_at else ""
    return digest_of(canonical_json([state.status, state.reason, resumed]))
