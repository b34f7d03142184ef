"""Whoever goes on with a session brings the terms of the new launch, unless somebody is at work on it."""

from pathlib import Path

import pytest

from autoresearch_dagster.core.errors import StoreConflict
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.session import lease_name, open_session
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.store import Store, open_store

CONFIG = ev.SessionConfig(memory_key="night", preset="demo", time_budget_sec=1, researcher="scripted", max_turns=5)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", runner="plain")


@pytest.fixture
def store(settings: Settings) -> Store:
    store = open_store(settings)
    store.journal.create(CONFIG, "cli", "0" * 64)
    return store


def kinds(store: Store) -> list[str]:
    return [record.event.kind for record in store.journal.events("s01")]


def test_an_interrupted_session_goes_on_under_the_caps_of_the_new_launch(store: Store, settings: Settings) -> None:
    raised = CONFIG.model_copy(update={"max_turns": 9})
    assert open_session(store, settings, raised, "cli", print).config.max_turns == 9
    assert kinds(store) == ["session_started", "session_resumed"]


def test_opening_a_session_again_on_the_same_terms_writes_nothing(store: Store, settings: Settings) -> None:
    open_session(store, settings, CONFIG, "cli", print)
    assert kinds(store) == ["session_started"]


def test_a_session_that_somebody_drives_keeps_its_terms_and_says_who_that_is(
    store: Store, settings: Settings
) -> None:
    raised = CONFIG.model_copy(update={"max_turns": 9})
    with (
        store.leases.hold(lease_name("s01"), "elsewhere"),
        pytest.raises(StoreConflict, match=r"'night' is held by elsewhere.*autoresearch pause night"),
    ):
        open_session(store, settings, raised, "daemon", print)
    assert kinds(store) == ["session_started"]


def test_a_cap_that_a_new_launch_drops_is_told(store: Store, settings: Settings) -> None:
    told: list[object] = []
    open_session(store, settings, CONFIG.model_copy(update={"max_usd": 5.0}), "cli", told.append)
    assert told == []
    open_session(store, settings, CONFIG, "cli", told.append)
    assert told == ["The cap max_usd=5 of the launch before does not hold in this one, which names none."]
