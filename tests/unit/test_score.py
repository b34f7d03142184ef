"""From logits to nats: beside float64, under permutation, and what no distribution explains."""

import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from autoresearch_dagster.evaluation.failures import BadLogits
from autoresearch_dagster.evaluation.score import TILE, log_probabilities, row_nats

quick = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
SEEDS = st.integers(0, 2**32 - 1)
LENGTHS = st.integers(1, 2 * TILE + 3)
SCALES = st.sampled_from([0.01, 1.0, 30.0, 1000.0])


def made(seed, length, vocab=37, scale=1.0):
    generator = np.random.default_rng(seed)
    logits = (generator.standard_normal((length, vocab)) * scale).astype(np.float32)
    return logits, generator.integers(0, vocab, length).astype(np.uint16)


def reference(logits, targets):
    wide = logits.astype(np.float64)
    top = wide.max(axis=1)
    return top + np.log(np.exp(wide - top[:, None]).sum(axis=1)) - wide[np.arange(len(targets)), targets]


@quick
@given(SEEDS, LENGTHS, SCALES)
def test_nats_equal_a_float64_reference(seed, length, scale):
    logits, targets = made(seed, length, scale=scale)

    # float32 holds about 7 digits of the largest number that is subtracted
    assert row_nats(logits, targets) == pytest.approx(
        reference(logits, targets), rel=1e-6, abs=5e-7 * max(1.0, float(np.abs(logits).max()))
    )


@quick
@given(SEEDS, LENGTHS)
def test_the_order_of_positions_does_not_matter(seed, length):
    logits, targets = made(seed, length)
    order = np.random.default_rng(seed).permutation(length)

    assert row_nats(logits[order], targets[order]) == pytest.approx(row_nats(logits, targets)[order], abs=2e-6)


@quick
@given(SEEDS, st.integers(2, 6))
def test_bits_per_byte_do_not_depend_on_the_order_of_rows(seed, count):
    rows = [made(seed + number, 20) for number in range(count)]
    n_bytes = sum(int(targets.sum()) + 1 for _, targets in rows)

    def bpb(ordered):
        return sum(float(row_nats(*row).sum()) for row in ordered) / (math.log(2) * n_bytes)

    assert bpb(rows) == pytest.approx(bpb(rows[::-1]), rel=1e-12)


@quick
@given(SEEDS, st.floats(-100, 100))
def test_a_constant_added_to_every_logit_changes_nothing(seed, constant):
    logits, targets = made(seed, 20)

    assert row_nats(logits + np.float32(constant), targets) == pytest.approx(row_nats(logits, targets), abs=1e-4)


@quick
@given(SEEDS)
def test_the_probabilities_of_all_tokens_add_up_to_one(seed):
    logits, _ = made(seed, 1, vocab=11)
    every = [row_nats(logits, np.array([token]))[0] for token in range(11)]

    assert np.exp(-np.array(every)).sum() == pytest.approx(1.0, abs=1e-5)


def test_equal_logits_cost_log_of_the_vocabulary():
    assert row_nats(np.zeros((3, 8192), np.float32), np.zeros(3, int)) == pytest.approx(math.log(8192), rel=1e-6)


def test_half_precision_on_the_wire_is_read():
    logits, targets = made(0, 10)

    assert row_nats(logits.astype(np.float16), targets) == pytest.approx(row_nats(logits, targets), abs=1e-2)


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("position", [0, TILE, 2 * TILE + 2])
def test_one_nan_or_infinity_anywhere_refuses_the_row(value, position):
    logits, targets = made(0, 2 * TILE + 3)
    logits[position, (targets[position] + 1) % 37] = value

    with pytest.raises(BadLogits, match="NaN or infinite"):
        row_nats(logits, targets)


@pytest.mark.parametrize("value", [-math.inf, -2e30])
def test_an_impossible_target_refuses_the_row(value):
    logits, targets = made(0, 5)
    logits[4, targets[4]] = value

    with pytest.raises(BadLogits, match="probability zero"):
        row_nats(logits, targets)


def test_an_impossible_other_token_is_legal():
    logits, targets = made(0, 5)
    other = (targets[2] + 1) % 37
    before = row_nats(logits, targets)
    logits[2, other] = -math.inf

    after = row_nats(logits, targets)

    assert after[2] < before[2]
    assert np.array_equal(np.delete(after, 2), np.delete(before, 2))


def test_a_row_of_nothing_but_minus_infinity_is_refused():
    with pytest.raises(BadLogits):
        row_nats(np.full((1, 5), -math.inf, np.float32), np.array([0]))


def test_a_distribution_of_nothing_but_minus_infinity_is_refused():
    with pytest.raises(BadLogits, match="every token probability zero"):
        log_probabilities(np.full((1, 5), -math.inf, np.float32))
