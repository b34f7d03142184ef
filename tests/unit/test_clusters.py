"""From targets to documents, and the luck of which documents were drawn."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.evaluation.clusters import arm, document_component
from autoresearch_dagster.evaluation.paired import score_interval

quick = settings(deadline=None, max_examples=50)
SEEDS = st.integers(0, 2**32 - 1)


def made_rows(seed, rows=6, targets=20, documents=5, n_seeds=2):
    rng = np.random.default_rng(seed)
    owners = rng.permuted(np.arange(rows * targets) % documents).reshape(rows, targets).astype(np.int32) + 700
    n_bytes = rng.integers(0, 9, (rows, targets)).astype(np.int32)
    nats = [rng.exponential(2, (rows, targets)).astype(np.float32) * (n_bytes > 0) for _ in range(n_seeds)]
    return nats, owners, n_bytes


@quick
@given(SEEDS)
def test_the_order_of_rows_and_targets_does_not_matter(seed):
    nats, owners, n_bytes = made_rows(seed)
    rng = np.random.default_rng(seed)
    rows, targets = rng.permutation(6), rng.permutation(20)

    one = arm(nats, owners, n_bytes)
    other = arm([v[rows][:, targets] for v in nats], owners[rows][:, targets], n_bytes[rows][:, targets])

    assert np.array_equal(one.documents, other.documents)
    assert other.nats == pytest.approx(one.nats, rel=1e-12)
    assert score_interval(other).low_bpb == pytest.approx(score_interval(one).low_bpb, rel=1e-9)


@quick
@given(SEEDS)
def test_the_numbers_of_documents_do_not_matter(seed):
    nats, owners, n_bytes = made_rows(seed)

    other = score_interval(arm(nats, 5000 - owners, n_bytes))

    assert other.standard_error_bpb == pytest.approx(score_interval(arm(nats, owners, n_bytes)).standard_error_bpb)


def test_the_score_is_bits_over_bytes():
    nats, owners, n_bytes = made_rows(0)
    expected = nats[1].astype(float).sum() / math.log(2) / n_bytes.sum()

    assert arm(nats, owners, n_bytes).scores[1] == pytest.approx(expected)
    assert score_interval(arm(nats, owners, n_bytes), seed=1).val_bpb == pytest.approx(expected)


@quick
@given(SEEDS, st.floats(0.1, 10))
def test_nats_times_a_factor_scale_the_interval_by_it(seed, factor):
    nats, owners, n_bytes = made_rows(seed)
    one = score_interval(arm(nats, owners, n_bytes))
    other = score_interval(arm([v.astype(np.float64) * factor for v in nats], owners, n_bytes))

    assert other.low_bpb == pytest.approx(one.low_bpb * factor, abs=1e-9)
    assert other.high_bpb == pytest.approx(one.high_bpb * factor, abs=1e-9)


@quick
@given(SEEDS, st.integers(5, 12))
def test_the_variance_is_the_delete_one_jackknife(seed, count):
    rng = np.random.default_rng(seed)
    nats, n_bytes = rng.normal(size=count), rng.uniform(150, 300, count)
    ratios = [
        np.delete(nats, place).sum() / np.delete(n_bytes, place).sum() / math.log(2) for place in range(count)
    ]
    whole = nats.sum() / n_bytes.sum() / math.log(2)

    part = document_component(nats, n_bytes)

    assert part.variance == pytest.approx((count - 1) / count * sum((r - whole) ** 2 for r in ratios))


def test_documents_of_one_length_have_their_number_less_one_degrees_of_freedom():
    assert document_component(np.arange(8.0), np.full(8, 300.0)).df == pytest.approx(7)


def test_long_documents_cost_degrees_of_freedom():
    lengths = np.array([3000.0, 300, 300, 300, 300, 300, 300, 3000])

    assert document_component(np.arange(8.0), lengths).df < 2


def test_rows_of_one_document_are_not_counted_as_independent():
    nats, _, n_bytes = made_rows(3, rows=12, documents=12)
    apart = np.repeat(np.arange(12), 20).reshape(12, 20)
    alike = [np.repeat(v[:6], 2, axis=0) for v in nats]
    twice = np.repeat(n_bytes[:6], 2, axis=0)

    together = score_interval(arm(alike, apart // 2, twice)).standard_error_bpb
    pretended = score_interval(arm(alike, apart, twice)).standard_error_bpb

    assert together > 1.3 * pretended


def test_a_document_without_bytes_changes_nothing():
    nats, n_bytes = np.array([3.0, 5, 4, 8]), np.array([200.0, 210, 190, 230])

    assert document_component(np.append(nats, 0), np.append(n_bytes, 0)) == document_component(nats, n_bytes)


@pytest.mark.parametrize("wrong", ["nats", "bytes", "none"])
def test_arrays_of_other_rows_are_refused(wrong):
    nats, owners, n_bytes = made_rows(0)
    nats = {"nats": [nats[0], nats[1][:4]], "bytes": nats, "none": []}[wrong]

    with pytest.raises(EvaluationFault, match="different shapes"):
        arm(nats, owners, n_bytes[:4] if wrong == "bytes" else n_bytes)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_nats_that_are_no_numbers_are_refused(value):
    nats, owners, n_bytes = made_rows(0)
    nats[1][2, 3] = value

    with pytest.raises(EvaluationFault, match="not finite"):
        arm(nats, owners, n_bytes)


def test_one_document_is_too_few_to_judge_by():
    nats, owners, n_bytes = made_rows(0)

    with pytest.raises(EvaluationFault, match="too few documents"):
        score_interval(arm(nats, owners * 0, n_bytes))
