"""Where rows are cut and what is put behind the cut."""

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.core.limits import ANSWER_BATCH_ROWS
from autoresearch_dagster.evaluation.cuts import Kind, assign_kinds, choose_cut, make_probes
from autoresearch_dagster.evaluation.secret import Secret

BOS = 50
quick = settings(deadline=None, max_examples=60)
SEEDS = st.integers(0, 2**32 - 1)


def made_rows(generator, count, length):
    """Rows of tokens below 50, BOS in front and here and there."""
    rows = generator.integers(0, BOS, (count, length + 1)).astype(np.uint16)
    rows[generator.random(rows.shape) < 0.05] = BOS
    rows[:, 0] = BOS
    return rows


@quick
@given(SEEDS, st.integers(1, 40), st.integers(2, 24))
def test_a_probe_keeps_what_is_before_the_cut_and_hides_the_true_token(seed, count, length):
    generator = np.random.default_rng(seed)
    rows, decoys = made_rows(generator, count, length), made_rows(generator, 20, length)
    kinds = assign_kinds(rows, BOS, generator, reference=False)
    cuts = np.array([choose_cut(kind, row, BOS, None, generator) for kind, row in zip(kinds, rows, strict=True)])
    before = rows.copy()

    probes = make_probes(rows, cuts, decoys, BOS, generator)

    assert np.array_equal(rows, before)
    for row, probe, cut in zip(rows, probes.tokens, probes.cuts, strict=True):
        assert 1 <= cut <= length - 1  # the last target stands in no server's input
        assert np.array_equal(row[:cut], probe[:cut])
        assert row[cut] != probe[cut]
        tail = probe[cut:].tobytes()
        assert any(tail in decoy.tobytes() for decoy in decoys)  # natural text, one stretch


@quick
@given(SEEDS)
def test_a_quarter_of_the_decoys_begin_a_document(seed):
    generator = np.random.default_rng(seed)
    rows, decoys = made_rows(generator, 40, 16), made_rows(generator, 20, 16)
    cuts = generator.integers(1, 16, 40)
    hidden_bos = rows[np.arange(40), cuts] == BOS

    probes = make_probes(rows, cuts, decoys, BOS, generator).tokens

    begins = probes[np.arange(40), cuts] == BOS
    assert begins.sum() == np.ceil(0.25 * 40)
    assert not (begins & hidden_bos).any()


@quick
@given(SEEDS)
def test_a_batch_has_no_decoy_row_twice(seed):
    generator = np.random.default_rng(seed)
    rows = made_rows(generator, 12, 16)
    decoys = np.repeat(np.arange(100, 110, dtype=np.uint16)[:, None], 17, axis=1)  # each of one token of its own
    decoys[:, 0] = BOS
    cuts = np.full(12, 8)

    probes = make_probes(rows, cuts, decoys, BOS, generator).tokens

    for start in range(0, 12, ANSWER_BATCH_ROWS):
        used = probes[start : start + ANSWER_BATCH_ROWS, -1]
        assert len(set(used.tolist())) == len(used)


def test_kinds_are_half_uniform_a_quarter_gain_a_quarter_bos():
    rows = made_rows(np.random.default_rng(0), 64, 32)
    rows[:, 5] = BOS

    kinds = assign_kinds(rows, BOS, np.random.default_rng(1), reference=True)

    assert [kinds.count(kind) for kind in (Kind.UNIFORM, Kind.GAIN, Kind.BOS)] == [32, 16, 16]


def test_what_a_row_or_a_missing_champion_does_not_allow_is_cut_uniformly():
    rows = np.zeros((64, 33), dtype=np.uint16)
    rows[:, 0] = rows[:, -1] = BOS  # neither place can be a cut

    kinds = assign_kinds(rows, BOS, np.random.default_rng(1), reference=False)

    assert set(kinds) == {Kind.UNIFORM}


@quick
@given(SEEDS)
def test_gain_cuts_are_where_the_candidate_gains_and_nowhere_else(seed):
    generator = np.random.default_rng(seed)
    gain = np.full(16, -1.0)
    gain[[3, 9, 15]] = [5.0, 1.0, 100.0]  # the last target cannot be cut

    cut = choose_cut(Kind.GAIN, np.zeros(17, np.uint16), BOS, gain, generator)

    assert cut - 1 in (3, 9)


@quick
@given(SEEDS)
def test_bos_cuts_hide_a_bos(seed):
    row = np.zeros(17, dtype=np.uint16)
    row[[0, 4, 11, 16]] = BOS

    assert choose_cut(Kind.BOS, row, BOS, None, np.random.default_rng(seed)) in (4, 11)


def test_no_gain_anywhere_is_cut_uniformly():
    cuts = {
        choose_cut(Kind.GAIN, np.zeros(9, np.uint16), BOS, np.full(8, -1.0), np.random.default_rng(seed))
        for seed in range(200)
    }

    assert cuts == set(range(1, 8))


@pytest.mark.parametrize("decoys", [np.zeros((2, 9), np.uint16), np.full((9, 9), 7, np.uint16)])
def test_decoys_that_do_not_suffice_are_our_fault(decoys):
    rows = np.full((8, 9), 7, dtype=np.uint16)

    with pytest.raises(EvaluationFault):
        make_probes(rows, np.full(8, 4), decoys, BOS, np.random.default_rng(0))


def test_streams_of_a_secret_are_repeatable_and_independent():
    one, other = Secret(b"a"), Secret(b"b")

    def drawn(secret, purpose):
        return secret.generator(purpose).integers(0, 1 << 30, 4).tolist()

    assert drawn(one, "cuts") == drawn(one, "cuts")
    assert drawn(one, "cuts") != drawn(one, "order")
    assert drawn(one, "cuts") != drawn(other, "cuts")
    assert one.of_round("cuts", 0).integers(0, 1 << 30, 4).tolist() == drawn(one, "cuts")
    rounds = {tuple(one.of_round("cuts", number).integers(0, 1 << 30, 4)) for number in range(12)}
    assert len(rounds) == 12
    assert Secret.fresh().token != Secret.fresh().token
    assert "hidden" not in repr(Secret(b"hidden"))
