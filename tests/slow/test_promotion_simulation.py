"""A fixed sample of benchmarks/promotion_simulation: error rate, coverage and power of the promotion rule."""

import math

import numpy as np
import pytest

from autoresearch_dagster.core.limits import SESSION_ERROR_RATE
from autoresearch_dagster.evaluation.spending import candidate_error_rate
from benchmarks.promotion_simulation import DEMO, NULL_WORLDS, covered, exact_interval, null_session
from benchmarks.promotion_world import Session, World

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("name", NULL_WORLDS)
def test_sessions_of_200_null_candidates_rarely_promote_and_the_running_minimum_nearly_always(name):
    world, fits = NULL_WORLDS[name]
    sessions = [null_session(world, seed, fits=fits) for seed in range(60)]
    ours = sum(found > 0 for found, _, _ in sessions)
    theirs = sum(found > 0 for _, found, _ in sessions)

    assert exact_interval(ours, len(sessions))[0] <= SESSION_ERROR_RATE
    assert ours / len(sessions) <= SESSION_ERROR_RATE + 2 * math.sqrt(0.05 * 0.95 / len(sessions))
    assert theirs / len(sessions) > 0.8


@pytest.mark.parametrize("world", [World(), World(pairing=0.9), DEMO], ids=["unpaired", "paired", "demo"])
def test_a_null_candidate_is_confirmed_no_more_often_than_its_error_rate(world):
    repetitions, rate = 1500, candidate_error_rate(1)
    wrong = sum(
        Session(world, np.random.default_rng(seed)).confirm(number=1).outcome == "confirmed"
        for seed in range(repetitions)
    )

    assert wrong / repetitions <= rate + 3 * math.sqrt(rate / repetitions)


@pytest.mark.parametrize("pairing", [0.0, 0.9])
@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_the_interval_of_a_difference_covers_at_its_level(pairing, seeds):
    repetitions = 1500

    share = covered(World(pairing=pairing), seeds, repetitions)

    assert share > 0.95 - 3 * math.sqrt(0.05 * 0.95 / repetitions)


def test_the_demo_promotes_a_gain_of_a_tenth_of_a_bit_and_not_none():
    def promoted(gain, seed):
        session = Session(DEMO, np.random.default_rng(seed))
        passed = session.screen(gain).outcome == "worth_confirming"
        return passed and session.confirm(gain).outcome == "confirmed"

    assert sum(promoted(0.1, seed) for seed in range(200)) >= 180
    assert sum(promoted(0.0, seed) for seed in range(200)) <= 4


def test_a_gain_of_four_sigma_is_usually_found():
    world = World(floor_seeds=5)

    def promoted(seed):
        session = Session(world, np.random.default_rng(seed))
        passed = session.screen(4 * world.sigma).outcome == "worth_confirming"
        return passed and session.confirm(4 * world.sigma).outcome == "confirmed"

    assert sum(promoted(seed) for seed in range(200)) >= 160
