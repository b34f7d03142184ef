"""From nats and audits to figures and a verdict."""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.data.layout import Rows
from autoresearch_dagster.evaluation.cuts import Kind
from autoresearch_dagster.evaluation.score import deviations, log_probabilities
from autoresearch_dagster.evaluation.statistics import (
    Audits,
    audit_record,
    rejection,
    score_record,
)

TOLERANCE = 1e-5
quick = settings(deadline=None, max_examples=60)
SEEDS = st.integers(0, 2**32 - 1)


def scored(nats=None, documents=None):
    rows, length = 8, 16
    nats = np.full((rows, length), 2.0) if nats is None else nats
    documents = np.arange(rows * length).reshape(rows, length) // 4 if documents is None else documents
    tokens = np.zeros((rows, length + 1), dtype=np.uint16)
    ones = np.ones((rows, length), dtype=np.int32)
    return score_record("selection", Rows(tokens, documents.astype(np.int32)), nats, ones, ones)


def audited(deviation, signed, kinds=None, counted=None):
    k = len(signed)
    kinds = kinds or [Kind.UNIFORM] * k
    audits = Audits(kinds, np.array(deviation), np.array(signed), np.ones(k, bool) if counted is None else counted)
    return audit_record(audits, TOLERANCE, scored(), reference=False)


def test_bits_per_byte_and_its_interval():
    generator = np.random.default_rng(0)
    record = scored(generator.exponential(2.0, (8, 16)))

    assert record.val_bpb == pytest.approx(record.nats / (math.log(2) * 128))
    assert record.n_documents == 32
    assert record.interval[0] < record.val_bpb < record.interval[1]
    half = record.interval[1] - record.val_bpb
    assert half == pytest.approx(2.0395 * record.standard_error, rel=1e-4)  # Student's t: 32 equal documents


def test_an_honest_model_is_not_rejected_and_its_score_not_corrected():
    record = audited([0.0] * 16, [0.0] * 16)

    assert rejection(record) == ""
    assert (record.corrected_bpb, record.corrected_error) == (scored().val_bpb, 0.0)


def test_one_mismatch_rejects_and_is_counted_in_its_stratum():
    kinds = [Kind.UNIFORM] * 8 + [Kind.GAIN] * 4 + [Kind.BOS] * 4
    record = audited([0.0] * 13 + [1.0] + [0.0] * 2, [0.0] * 16, kinds)

    assert {name: (s.audits, s.mismatches) for name, s in record.strata.items()} == {
        "uniform": (8, 0),
        "gain": (4, 0),
        "bos": (4, 1),
    }
    assert "1 of 16 audited answers" in rejection(record)
    assert "bos 1 of 4" in rejection(record)


def test_audits_of_several_rounds_count_together():
    one = Audits([Kind.UNIFORM, Kind.BOS], np.array([0.0, 1.0]), np.array([0.0, 1.0]), np.array([True, True]))
    other = Audits([Kind.GAIN, Kind.BOS], np.array([2.0, 0.0]), np.array([3.0, 0.0]), np.array([False, True]))

    both = Audits.together([one, other])
    record = audit_record(both, TOLERANCE, scored(), reference=True)

    assert {name: (s.audits, s.mismatches) for name, s in record.strata.items()} == {
        "uniform": (1, 0),
        "gain": (1, 1),
        "bos": (2, 1),
    }
    assert (record.audits, record.mismatches, record.max_deviation) == (4, 2, 2.0)
    assert record.signed_mean == 1.0
    assert both.counted.tolist() == [True, True, False, True]


def test_a_deviation_at_the_tolerance_is_none():
    assert audited([TOLERANCE], [0.0]).mismatches == 0
    assert audited([np.nextafter(TOLERANCE, 1)], [0.0]).mismatches == 1


def test_a_steady_lean_below_the_tolerance_rejects():
    assert "lean towards" in rejection(audited([5e-6] * 16, [5e-6] * 16))


def test_a_lean_away_from_the_truth_rejects_as_well():
    assert "lean" in rejection(audited([5e-6] * 16, [-5e-6] * 16))


@quick
@given(SEEDS)
def test_noise_without_a_lean_is_not_rejected(seed):
    noise = np.random.default_rng(seed).normal(0, 1e-6, 512)

    assert rejection(audited(np.abs(noise), noise - noise.mean())) == ""


def test_a_single_audit_has_no_standard_error_and_no_signed_test():
    assert rejection(audited([5e-6], [5e-6])) == ""


def test_a_cheats_gain_is_taken_back_by_the_corrected_score():
    signed = [3.0, 0.0] * 8  # A knew 3 nats more at half of the places

    record = audited(signed, signed)

    expected = (8 * 15 * 1.5) / (math.log(2) * 128)  # 15 of 16 targets can be leaked
    assert record.corrected_bpb - scored().val_bpb == pytest.approx(expected)
    assert record.corrected_error > 0


def test_targets_without_bytes_correct_nothing():
    record = audited([3.0] * 4, [3.0] * 4, counted=np.zeros(4, bool))

    assert record.corrected_bpb == scored().val_bpb


# --- comparing distributions --------------------------------------------------------------------


@quick
@given(SEEDS, st.floats(-1000, 1000))
def test_a_constant_added_to_logits_is_no_deviation(seed, constant):
    logits = np.random.default_rng(seed).normal(0, 3, (3, 50))

    assert deviations(logits, logits + constant).max() < 1e-9


def test_equal_answers_deviate_by_nothing_and_minus_infinity_is_equal_to_itself():
    logits = np.random.default_rng(0).normal(0, 3, (300, 50)).astype(np.float32)
    logits[:, 7] = -np.inf

    assert (deviations(logits, logits.copy()) == 0).all()
    assert (deviations(logits, logits + np.float32(0.0)) == 0).all()


def test_below_the_floor_nothing_is_told_apart():
    one, other = np.zeros((1, 4)), np.zeros((1, 4))
    one[0, 3], other[0, 3] = -np.inf, -40.0

    assert deviations(one, other)[0] == 0.0


@pytest.mark.parametrize("token", range(4))
def test_half_a_logit_on_any_token_is_seen(token):
    one, other = np.zeros((1, 4)), np.zeros((1, 4))
    other[0, token] += 0.5

    assert deviations(one, other)[0] > 0.1


def test_a_token_that_becomes_possible_is_seen():
    one, other = np.zeros((1, 4)), np.zeros((1, 4))
    one[0, 2] = -np.inf
    other[0, 2] = -20.0

    assert deviations(one, other)[0] > 8.5


def test_log_probabilities_add_up_to_one():
    found = log_probabilities(np.random.default_rng(0).normal(0, 3, (5, 100)).astype(np.float32))

    assert np.exp(found).sum(axis=1) == pytest.approx(1.0)
