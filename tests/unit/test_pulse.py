"""The line that says how far a session is, and how long it will still take."""

from dataclasses import replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from autoresearch_dagster.core.experiment import Verdict
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.outlook import time_left_s
from autoresearch_dagster.reports.pulse import pulse
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store, open_store
from tests.plans import finish, plan


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store(Settings(home=tmp_path / "home"))


def state_of(store: Store) -> SessionState:
    return store.journal.state("s01")


def test_before_anything_is_trained_nobody_knows_how_long_it_takes(store: Store) -> None:
    plan(store, "one", "two")
    state = state_of(store)
    assert time_left_s(state, state.started_at, 2) is None
    assert pulse(state, None) == "s01: 0 of 6 experiments"


def test_the_time_left_counts_what_runs_what_waits_and_what_is_not_planned_yet(store: Store) -> None:
    first, *_ = plan(store, "one", "two", "three")
    finish(store, first)
    state = state_of(store)
    one = state.experiments[first]
    assert one.result is not None
    assert one.started_at is not None
    accepted = one.result.model_copy(update={"verdict": Verdict.ACCEPTED})
    ended = one.started_at + timedelta(seconds=60)
    state.experiments[first] = replace(one, result=accepted, finished_at=ended)
    now = state.started_at
    assert time_left_s(state, now, 1) == 60.0 * 2 + 60.0 * 3  # two wait, three are not planned yet
    assert time_left_s(state, now, 3) == 60.0 * 2 / 3 + 60.0


def test_costs_are_shown_against_their_caps(store: Store) -> None:
    plan(store, "one")
    state = state_of(store)
    state.config = state.config.model_copy(update={"max_usd": 5.0, "max_gpu_hours": 2.0})
    state.ledger.usd = Decimal("0.42")
    state.ledger.cpu_s = 90.0
    said = pulse(state, 61.0)
    assert "US$ 0.4200 of 5.00" in said
    assert "90 s of CPU time" in said
    assert said.endswith("about 61 s left")


def test_a_session_that_rests_has_no_time_left(store: Store) -> None:
    plan(store, "one")
    with store.journal.transaction("s01") as tx:
        tx.append(ev.SessionPaused(reason="lunch"))
    assert "left" not in pulse(state_of(store), 61.0)
