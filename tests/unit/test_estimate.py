from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from autoresearch_dagster.core.experiment import ExperimentKey, PlannedExperiment, TrainConfig, digest_of
from autoresearch_dagster.experiments.bundle import Forecast
from autoresearch_dagster.experiments.estimate import Machine, Past, estimate, rounds
from autoresearch_dagster.store.events import SessionConfig
from autoresearch_dagster.store.state import Experiment, SessionState

COUNT = st.integers(1, 60)
CONFIG = SessionConfig(preset="demo", time_budget_sec=20)
BARE = Machine(
    runner="docker",
    runner_note="",
    image="ready",
    slots=2,
    bundle=Forecast(Path("/bundles/packed_rows/x"), 0, 0),
    disk_free_bytes=10**12,
    session=None,
    past=Past(),
)


def session(status, finished, allotted):
    state = SessionState("s01", 1, CONFIG, "cli", "b", datetime(2026, 3, 1, tzinfo=UTC), allotted=allotted)
    state.status = status
    for number in range(finished):
        key = ExperimentKey(f"e{number}")
        planned = PlannedExperiment(key=key, title="", revision=1, train_py=digest_of(b""), config=TrainConfig())
        state.experiments[key] = Experiment(planned, 1, 1, state.started_at)
    return state


@given(COUNT, COUNT, COUNT)
def test_rounds_suffice_and_batches_do_not_overlap(experiments, batch_size, slots):
    found = rounds(experiments, batch_size, slots)

    assert found * min(slots, batch_size) >= experiments
    assert found >= -(-experiments // batch_size)
    assert found <= experiments
    if slots >= batch_size:
        assert found == -(-experiments // batch_size)


@given(COUNT, COUNT, COUNT)
def test_more_slots_never_take_longer(experiments, batch_size, slots):
    assert rounds(experiments, batch_size, slots + 1) <= rounds(experiments, batch_size, slots)


def test_without_results_the_budget_and_the_overhead_are_the_ceiling():
    found = estimate(CONFIG, BARE)

    assert (found.experiments, found.batches, found.slots) == (6, 2, 2)
    assert found.seconds_per_experiment == 35.0
    assert (found.floor_trainings, found.confirmation_trainings) == (3, 4)
    assert found.wall_seconds == (4 + 2 + 2) * 35.0
    assert "at most: budget 20 s" in found.seconds_from


def test_results_of_the_same_preset_replace_the_ceiling():
    found = estimate(CONFIG, Machine(**{**fields(BARE), "past": Past((9.0, 11.0, 100.0), (5, 7))}))

    assert found.seconds_per_experiment == 11.0
    assert found.wall_seconds == 88.0
    assert found.seconds_from == "median of 3 results of demo on docker"


def test_what_is_built_costs_nothing_and_what_is_not_is_said():
    built = estimate(CONFIG, BARE)
    missing = estimate(CONFIG, Machine(**{**fields(BARE), "bundle": Forecast(None, 20, 7), "image": "to be built"}))
    unknown = estimate(CONFIG, Machine(**{**fields(BARE), "bundle": Forecast(None, None, None)}))

    assert (built.bundle_bytes, built.download_bytes) == (0, 0)
    assert missing.bundle_bytes is not None
    assert missing.disk_bytes is not None
    assert built.disk_bytes is not None
    assert missing.disk_bytes > built.disk_bytes + missing.bundle_bytes
    assert (unknown.bundle_bytes, unknown.disk_bytes) == (None, None)
    assert str(missing).startswith("Builds the bundle and the trainer image, then takes about ")
    assert "not known" in str(unknown)


@pytest.mark.parametrize(
    ("status", "planned", "allotted", "expected"),
    [("finished", 6, 6, 6), ("paused", 0, 4, 4), ("active", 3, 5, 5), ("paused", 5, 5, 5)],
)
def test_an_unfinished_session_goes_on_with_what_it_has_left(status, planned, allotted, expected):
    found = estimate(CONFIG, Machine(**{**fields(BARE), "session": session(status, planned, allotted)}))

    assert found.experiments == expected
    assert found.session == "s01"


def test_only_the_scripted_researcher_is_known_to_cost_nothing():
    assert estimate(CONFIG, BARE).model_usd == 0
    assert estimate(CONFIG.model_copy(update={"researcher": "other"}), BARE).model_usd is None


def test_scale_transfers_are_counted_only_where_they_are_asked_for():
    without = estimate(CONFIG, BARE)
    found = estimate(CONFIG.model_copy(update={"scale_transfer": True, "n_experiments": 20}), BARE)

    assert without.transfer_trainings == 0
    assert "scale transfers" not in str(without)
    # 10 trainings of confirmations crown 2 champions; each takes two seeds in both arms, and a probe in vain
    assert (found.confirmation_trainings, found.transfer_trainings) == (10, 10)
    assert "up to 10 for confirmations and 10 for scale transfers" in str(found)
    plain = estimate(CONFIG.model_copy(update={"n_experiments": 20}), BARE)
    assert found.wall_seconds == plain.wall_seconds + 5 * 4 * plain.seconds_per_experiment
    assert found.disk_bytes > plain.disk_bytes


def fields(machine):
    return {name: getattr(machine, name) for name in machine.__slots__}
