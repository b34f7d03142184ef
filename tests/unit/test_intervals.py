"""Intervals from several variances, each known from a few observations."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core.judgement import Component
from autoresearch_dagster.core.limits import SMALLEST_P
from autoresearch_dagster.evaluation.intervals import chi_square_quantile, half_width, one_sided_p

quick = settings(deadline=None, max_examples=40)
PARTS = st.lists(st.builds(Component, st.floats(1e-8, 1e2), st.floats(1, 200)), min_size=1, max_size=3)


@pytest.mark.parametrize(("df", "rate", "quantile"), [(1, 0.025, 12.7062), (4, 0.05, 2.1318), (30, 0.005, 2.7500)])
def test_one_part_gives_student_s_interval(df, rate, quantile):
    assert half_width([Component(4.0, df)], rate) == pytest.approx(2 * quantile, rel=1e-4)


@pytest.mark.parametrize(
    ("probability", "df", "value"), [(0.05, 2, 0.10259), (0.95, 4, 9.48773), (0.5, 1, 0.45494)]
)
def test_quantiles_of_chi_square_are_the_tables(probability, df, value):
    assert chi_square_quantile(probability, df) == pytest.approx(value, rel=1e-4)


@quick
@given(PARTS, st.floats(-9, -0.4))
def test_a_p_value_is_the_error_rate_at_which_the_gain_is_just_sure(parts, exponent):
    rate = 10**exponent

    assert one_sided_p(half_width(parts, rate), parts) == pytest.approx(rate, rel=1e-6)


@quick
@given(PARTS, st.floats(1e-4, 50), st.floats(1.0001, 3))
def test_a_larger_gain_has_no_larger_p_value(parts, gain, factor):
    assert one_sided_p(gain * factor, parts) <= one_sided_p(gain, parts)


def test_a_loss_has_the_other_side_of_the_p_value():
    parts = [Component(1.0, 5)]

    assert one_sided_p(-1.3, parts) == pytest.approx(1 - one_sided_p(1.3, parts))
    assert one_sided_p(0.0, parts) == 0.5


def test_a_gain_without_any_noise_has_the_smallest_p_value():
    assert one_sided_p(0.1, [Component(0.0, 3)]) == SMALLEST_P


@pytest.mark.parametrize("share", [0.0, 0.02, 0.2, 0.5, 0.9])
def test_two_parts_never_err_more_often_than_stated(share):
    """One part is known from two seeds, the other from many documents: a fitted single t errs far too often."""
    rng, n, rate = np.random.default_rng(5), 40_000, 0.01
    estimates = rng.normal(size=n)
    seeds, documents = share * rng.chisquare(1, n), (1 - share) * rng.chisquare(60, n) / 60
    wide = np.array([half_width([Component(1.0, 1)], rate), half_width([Component(1.0, 60)], rate)]) ** 2

    errors = (estimates > np.sqrt(wide[0] * seeds + wide[1] * documents)).mean()

    assert errors <= rate + 4 * np.sqrt(rate / n)
