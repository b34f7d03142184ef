"""When a score counts as made again."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.core.experiment import canonical_json
from autoresearch_dagster.evaluation.clock import ServeLimits
from autoresearch_dagster.evaluation.clusters import Arm, arm
from autoresearch_dagster.evaluation.noise import measure_noise_floor
from autoresearch_dagster.evaluation.paired import score_interval
from autoresearch_dagster.evaluation.reproduction import Reproduction, reproduction, reproduction_of_figure
from autoresearch_dagster.evaluation.spending import FULL_PLAN
from tests.arms import made_arm

quick = settings(deadline=None, max_examples=50)
SEEDS = st.integers(0, 2**32 - 1)
FLOOR = measure_noise_floor(made_arm(0, 5), FULL_PLAN)
DOCUMENTS = np.repeat(np.arange(40), 8).reshape(20, 16)
N_BYTES = np.random.default_rng(1).integers(1, 9, DOCUMENTS.shape)
HONEST = np.random.default_rng(2).gamma(4.0, 2.0, DOCUMENTS.shape)
SCORE = score_interval(arm([HONEST], DOCUMENTS, N_BYTES))


def moved(nats, bpb):
    """The same nats, another level."""
    return nats + bpb * math.log(2) * N_BYTES


def compared(recorded, again, floor=FLOOR):
    return reproduction(recorded, again, DOCUMENTS, N_BYTES, floor)


@quick
@given(SEEDS)
def test_the_same_nats_are_identical_with_or_without_a_floor(seed):
    nats = np.random.default_rng(seed).gamma(4.0, 2.0, DOCUMENTS.shape)

    for floor in (None, FLOOR):
        found = compared(nats, nats.copy(), floor)
        assert (found.verdict, found.difference_bpb, found.reproduced) == ("identical", 0.0, True)


@quick
@given(st.floats(-1.0, 1.0).filter(lambda bpb: abs(bpb) > 1e-6))
def test_a_shift_is_judged_by_its_size_alone(bpb):
    found, other = compared(HONEST, moved(HONEST, bpb)), compared(moved(HONEST, bpb), HONEST)

    assert found.difference_bpb == pytest.approx(bpb)
    assert found.allowed_bpb == pytest.approx(other.allowed_bpb)
    assert found.verdict == other.verdict
    assert found.reproduced == (abs(bpb) <= found.allowed_bpb)


def test_the_seed_part_is_that_of_a_pair_that_shares_nothing():
    found = compared(HONEST, moved(HONEST, 0.001))

    assert found.allowed_bpb == pytest.approx(1.959964 * math.sqrt(2) * FLOOR.sd_bound_bpb, rel=1e-4)
    assert found.verdict == "within the noise"
    assert "seeds and documents" in found.reason


@quick
@given(SEEDS, st.floats(0.001, 0.2))
def test_a_noisier_floor_never_allows_less(seed, more):
    again = moved(HONEST, 0.01) * np.random.default_rng(seed).uniform(0.9, 1.1, DOCUMENTS.shape)
    noisier = FLOOR.model_copy(update={"sd_bound_bpb": FLOOR.sd_bound_bpb + more})

    one, other = compared(HONEST, again), compared(HONEST, again, noisier)

    assert other.allowed_bpb > one.allowed_bpb
    assert other.difference_bpb == one.difference_bpb


@quick
@given(SEEDS, st.sampled_from([None, FLOOR]))
def test_scattered_nats_in_a_receipt_buy_no_allowance(seed, floor):
    rng = np.random.default_rng(seed)
    halves = np.where(rng.random(40) < 0.5, 0.0, 1.9)[DOCUMENTS]

    for scatter in (rng.uniform(0.0, 2.0, 40)[DOCUMENTS], halves):
        allowed = compared(HONEST * scatter, HONEST, floor).allowed_bpb
        assert allowed is not None
        if floor is None:
            assert allowed < 2.2 * SCORE.standard_error_bpb
        else:
            # as much again as seeds at most; the t quantile is a little larger than the normal one
            assert allowed < 2.2 * math.sqrt(4) * floor.sd_bound_bpb


def test_without_a_floor_documents_stand_alone_and_the_sentence_says_so():
    noisy = HONEST * np.random.default_rng(3).uniform(0.97, 1.03, 40)[DOCUMENTS]

    found = compared(HONEST, noisy, None)

    assert found.allowed_bpb > 0
    assert "seeds differ here is unknown" in found.reason
    assert "documents alone" in found.reason
    assert not compared(HONEST, moved(noisy, 1.0), None).reproduced


def test_a_baseline_that_fixes_its_seed_is_no_floor():
    one = made_arm(0, 1)
    floor = measure_noise_floor(Arm(np.repeat(one.nats, 3, axis=0), one.n_bytes, one.documents), FULL_PLAN)

    assert compared(HONEST, moved(HONEST, 0.1), floor) == compared(HONEST, moved(HONEST, 0.1), None)


def test_honest_pairs_are_within_the_noise_as_often_as_stated():
    rng = np.random.default_rng(5)
    sd, own, repetitions, kept = 0.01, 0.02, 300, 0
    floor = FLOOR.model_copy(update={"sd_bound_bpb": math.hypot(sd, own / math.sqrt(40))})
    for _ in range(repetitions):
        one, other = (moved(HONEST, sd * rng.normal() + own * rng.normal(size=40)[DOCUMENTS]) for _ in range(2))
        kept += compared(one, other, floor).reproduced

    assert kept / repetitions > 0.95 - 3 * math.sqrt(0.05 * 0.95 / repetitions)


def test_figures_alone_have_no_document_part():
    assert reproduction_of_figure(2.5, 2.5, None).verdict == "identical"
    assert reproduction_of_figure(2.5, 2.5001, None).verdict == "not reproduced"
    found = reproduction_of_figure(2.5, 2.5001, FLOOR)
    assert found.verdict == "within the noise"
    assert "seeds alone" in found.reason


def test_other_rows_are_refused():
    with pytest.raises(EvaluationFault, match="same rows"):
        compared(HONEST[:-1], HONEST)


def test_a_reproduction_survives_its_canonical_form():
    found = compared(HONEST, moved(HONEST, 0.01))

    assert Reproduction.model_validate_json(canonical_json(found.model_dump(mode="json"))) == found


@given(st.integers(1, 2000), st.floats(0.0, 1.0))
def test_what_serving_was_allowed_tells_the_budget(budget, share):
    used = share * 1.1 * budget

    assert ServeLimits.budget_of(ServeLimits(float(budget), used).allowed_s, used) == budget
