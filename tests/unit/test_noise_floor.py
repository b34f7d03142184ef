"""One candidate beside itself, from seed to seed; and a single seed beside the champion's."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.core.experiment import canonical_json
from autoresearch_dagster.core.judgement import NoiseFloor
from autoresearch_dagster.evaluation.clusters import Arm
from autoresearch_dagster.evaluation.noise import measure_noise_floor
from autoresearch_dagster.evaluation.screening import screen
from autoresearch_dagster.evaluation.spending import FULL_PLAN, PLANS
from tests.arms import better_by, made_arm

quick = settings(deadline=None, max_examples=50)
SEEDS = st.integers(0, 2**32 - 1)
FLOOR = measure_noise_floor(made_arm(0, 5), FULL_PLAN)


def same_at_every_seed(n_seeds):
    one = made_arm(0, 1)
    return Arm(np.repeat(one.nats, n_seeds, axis=0), one.n_bytes, one.documents)


def test_the_sd_is_that_of_the_scores_and_its_interval_the_tables():
    arm = made_arm(0, 5)
    sd = float(arm.scores.std(ddof=1))

    assert FLOOR.sd_bpb == pytest.approx(sd)
    assert FLOOR.mean_bpb == pytest.approx(float(arm.scores.mean()))
    assert FLOOR.sd_low_bpb == pytest.approx(0.5991 * sd, rel=1e-3)
    assert FLOOR.sd_high_bpb == pytest.approx(2.8736 * sd, rel=1e-3)
    assert FLOOR.sd_bound_bpb == pytest.approx(1.5576 * sd, rel=1e-3)


def test_fewer_seeds_give_a_wider_bound():
    few, many = (measure_noise_floor(made_arm(0, count), FULL_PLAN) for count in (3, 40))

    assert few.sd_bound_bpb / few.sd_bpb > 2
    assert many.sd_bound_bpb / many.sd_bpb < 1.15


def test_more_seeds_per_confirmation_detect_smaller_gains():
    demo = measure_noise_floor(made_arm(0, 5), PLANS["demo"])

    assert demo.detectable_gain_bpb is not None
    assert FLOOR.detectable_gain_bpb is not None
    assert FLOOR.sd_bpb < FLOOR.detectable_gain_bpb < demo.detectable_gain_bpb


def test_a_file_that_fixes_its_seed_is_flagged():
    floor = measure_noise_floor(same_at_every_seed(3), FULL_PLAN)

    assert floor.identical
    assert floor.sd_bpb == 0
    assert floor.detectable_gain_bpb is None
    assert "config.seed" in floor.reason


def test_one_seed_is_no_noise_floor():
    with pytest.raises(EvaluationFault, match="two seeds or more"):
        measure_noise_floor(made_arm(0, 1), FULL_PLAN)


def test_a_noise_floor_survives_its_canonical_form():
    assert NoiseFloor.model_validate_json(canonical_json(FLOOR.model_dump(mode="json"))) == FLOOR


@pytest.mark.parametrize(
    ("gain", "outcome"),
    [(0.2, "worth_confirming"), (0.0, "within_noise"), (0.004, "within_noise"), (-0.2, "regression")],
)
def test_screening_tells_gain_noise_and_loss_apart(gain, outcome):
    champion = made_arm(7, 1)

    decision = screen(champion, better_by(champion, gain), FLOOR)

    assert decision.outcome == outcome
    assert decision.gain_bpb == pytest.approx(gain, abs=1e-12)
    assert decision.reason.endswith(".")


def test_the_champion_itself_is_within_the_noise_even_where_the_floor_knows_none():
    champion = made_arm(7, 1)
    floor = measure_noise_floor(same_at_every_seed(3), FULL_PLAN)

    assert screen(champion, champion, floor).outcome == "within_noise"


def test_the_noise_of_one_pair_holds_two_trainings():
    champion = made_arm(7, 1)

    decision = screen(champion, better_by(champion, 0.1), FLOOR)

    assert decision.noise_bpb == pytest.approx(math.sqrt(2) * FLOOR.sd_bound_bpb, rel=1e-3)


@quick
@given(SEEDS, st.floats(0, 0.1), st.floats(0, 0.1))
def test_a_larger_gain_is_never_screened_out_where_a_smaller_passes(seed, gain, more):
    order = ["regression", "within_noise", "worth_confirming"]
    champion, candidate = made_arm(7, 1), made_arm(seed, 1)
    small = screen(champion, better_by(candidate, gain), FLOOR)
    large = screen(champion, better_by(candidate, gain + more), FLOOR)

    assert order.index(large.outcome) >= order.index(small.outcome)


def test_several_seeds_are_not_screened():
    with pytest.raises(ValueError, match="one seed"):
        screen(made_arm(1, 2), made_arm(2, 2), FLOOR)
