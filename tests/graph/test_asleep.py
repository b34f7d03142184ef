"""The command line beside a model that asked to be left alone: it waits, says until when, and can be paused."""

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.defs.drive import _await_model
from autoresearch_dagster.experiments.steering import ask_halt
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import open_store


def asleep(home: Path, seconds: float) -> tuple[Settings, SessionState]:
    settings = Settings(home=home)
    journal = open_store(settings).journal
    session = journal.create(ev.SessionConfig(memory_key="m"), "cli", "bundle").id
    with journal.transaction(session) as transaction:
        transaction.append(ev.SessionSlept(until=datetime.now(UTC) + timedelta(seconds=seconds), reason="busy"))
    return settings, journal.state(session)


def test_it_waits_until_the_model_may_be_asked_and_says_so_once(tmp_path: Path) -> None:
    settings, state = asleep(tmp_path, 4)
    said: list[str] = []
    _await_model(state, settings, said.append)
    assert state.asleep_until is not None
    assert datetime.now(UTC) >= state.asleep_until
    assert len(said) == 1
    assert "Ctrl-C pauses" in said[0]


def test_somebody_else_may_end_the_waiting(tmp_path: Path) -> None:
    settings, state = asleep(tmp_path, 3_600)
    waiting = threading.Thread(target=_await_model, args=(state, settings, lambda _line: None))
    waiting.start()
    ask_halt(settings, "m", "pause")
    waiting.join(30)
    assert not waiting.is_alive()


def test_a_session_that_is_awake_is_not_waited_for(tmp_path: Path) -> None:
    settings, state = asleep(tmp_path, -1)
    said: list[str] = []
    _await_model(state, settings, said.append)
    assert said == []
