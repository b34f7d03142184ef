import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from autoresearch_dagster.core import limits
from autoresearch_dagster.data import shards, tokenizer
from autoresearch_dagster.data.packing import pack


def reference(batches, capacity, buffer_documents):
    """The tutorial's choice, literally: scan the list for the longest that fits, else take the shortest."""
    source = iter(batches)
    waiting, rows, number = [], [], 0
    while True:
        row, owners = [], []
        while len(row) < capacity:
            while len(waiting) < buffer_documents:
                try:
                    batch = next(source)
                except StopIteration:
                    return rows
                for document in batch:
                    waiting.append((number, document))
                    number += 1
            room = capacity - len(row)
            best, longest = None, 0
            for place, (_, document) in enumerate(waiting):
                if len(document) <= room and len(document) > longest:
                    best, longest = place, len(document)
            if best is None:
                best = min(range(len(waiting)), key=lambda place: len(waiting[place][1]))
            owner, document = waiting.pop(best)
            row += document[:room]
            owners += [owner] * len(document[:room])
        rows.append((row, owners[1:]))


def as_lists(rows):
    return [(row.tokens.tolist(), row.documents.tolist()) for row in rows]


documents = st.integers(1, 40).flatmap(
    lambda length: st.integers(0, 60_000).map(lambda first: [first + place for place in range(length)])
)


@given(
    batches=st.lists(st.lists(documents, max_size=8), max_size=30),
    capacity=st.integers(2, 24),
    buffer_documents=st.integers(1, 20),
)
def test_rows_are_those_of_the_tutorials_scan(batches, capacity, buffer_documents):
    packed = pack(iter(batches), capacity, buffer_documents=buffer_documents)
    assert as_lists(packed) == reference(batches, capacity, buffer_documents)


@given(lengths=st.lists(st.integers(1, 40), max_size=150))
def test_each_document_is_in_one_row_and_only_its_end_is_cropped(lengths):
    # Document n is n, n, n, ..., so that every token of a row names its document.
    documents = [[number] * length for number, length in enumerate(lengths, 100)]
    seen = set()
    rows = pack((documents[start : start + 8] for start in range(0, len(documents), 8)), 16, 100, 5)
    for row in rows:
        assert row.documents.tolist() == row.tokens[1:].tolist()
        present, counts = np.unique(row.tokens, return_counts=True)
        assert not seen & set(present.tolist())
        seen |= set(present.tolist())
        cropped = [owner for owner, count in zip(present, counts, strict=True) if count < lengths[owner - 100]]
        assert set(cropped) <= {row.tokens[-1]}


def test_first_epoch_ends_when_the_buffer_cannot_be_filled_again():
    batches = [[[1, 2]] * 10]
    # Seven choices leave three documents; the eighth would top up the buffer of four.
    assert len(list(pack(batches, 2, buffer_documents=4))) == 7


def test_packing_streams_and_does_not_read_ahead_of_its_buffer():
    read = []

    def source():
        for number in range(1000):
            read.append(number)
            yield [[number, number]]

    next(pack(source(), 2, buffer_documents=4))
    assert len(read) == 4


def test_sample_rows_are_those_of_the_tutorials_scan(sample_bundle):
    encoding = tokenizer.load(sample_bundle.tokenizer)
    groups = shards.row_groups([shards.validation_shard(sample_bundle.shards)])
    batches = [tokenizer.encode_batch(encoding, texts) for texts in shards.batches(groups)]
    expected = reference(batches, 513, limits.PACKING_BUFFER_DOCUMENTS)
    assert sample_bundle.upstream_rows().tolist() == [row for row, _ in expected[: limits.UPSTREAM_ROWS]]
    splits = [sample_bundle.rows(split) for split in ("selection", "confirmation", "decoy")]
    tokens = np.concatenate([split.tokens for split in splits])
    owners = np.concatenate([split.documents for split in splits])
    found = sorted(zip(tokens.tolist(), owners.tolist(), strict=True))
    assert found == sorted((row, documents) for row, documents in expected)


def test_sample_train_rows_keep_the_order_of_the_packing(sample_bundle):
    encoding = tokenizer.load(sample_bundle.tokenizer)
    groups = shards.row_groups(shards.train_shards(sample_bundle.shards))
    batches = [tokenizer.encode_batch(encoding, texts) for texts in shards.batches(groups)]
    expected = reference(batches, 513, limits.PACKING_BUFFER_DOCUMENTS)
    train = sample_bundle.rows("train").tokens
    assert train.tolist() == [row for row, _ in expected[: len(train)]]
    development = sample_bundle.rows("development").tokens.tolist()
    assert sorted(development) == sorted(row for row, _ in expected[len(train) :])
