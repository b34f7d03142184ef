"""Scores, gains and intervals are written alike wherever a person or a model reads them."""

import pytest
from hypothesis import given, strategies as st

from autoresearch_dagster.core.figures import EXACT, bpb, change, exact, gain_interval, interval
from autoresearch_dagster.core.judgement import PairedDifference


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        (bpb(2.55006), "2.5501"),
        (bpb(None), "–"),
        (bpb(None, "none"), "none"),
        (exact(2.5500649), "2.550065"),
        (exact(None, ""), ""),
        (change(0.01), "+0.0100"),
        (change(-0.01), "-0.0100"),
        (change(None, ""), ""),
        (change(0.000001, decimals=EXACT), "+0.000001"),
        (interval(2.5, 2.6), "(95 %: 2.5000 to 2.6000)"),
    ],
)
def test_a_figure_is_written_as_it_stands_everywhere(written, shown):
    assert written == shown


@given(st.floats(-1e-5, 1e-5), st.integers(0, 4))
def test_nothing_reads_as_minus_zero(value, decimals):
    assert not change(value, decimals=decimals).startswith("-")
    assert not bpb(value, decimals=decimals).startswith("-")


@given(st.floats(-100, 100))
def test_rounding_first_changes_no_digit(value):
    assert bpb(value).removeprefix("-") == f"{abs(value):.4f}"


def test_an_interval_of_a_gain_turns_the_difference_around():
    difference = PairedDifference(
        difference_bpb=-0.02,
        low_bpb=-0.03,
        high_bpb=0.01,
        per_seed_bpb=(-0.02,),
        n_documents=9,
        document_se_bpb=0.01,
        document_df=8.0,
        seed_se_bpb=None,
        seed_df=None,
    )
    assert gain_interval(difference) == "-0.0100 to +0.0300"
