"""What an experiment that ran out of memory is given next, and what the one after it starts with."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from autoresearch_dagster.core.experiment import (
    Digest,
    ExperimentKey,
    ExperimentResult,
    Label,
    Outcome,
    PlannedExperiment,
    TrainConfig,
)
from autoresearch_dagster.core.limits import GIB, MIB, OOM_RETRIES
from autoresearch_dagster.experiments.healing import (
    Provision,
    changed_recipe,
    first_provision,
    healed,
    honours_accumulation,
    memory_ceiling,
)
from autoresearch_dagster.store.state import Experiment

CEILING = 32 * GIB
NOON = datetime(2026, 11, 1, 12, tzinfo=UTC)
CONFIG = TrainConfig(n_layer=2, device_batch_size=4)


def after(provision, outcome, retries=0, ceiling=CEILING):
    return healed(provision, outcome, retries, ceiling)


def test_host_memory_is_doubled_up_to_three_times():
    tries = [Provision(2 * GIB, 2, 1)]
    while (following := after(tries[-1], Outcome.HOST_OOM, len(tries) - 1)) is not None:
        tries.append(following)
    assert [one.memory_bytes // GIB for one in tries] == [2, 4, 8, 16]
    assert {(one.device_batch_size, one.grad_accum_steps) for one in tries} == {(2, 1)}


def test_small_memory_grows_by_two_gibibytes_at_least():
    following = after(Provision(512 * MIB, 1, 1), Outcome.HOST_OOM)
    assert following is not None
    assert following.memory_bytes == 512 * MIB + 2 * GIB


def test_memory_stops_at_what_the_machine_has():
    following = after(Provision(8 * GIB, 1, 1), Outcome.HOST_OOM, ceiling=11 * GIB)
    assert following is not None
    assert following.memory_bytes == 11 * GIB
    assert after(following, Outcome.HOST_OOM, 1, ceiling=11 * GIB) is None


@given(rows=st.integers(1, 64), accumulated=st.integers(1, 8))
def test_a_step_sees_as_many_rows_however_often_the_micro_batch_is_halved(rows, accumulated):
    first = now = Provision(2 * GIB, rows, accumulated)
    for retries in range(OOM_RETRIES + 1):
        following = after(now, Outcome.DEVICE_OOM, retries)
        if following is None:
            assert now.device_batch_size == 1 or retries == OOM_RETRIES
            return
        assert following.device_batch_size <= now.device_batch_size / 2
        assert (
            following.device_batch_size * following.grad_accum_steps
            == first.device_batch_size * first.grad_accum_steps
        )
        assert following.memory_bytes == first.memory_bytes
        now = following
    raise AssertionError("it never ended")


@pytest.mark.parametrize("outcome", sorted(set(Outcome) - {Outcome.HOST_OOM, Outcome.DEVICE_OOM}))
def test_nothing_else_is_tried_again(outcome):
    assert after(Provision(2 * GIB, 4, 1), outcome) is None


def finished(minutes=0, config=CONFIG, outcome=Outcome.TRAINED, **result):
    planned = PlannedExperiment(
        key=ExperimentKey("s01_d01_e01"), title="t", revision=1, train_py=Digest("0" * 64), config=config
    )
    said = ExperimentResult(outcome=outcome, **result)
    at = NOON + timedelta(minutes=minutes)
    return Experiment(planned, 1, 1, at, result=said, finished_at=at)


def starts(*earlier, config=CONFIG, ceiling=CEILING):
    return first_provision(config, earlier, 2 * GIB, ceiling)


def test_the_first_of_its_shape_starts_at_the_floor_with_the_planned_batch():
    assert starts() == Provision(2 * GIB, 4, 1)


def test_one_of_like_shape_starts_at_what_the_last_one_needed():
    earlier = finished(memory_bytes=16 * GIB, peak_memory_bytes=5 * GIB)
    assert starts(earlier).memory_bytes == 8 * GIB  # the step that 5 GiB fit in with room


def test_the_floor_suffices_where_the_last_one_needed_no_more():
    assert starts(finished(memory_bytes=2 * GIB, peak_memory_bytes=2 * GIB)).memory_bytes == 2 * GIB


def test_one_that_never_fitted_starts_with_all_that_the_last_one_had():
    earlier = finished(outcome=Outcome.HOST_OOM, memory_bytes=16 * GIB, peak_memory_bytes=16 * GIB)
    assert starts(earlier).memory_bytes == 16 * GIB
    assert starts(earlier, ceiling=10 * GIB).memory_bytes == 10 * GIB  # on a smaller machine now


def test_the_last_one_counts_and_not_the_largest():
    large = finished(memory_bytes=16 * GIB, peak_memory_bytes=12 * GIB)
    small = finished(minutes=5, memory_bytes=16 * GIB, peak_memory_bytes=3 * GIB)
    assert starts(small, large).memory_bytes == 4 * GIB


def test_another_shape_tells_nothing():
    wide = finished(
        config=CONFIG.model_copy(update={"n_embd": 256}), memory_bytes=8 * GIB, peak_memory_bytes=7 * GIB
    )
    assert starts(wide) == Provision(2 * GIB, 4, 1)


def test_a_halved_micro_batch_is_where_the_next_one_starts():
    ran_as = CONFIG.model_copy(update={"device_batch_size": 1, "grad_accum_steps": 4})
    earlier = finished(ran_as=ran_as, memory_bytes=2 * GIB, peak_memory_bytes=GIB)
    assert starts(earlier) == Provision(2 * GIB, 1, 4)


@pytest.mark.parametrize(
    ("code", "honours"),
    [
        ("loss = model(x) / config.grad_accum_steps", True),
        ("n = cfg.grad_accum_steps", True),
        ("# config.grad_accum_steps\ntext = 'config.grad_accum_steps'", False),
        ("config.grad_accum_steps = 1", False),
        ("this is no Python", False),
        ("\0", False),
    ],
)
def test_a_file_accumulates_if_it_reads_the_number_of_steps(code, honours):
    assert honours_accumulation(code.encode()) is honours


def test_only_a_healed_training_can_have_changed_its_recipe():
    healed_one = ExperimentResult(outcome=Outcome.TRAINED, labels=(Label.HEALED,))
    assert changed_recipe(healed_one, b"pass")
    assert not changed_recipe(healed_one, b"config.grad_accum_steps")
    assert not changed_recipe(ExperimentResult(outcome=Outcome.TRAINED), b"pass")


@given(slots=st.integers(1, 64))
def test_one_large_experiment_fits_beside_all_others(slots):
    import psutil

    ceiling = memory_ceiling(2 * GIB, slots)
    total = psutil.virtual_memory().total
    assert 2 * GIB <= ceiling <= CEILING
    assert ceiling == 2 * GIB or ceiling + (slots - 1) * 2 * GIB < total
