"""When the conversation is told in short, and how much of it: the journal keeps every word all the same."""

from autoresearch_dagster.agent import prompt
from autoresearch_dagster.core import limits
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState


def due(state: SessionState) -> ev.TranscriptCompacted | None:
    """Return what to keep once the last reply had to read more than the limit; None: it is short enough.

    Where the turns that stay whole are too long by themselves, nothing is gained before there are newer ones.
    """
    read = state.turns[-1].replied.input_tokens if state.turns else 0
    if read <= limits.TRANSCRIPT_TOKENS:
        return None
    until = len(state.turns) - limits.TRANSCRIPT_TURNS_KEPT
    return _told_in_short(state, until, read) if until > _told_until(state) else None


def shorter(state: SessionState) -> ev.TranscriptCompacted | ev.SessionPaused:
    """Return what to do where the model refused the conversation as too long: half of what is whole, or pause."""
    told, done = _told_until(state), len(state.turns)
    if told >= done:
        return ev.SessionPaused(
            reason="Even in short the conversation is too long for this model; resume with a model of a larger "
            "context, or choose another memory_key.",
            trouble=True,
        )
    read = state.turns[-1].replied.input_tokens
    return _told_in_short(state, told + max(1, (done - told + 1) // 2), read)


def _told_in_short(state: SessionState, until: int, read: int) -> ev.TranscriptCompacted:
    return ev.TranscriptCompacted(turn=until, input_tokens=read, text=prompt.in_short(state, until))


def _told_until(state: SessionState) -> int:
    return state.compacted.turn if state.compacted else 0
