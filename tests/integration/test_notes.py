"""A note by webhook: one for each end and each trouble, none for what a person did, and never a fault."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.notes import note_end, note_failure
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.store import Store, open_store
from tests.plans import finish, plan


class Hook:
    """A chat's server."""

    def __init__(self) -> None:
        self.notes: list[dict[str, Any]] = []
        self.status = 200
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                outer.notes.append(json.loads(body))
                self.send_response(outer.status)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}/T000/secret-token"


@pytest.fixture
def hook() -> Iterator[Hook]:
    made = Hook()
    thread = threading.Thread(target=made.server.serve_forever, daemon=True)
    thread.start()
    yield made
    made.server.shutdown()
    made.server.server_close()
    thread.join()


@pytest.fixture
def settings(tmp_path: Path, hook: Hook) -> Settings:
    return Settings(home=tmp_path / "home", webhook=SecretStr(hook.address))


@pytest.fixture
def store(settings: Settings) -> Store:
    store = open_store(settings)
    (key,) = plan(store, "a wider model")
    finish(store, key)
    return store


def write(store: Store, *events: ev.Event) -> None:
    with store.journal.transaction("s01") as tx:
        for event in events:
            tx.append(event)


def test_the_end_of_a_session_is_told_once(store: Store, settings: Settings, hook: Hook) -> None:
    write(store, ev.SessionFinished(reason="final answer", summary="wider is better"))
    assert note_end(settings, store, "s01") == ""
    assert note_end(settings, store, "s01") == ""
    (note,) = hook.notes
    assert note["text"].startswith("Research research (s01) is finished: final answer. ")
    assert (note["memory_key"], note["status"]) == ("research", "finished")


def test_a_session_that_goes_on_and_ends_again_is_told_again(store: Store, settings: Settings, hook: Hook) -> None:
    config = store.journal.state("s01").config
    write(store, ev.SessionFinished(reason="final answer", summary=""))
    note_end(settings, store, "s01")
    write(store, ev.SessionResumed(config=config, driver="cli"))
    assert note_end(settings, store, "s01") == ""
    write(store, ev.SessionFinished(reason="final answer", summary=""))
    note_end(settings, store, "s01")
    assert len(hook.notes) == 2


@pytest.mark.parametrize(("trouble", "told"), [(True, 1), (False, 0)])
def test_trouble_is_told_and_what_a_person_asked_for_is_not(
    store: Store, settings: Settings, hook: Hook, trouble: bool, told: int
) -> None:
    write(store, ev.SessionPaused(reason="The disk is full", trouble=trouble))
    note_end(settings, store, "s01")
    assert len(hook.notes) == told


def test_a_driver_that_fails_is_told_unless_its_pause_was(store: Store, settings: Settings, hook: Hook) -> None:
    assert note_failure(settings, store, "no such session", "boom") == ""
    note_failure(settings, store, "research", "Docker went away\x1b[2J")
    (note,) = hook.notes
    assert "is stopped: Docker went away" in note["text"]
    assert "\x1b" not in note["text"]
    write(store, ev.SessionPaused(reason="it is told by `note_end`", trouble=True))
    note_failure(settings, store, "research", "boom")
    assert len(hook.notes) == 1


def test_a_note_that_was_not_taken_is_sent_at_the_next_look(store: Store, settings: Settings, hook: Hook) -> None:
    write(store, ev.SessionFinished(reason="final answer", summary=""))
    hook.status = 500
    assert note_end(settings, store, "s01") == "The webhook answers 500; check AUTORESEARCH_WEBHOOK."
    hook.status = 204
    assert note_end(settings, store, "s01") == ""
    assert len(hook.notes) == 2


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:9/secret-token", "no address: secret-token", "ftp://x/secret-token"]
)
def test_a_webhook_that_cannot_be_used_is_one_sentence_without_its_address(
    store: Store, tmp_path: Path, address: str
) -> None:
    settings = Settings(home=tmp_path / "home", webhook=SecretStr(address))
    write(store, ev.SessionFinished(reason="final answer", summary=""))
    said = note_end(settings, store, "s01")
    assert said.endswith("check AUTORESEARCH_WEBHOOK.")
    assert "secret-token" not in said + repr(settings)


def test_without_a_webhook_nothing_is_sent(store: Store, tmp_path: Path, hook: Hook) -> None:
    write(store, ev.SessionFinished(reason="final answer", summary=""))
    assert note_end(Settings(home=tmp_path / "home"), store, "s01") == ""
    assert hook.notes == []


def test_a_title_reaches_nobody_by_itself_and_the_address_is_in_no_log(
    store: Store, settings: Settings, hook: Hook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    write(store, ev.SessionFinished(reason="<!channel> @everyone <https://evil.example|x>", summary=""))
    note_end(settings, store, "s01")
    (note,) = hook.notes
    assert "<" not in note["text"]
    assert "@everyone" not in note["content"]
    assert "secret-token" not in caplog.text


def test_the_time_of_a_session_ends_with_it(store: Store) -> None:
    write(store, ev.SessionFinished(reason="final answer", summary=""))
    ended = store.journal.state("s01").ended_at
    write(store, ev.SessionArchived(), ev.SessionRestored())
    assert ended is not None
    assert store.journal.state("s01").ended_at == ended
    write(store, ev.SessionResumed(config=store.journal.state("s01").config, driver="cli"))
    assert store.journal.state("s01").ended_at is None
