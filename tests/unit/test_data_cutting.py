from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import regex
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.data import chunks as chunking, tokenizer
from autoresearch_dagster.data.cutting import look_ahead_cuts, safe_cuts, whitespace
from autoresearch_dagster.data.encoding import FAST_PATTERN, Encoder
from tests import corpora

BLANKS = " \t\x0b\x0c\x85\xa0\u1680\u2000\u2003\u200a\u2028\u2029\u202f\u205f\u3000"
NEAR_BLANKS = "\u200b\u200c\u2010\u2019\u180e\ufeff\u3001\u30a1\u1681\u2060¡Â"
OTHERS = "abZsdé你ſK'’.,=<|01²٣\u0301🙂"
PIECES = [*BLANKS, *NEAR_BLANKS, *OTHERS, "\r", "\n", "\r\n", "  ", "\n\n", " \n ", "'s", "'LL", "   x", "1234"]
awkward = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
texts = st.one_of(awkward, st.text(max_size=30))


def raw(text):
    return np.frombuffer(text.encode(), dtype=np.uint8)


def matches(text, pattern=tokenizer.PATTERN):
    return regex.findall(pattern, text)


def cut(text, places):
    edges = [0, *places.tolist(), len(raw(text))]
    return [raw(text)[a:b].tobytes().decode() for a, b in pairwise(edges)]


@settings(deadline=None)
@given(texts)
def test_white_space_is_that_of_unicode(text):
    marked = whitespace(raw(text))
    expected = [
        mark
        for character in text
        for mark in [bool(regex.fullmatch(r"\p{White_Space}", character))] * len(character.encode())
    ]
    assert marked.tolist() == expected


@settings(max_examples=400, deadline=None)
@given(texts)
def test_the_pattern_splits_at_every_safe_cut(text):
    pieces = cut(text, safe_cuts(raw(text)))
    assert [match for piece in pieces for match in matches(piece)] == matches(text)


@settings(max_examples=400, deadline=None)
@given(texts)
def test_cut_text_needs_no_look_ahead(text):
    pieces = cut(text, look_ahead_cuts(raw(text), np.array([0, len(raw(text))])))
    assert [match for piece in pieces for match in matches(piece, FAST_PATTERN)] == matches(text)


encoder_of = cache(Encoder)
encoding_of = cache(tokenizer.load)


@pytest.fixture(scope="module")
def folder(sample_bundle):
    return sample_bundle.tokenizer


def encode(encoder, documents):
    edges = np.cumsum([0, *(len(raw(document)) for document in documents)])
    found = encoder.encode(raw("".join(documents)), edges)
    ends = np.cumsum(np.minimum(found.counts, encoder.head))
    return found.counts.tolist(), [part.tolist() for part in np.split(found.heads, ends[:-1])]


MARKS = st.sampled_from(["\x01", "\x02", "<|reserved_0|>", "\x00", "\U0010ffff"])
marked = st.lists(st.one_of(awkward, MARKS), max_size=5).map("".join)


@settings(max_examples=300, deadline=None)
@given(documents=st.lists(st.one_of(texts, marked), min_size=1, max_size=5))
def test_tokens_are_those_of_tiktoken(folder, documents):
    encoding = encoding_of(folder)
    expected = [[8188, *encoding.encode_ordinary(document)] for document in documents]
    counts, heads = encode(encoder_of(folder, 10**6), documents)
    assert heads == expected
    assert counts == [len(tokens) for tokens in expected]


@settings(max_examples=60, deadline=None)
@given(documents=st.lists(texts, min_size=1, max_size=5), head=st.integers(1, 8))
def test_only_the_head_is_kept_and_the_length_stays_exact(folder, documents, head):
    counts, whole = encode(encoder_of(folder, 10**6), documents)
    assert encode(encoder_of(folder, head), documents) == (counts, [tokens[:head] for tokens in whole])


def test_tokens_of_the_sample_are_those_of_tiktoken(folder):
    encoding = encoding_of(folder)
    documents = corpora.texts()[::7]
    _, heads = encode(encoder_of(folder, 10**6), documents)
    assert heads == [[8188, *encoding.encode_ordinary(document)] for document in documents]


@pytest.mark.parametrize("character", [" ", "\t", "\u3000", "\n", "a", "=", "7"])
def test_a_million_of_one_character_do_not_overflow_the_tokenizer(folder, character):
    counts, heads = encode(encoder_of(folder, 10), [character * 1_000_000 + "x"])
    assert counts[0] > 1000
    assert len(heads[0]) == 10


def in_chunks(path, size, encoder):
    """Tokenise chunk by chunk and put the pieces of documents together again, whole."""
    found = []
    for chunk in chunking.chunks(path, size):
        encoded = encoder.encode(chunk.text, chunk.edges, continues=chunk.continues)
        parts = np.split(encoded.heads, np.cumsum(encoded.counts)[:-1]) if len(encoded.counts) else []
        for place, part in enumerate(parts):
            if place == 0 and chunk.continues:
                found[-1] += part.tolist()
            else:
                found.append(part.tolist())
    return found


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_documents_in_pieces_have_the_tokens_of_whole_ones(folder, tmp_path_factory, data):
    small = data.draw(st.integers(4, 40))
    documents = data.draw(st.lists(st.lists(texts, max_size=8).map("".join), min_size=1, max_size=6))
    path = corpora.write(tmp_path_factory.mktemp("pieces") / "a.parquet", documents, row_group_size=3)
    encoding = encoding_of(folder)
    found = in_chunks(path, small, encoder_of(folder, 10**6))
    assert found == [[8188, *encoding.encode_ordinary(document)] for document in documents]


def test_a_document_without_a_place_to_cut_is_refused_by_name(tmp_path):
    path = corpora.write(tmp_path / "a.parquet", ["fine", "x" * 100_000])
    with pytest.raises(BundleError, match=r"row group 0 of .*a\.parquet .* without a place"):
        list(chunking.chunks(path, 1000, 4000))
