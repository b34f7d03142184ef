"""A research session as a person watches it in the terminal."""

import shlex
from collections.abc import Callable
from contextlib import suppress

from rich.console import Console

from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.defs.drive import drive
from autoresearch_dagster.experiments.laboratory import running_on
from autoresearch_dagster.experiments.look_ahead import estimate_launch
from autoresearch_dagster.experiments.notes import note_failure
from autoresearch_dagster.experiments.outlook import time_left_s
from autoresearch_dagster.experiments.report import keep_report, report_file
from autoresearch_dagster.experiments.session import pause
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.reports.live import LiveView
from autoresearch_dagster.reports.pulse import pulse
from autoresearch_dagster.reports.story import Story, conclude, go_on, say
from autoresearch_dagster.store.events import SessionConfig
from autoresearch_dagster.store.journal import utc_now
from autoresearch_dagster.store.leaderboard import lowest
from autoresearch_dagster.store.store import open_store


def research_in_terminal(config: SessionConfig, settings: Settings, out: Console) -> bool:
    """Drive a session to its end and show it; whether there is a score of record.

    Raises:
        AutoresearchError: it could not be driven; the text is one sentence.
        KeyboardInterrupt: the person stopped it; they were told how to go on.
    """
    board = Board()
    line = f"preset {config.preset}, source {config.source}, researcher {config.researcher}."
    try:
        forecast, story = estimate_launch(config, settings), Story(out)
        known = open_store(settings).journal.find(config.memory_key)
        if known is not None:
            story.know(known)
        say(out, f"Research {config.memory_key}: {line}")
        say(out, str(forecast))
        with LiveView(board, out, _pulse(config, settings, forecast.slots)) as view:
            state = drive(config, settings, board, view.report, story.tell)
    except KeyboardInterrupt:
        _pause(config, settings, out)
        raise
    except AutoresearchError as fault:
        if unsent := note_failure(settings, open_store(settings), config.memory_key, str(fault)):
            say(out, unsent)
        raise
    conclude(state, report_file(settings, state.id), out)
    return lowest(state) is not None


def _pause(config: SessionConfig, settings: Settings, out: Console) -> None:
    """Pause what the person stopped, and say how to go on and how to end it."""
    store = open_store(settings)
    found = store.journal.find(config.memory_key)
    if found is None:
        say(out, f"Stopped before the session began. `{go_on(config)}` begins it.")
        return
    pause(found.id, store, "stopped from the keyboard")
    keep_report(settings, store, found.id)
    say(out, f"Paused; nothing is lost. `{go_on(found.config)}` goes on.")
    if left := running_on(found.id, settings):
        say(out, f"Left to run to the end in containers: {counted(left, 'training')}; going on collects them.")
    say(out, f"`{shlex.join(['autoresearch', 'stop', config.memory_key])}` ends it instead.")


def _pulse(config: SessionConfig, settings: Settings, slots: int) -> Callable[[], str]:
    """Return what says how far the session of a memory key is; '' while there is none yet."""
    journal = open_store(settings).journal

    def look() -> str:
        with suppress(AutoresearchError):  # a journal that is locked for a moment
            state = journal.find(config.memory_key)
            return pulse(state, time_left_s(state, utc_now(), slots)) if state is not None else ""
        return ""

    return look
