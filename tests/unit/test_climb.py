"""The gain of a session's last champion over its baseline."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core.judgement import Component, PairedDifference, PromotionDecision
from autoresearch_dagster.evaluation.climb import climb
from autoresearch_dagster.evaluation.intervals import half_width
from tests.judged import promotion

quick = settings(deadline=None, max_examples=40)
PARTS = st.tuples(st.floats(-1, 1), st.floats(1e-6, 0.1), st.floats(10, 500), st.floats(1e-6, 0.1), st.floats(1, 9))


def step(gain: float, document_se: float, document_df: float, seed_se: float, seed_df: float) -> PromotionDecision:
    """A decision whose interval is that of its parts."""
    width = half_width([Component(document_se**2, document_df), Component(seed_se**2, seed_df)], 0.025)
    measured = PairedDifference(
        difference_bpb=-gain,
        low_bpb=-gain - width,
        high_bpb=-gain + width,
        per_seed_bpb=(-gain, -gain),
        n_documents=40,
        document_se_bpb=document_se,
        document_df=document_df,
        seed_se_bpb=seed_se,
        seed_df=seed_df,
    )
    return promotion("champion", gain).model_copy(update={"difference": measured, "assured_gain_bpb": gain / 3})


@quick
@given(PARTS)
def test_one_step_keeps_the_interval_of_its_confirmation(parts):
    one = step(*parts)

    found = climb([one])

    assert (found.low_bpb, found.high_bpb) == pytest.approx((-one.difference.high_bpb, -one.difference.low_bpb))
    assert (found.gain_bpb, found.assured_bpb, found.n_steps) == pytest.approx((parts[0], parts[0] / 3, 1))


@quick
@given(st.lists(PARTS, min_size=2, max_size=6))
def test_steps_add_up_and_are_surer_together_than_interval_by_interval(parts):
    steps = [step(*one) for one in parts]

    found = climb(steps)

    widths = [one.difference.high_bpb - one.difference.low_bpb for one in steps]
    width = found.high_bpb - found.low_bpb
    assert found.gain_bpb == pytest.approx(sum(one.gain_bpb for one in steps))
    assert found.assured_bpb == pytest.approx(sum(one.assured_gain_bpb for one in steps))
    most = half_width([Component(one[1] ** 2, min(other[2] for other in parts)) for one in parts], 0.025)
    assert width >= max(2 * most, max(one[3] for one in parts))
    assert width <= sum(widths) * 1.2  # the fewest degrees of freedom serve for all documents


@pytest.mark.parametrize("shared", [0.0, 0.5, 1.0])
def test_the_interval_of_three_steps_holds_whatever_luck_the_documents_share(shared):
    rng, n, seed_df, document_df = np.random.default_rng(7), 1500, 5, 39
    missed = 0
    for _ in range(n):
        common = rng.normal()
        steps: list[PromotionDecision] = []
        for _ in range(3):
            luck = math.sqrt(shared) * common + math.sqrt(1 - shared) * rng.normal()
            gain = 0.1 + 0.01 * luck + 0.01 * rng.normal()
            document_se = 0.01 * math.sqrt(rng.chisquare(document_df) / document_df)
            seed_se = 0.01 * math.sqrt(rng.chisquare(seed_df) / seed_df)
            steps.append(step(gain, document_se, document_df, seed_se, seed_df))
        found = climb(steps)
        missed += not found.low_bpb <= 0.3 <= found.high_bpb

    assert missed / n <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n)
    if shared == 1.0:
        assert missed / n >= 0.01, "the interval says nothing"
