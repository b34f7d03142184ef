import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core import limits
from autoresearch_dagster.data import shards, tokenizer
from autoresearch_dagster.data.packing import Batch, pack
from tests import packing_reference as reference


def as_batches(batches, capacity):
    """Give the packer what it gets from disk: exact lengths, and of each document no more than a row holds."""
    for batch in batches:
        heads = [np.array(document[:capacity], dtype=np.uint16) for document in batch]
        counts = np.array([len(document) for document in batch], dtype=np.int64)
        yield Batch(counts, np.concatenate([np.empty(0, dtype=np.uint16), *heads]))


def packed(batches, capacity, **options):
    rows = pack(as_batches(batches, capacity), capacity, **options)
    return [(row.tokens.tolist(), row.documents.tolist()) for row in rows]


documents = st.integers(1, 40).flatmap(
    lambda length: st.integers(0, 60_000).map(lambda first: [first + place for place in range(length)])
)


@settings(deadline=None)
@given(
    batches=st.lists(st.lists(documents, max_size=8), max_size=30),
    capacity=st.integers(2, 24),
    buffer_documents=st.integers(1, 20),
)
def test_rows_are_those_of_the_tutorials_scan(batches, capacity, buffer_documents):
    expected = reference.rows(batches, capacity, buffer_documents)
    assert packed(batches, capacity, buffer_documents=buffer_documents) == expected


@pytest.mark.parametrize("sequence_length", [512, 2048])
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_rows_of_real_length_are_those_of_the_tutorials_scan(sequence_length, data):
    capacity = sequence_length + 1
    near = st.integers(-2, 2).map(lambda off: capacity + off)
    lengths = st.lists(st.one_of(st.integers(1, 700), near, st.integers(1, 5000)), max_size=120)
    made = [[number % 65_536] * length for number, length in enumerate(data.draw(lengths))]
    size = data.draw(st.integers(1, 40))
    batches = [made[start : start + size] for start in range(0, len(made), size)]
    buffer_documents = data.draw(st.integers(1, 30))
    expected = reference.rows(batches, capacity, buffer_documents)
    assert packed(batches, capacity, buffer_documents=buffer_documents) == expected


@settings(deadline=None)
@given(lengths=st.lists(st.integers(1, 40), max_size=150))
def test_each_document_is_in_one_row_and_only_its_end_is_cropped(lengths):
    # Document n is n, n, n, ..., so that every token of a row names its document.
    documents = [[number] * length for number, length in enumerate(lengths, 100)]
    batches = [documents[start : start + 8] for start in range(0, len(documents), 8)]
    seen = set()
    for row in pack(as_batches(batches, 16), 16, 100, 5):
        assert row.documents.tolist() == row.tokens[1:].tolist()
        present, counts = np.unique(row.tokens, return_counts=True)
        assert not seen & set(present.tolist())
        seen |= set(present.tolist())
        lost = {int(owner): lengths[owner - 100] - count for owner, count in zip(present, counts, strict=True)}
        assert {owner for owner, count in lost.items() if count} <= {row.tokens[-1]}
        assert row.used == len(present)
        assert row.cropped == sum(lost.values())


def test_first_epoch_ends_when_the_buffer_cannot_be_filled_again():
    batches = [[[1, 2]] * 10]
    # Seven choices leave three documents; the eighth would top up the buffer of four.
    assert len(packed(batches, 2, buffer_documents=4)) == 7


def test_packing_streams_and_does_not_read_ahead_of_its_buffer():
    read = []

    def source():
        for number in range(1000):
            read.append(number)
            yield [[number, number]]

    next(pack(as_batches(source(), 2), 2, buffer_documents=4))
    assert len(read) == 4


def expected_rows(bundle, paths):
    encoding = tokenizer.load(bundle.tokenizer)
    return reference.rows(reference.batches(paths, encoding, tokenizer.bos_token_id(encoding)), 513)


def test_sample_rows_are_those_of_the_tutorials_scan(sample_bundle):
    expected = expected_rows(sample_bundle, [shards.validation_shard(sample_bundle.shards)])
    assert sample_bundle.upstream_rows().tolist() == [row for row, _ in expected[: limits.UPSTREAM_ROWS]]
    splits = [sample_bundle.rows(split) for split in ("selection", "confirmation", "decoy")]
    tokens = np.concatenate([split.tokens for split in splits])
    owners = np.concatenate([split.documents for split in splits])
    found = sorted(zip(tokens.tolist(), owners.tolist(), strict=True))
    assert found == sorted((row, documents) for row, documents in expected)


def test_sample_train_rows_keep_the_order_of_the_packing(sample_bundle):
    expected = expected_rows(sample_bundle, shards.train_shards(sample_bundle.shards))
    train = sample_bundle.rows("train").tokens
    assert train.tolist() == [row for row, _ in expected[: len(train)]]
    development = sample_bundle.rows("development").tokens.tolist()
    assert sorted(development) == sorted(row for row, _ in expected[len(train) :])
