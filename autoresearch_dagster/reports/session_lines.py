"""Lines of a history about the session as a whole: how it began, rested and ended, and what people asked of it."""

from autoresearch_dagster.core.limits import HISTORY_TEXT_CHARS, OBSERVATION_CHARS
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.reports.decisions import decision
from autoresearch_dagster.reports.text import block, one_line
from autoresearch_dagster.store import events as ev, promotion_events as pe

Told = tuple[str, str]
"""A line, and text that is shown below it or ''."""
SessionEvent = (
    ev.SessionStarted
    | ev.SessionResumed
    | ev.SessionPaused
    | ev.SessionFinished
    | ev.SessionArchived
    | ev.SessionRestored
    | ev.SessionImported
    | ev.BatchSentBack
    | ev.TranscriptCompacted
    | ev.Steered
    | ev.HaltAsked
)
"""What happens to a session as a whole."""

DRIVERS = {"cli": "the command line", "daemon": "Dagster"}
WHOLE_LINES = 100_000  # of one text in the turn that is asked for
MARGIN = "            │ "


def session_line(event: SessionEvent | pe.Decision) -> Told:  # noqa: C901 (one arm for each event)
    """Tell an event of a session as a whole, or a decision of the platform; all of them, or the types are wrong."""
    match event:
        case ev.SessionStarted():
            return f"session s{event.number:02} started by {_launch(event.config, event.driver)}", ""
        case ev.SessionResumed():
            return f"resumed by {_launch(event.config, event.driver)}", ""
        case ev.SessionPaused():
            return f"paused{after_colon(event.reason)}", ""
        case ev.SessionFinished():
            return f"finished{after_colon(event.reason)}", block(event.summary, WHOLE_LINES, MARGIN)
        case ev.Steered():
            return f"a note from {event.by or 'a person'}{after_colon(event.note)}", ""
        case ev.HaltAsked():
            now = ", and to end what runs" if event.kill else ""
            return f"{event.by or 'a person'} asks to {event.end} at the next step{now}", ""
        case ev.BatchSentBack():
            return f"batch of {counted(len(event.signatures), 'edit')} sent back, all about {event.axis}", ""
        case ev.TranscriptCompacted():
            return f"turns up to {event.turn} are told in short; {counted(event.input_tokens, 'token')} read", ""
        case ev.SessionArchived():
            return "archived: lists do not show it", ""
        case ev.SessionRestored():
            return "taken out of the archive", ""
        case ev.SessionImported():
            name = f"{cut(event.session)} with the memory key {cut(event.memory_key)}"
            return f"imported: elsewhere it was {name}; nobody here has seen what stands above", ""
        case _:
            return one_line(decision(event), OBSERVATION_CHARS), ""


def _launch(config: ev.SessionConfig, driver: str) -> str:
    many = counted(config.n_experiments, "experiment")
    return (
        f"{DRIVERS.get(driver, driver)}: {many} in batches of {config.batch_size}, "
        f"preset {config.preset}, source {cut(config.source)}, researcher {config.researcher}"
    )


def cut(text: str) -> str:
    """Return a text as it stands in a line."""
    return one_line(text, HISTORY_TEXT_CHARS)


def after_colon(text: str) -> str:
    """Return a text as it ends a line; nothing where there is nothing."""
    return f": {cut(text)}" if text.strip() else ""
