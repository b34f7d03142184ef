"""Two candidates on the same rows."""

import dataclasses
import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.core.experiment import canonical_json
from autoresearch_dagster.core.judgement import PairedDifference
from autoresearch_dagster.evaluation.clusters import Arm
from autoresearch_dagster.evaluation.paired import paired_difference
from benchmarks.promotion_simulation import covered
from benchmarks.promotion_world import World
from tests.arms import better_by, made_arm

quick = settings(deadline=None, max_examples=50)
SEEDS = st.integers(0, 2**32 - 1)


def reordered(arm, seeds, documents):
    return Arm(arm.nats[seeds][:, documents], arm.n_bytes[documents], arm.documents)


@quick
@given(SEEDS)
def test_the_difference_is_candidate_minus_champion(seed):
    champion, candidate = made_arm(1), made_arm(seed, gain=0.1)

    found = paired_difference(champion, candidate)

    assert found.difference_bpb == pytest.approx(float((candidate.scores - champion.scores).mean()))
    assert found.gain_bpb == -found.difference_bpb
    assert paired_difference(candidate, champion).difference_bpb == pytest.approx(-found.difference_bpb)
    assert found.low_bpb <= found.difference_bpb <= found.high_bpb


@quick
@given(SEEDS)
def test_the_order_of_documents_and_of_seeds_does_not_matter(seed):
    champion, candidate = made_arm(1), made_arm(seed)
    rng = np.random.default_rng(seed)
    order = rng.permutation(3), rng.permutation(40)

    one = paired_difference(champion, candidate)
    other = paired_difference(reordered(champion, *order), reordered(candidate, *order))

    assert other.low_bpb == pytest.approx(one.low_bpb, rel=1e-9)
    assert other.high_bpb == pytest.approx(one.high_bpb, rel=1e-9)


@quick
@given(SEEDS, st.floats(-0.5, 0.5))
def test_a_gain_that_is_the_same_everywhere_moves_the_interval_and_leaves_its_width(seed, gain):
    champion, candidate = made_arm(1), made_arm(seed)
    one = paired_difference(champion, candidate)
    other = paired_difference(champion, better_by(candidate, gain))

    assert other.difference_bpb == pytest.approx(one.difference_bpb - gain, abs=1e-9)
    assert other.high_bpb - other.low_bpb == pytest.approx(one.high_bpb - one.low_bpb, rel=1e-6)


def test_luck_that_a_pair_shares_cancels():
    champion = made_arm(1, own=0.0)
    other_rate = Arm(champion.nats * 0.99, champion.n_bytes, champion.documents)
    other_shape = better_by(made_arm(2, own=0.0), 0.025)

    paired, unpaired = paired_difference(champion, other_rate), paired_difference(champion, other_shape)

    assert paired.seed_se_bpb is not None
    assert unpaired.seed_se_bpb is not None
    assert paired.seed_se_bpb < 0.02 * unpaired.seed_se_bpb


def test_more_seeds_shrink_the_seed_part_and_not_what_suits_a_document():
    rng = np.random.default_rng(0)
    fit = rng.normal(size=40) * 0.05

    def suited(n_seeds):
        champion, candidate = made_arm(1, n_seeds, own=0.0), made_arm(2, n_seeds, own=0.0)
        nats = candidate.nats + fit * math.log(2) * candidate.n_bytes
        return paired_difference(champion, dataclasses.replace(candidate, nats=nats))

    few, many = suited(3), suited(300)

    assert many.document_se_bpb == pytest.approx(few.document_se_bpb, rel=1e-6)
    assert few.seed_se_bpb is not None
    assert many.seed_se_bpb is not None
    assert many.seed_se_bpb < 0.3 * few.seed_se_bpb


def test_one_seed_says_nothing_of_other_seeds():
    found = paired_difference(made_arm(1, 1), made_arm(2, 1))

    assert found.seed_se_bpb is None
    with pytest.raises(ValueError, match="One seed"):
        _ = found.seed_part


def test_a_difference_survives_its_canonical_form():
    found = paired_difference(made_arm(1), made_arm(2))

    assert PairedDifference.model_validate_json(canonical_json(found.model_dump(mode="json"))) == found


@pytest.mark.parametrize("other", [made_arm(2, 2), made_arm(2, documents=41)])
def test_other_rows_or_seeds_are_refused(other):
    with pytest.raises(EvaluationFault, match="same rows and the same seeds"):
        paired_difference(made_arm(1, 3), other)


@pytest.mark.parametrize("pairing", [0.0, 0.9])
def test_the_interval_holds_the_truth_at_least_as_often_as_stated(pairing):
    repetitions = 300
    allowed = 3 * math.sqrt(0.05 * 0.95 / repetitions)

    assert covered(World(pairing=pairing), 3, repetitions) > 0.95 - allowed
