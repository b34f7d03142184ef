import base64

import numpy as np
import pytest

from autoresearch_dagster.core.errors import BundleError
from autoresearch_dagster.data import tokenizer


def test_too_little_text_for_the_vocabulary_is_refused():
    with pytest.raises(BundleError, match="larger corpus"):
        tokenizer.train(["abc abc"], vocab_size=8192)


def test_saved_tokenizer_encodes_as_the_trained_one(tmp_path):
    encoding = tokenizer.train(["the cat and the hat and the bat"] * 3, vocab_size=270)
    tokenizer.save(encoding, tmp_path)
    again = tokenizer.load(tmp_path)
    text = "the cat 你好 <|reserved_0|>"
    assert again.encode_ordinary(text) == encoding.encode_ordinary(text)
    assert again.n_vocab == 270
    assert again.decode(again.encode_ordinary(text)) == text


def test_special_tokens_come_last_and_bos_is_their_first(sample_bundle):
    encoding = tokenizer.load(sample_bundle.tokenizer)
    assert [encoding.encode_single_token(token) for token in tokenizer.SPECIAL_TOKENS] == [
        8188,
        8189,
        8190,
        8191,
    ]
    assert tokenizer.bos_token_id(encoding) == 8188


def test_seed_table_counts_an_incomplete_character_as_three_bytes(sample_bundle):
    encoding = tokenizer.load(sample_bundle.tokenizer)
    half = encoding.encode_single_token(b"\xc3")
    assert sample_bundle.token_bytes("seed")[half] == 3
    assert sample_bundle.token_bytes("exact")[half] == 1


def test_byte_tables_agree_on_whole_characters_and_give_special_tokens_nothing(sample_bundle):
    encoding = tokenizer.load(sample_bundle.tokenizer)
    seed, exact = sample_bundle.token_bytes("seed"), sample_bundle.token_bytes("exact")
    assert seed.dtype == exact.dtype == np.int32
    assert len(seed) == len(exact) == 8192
    assert not seed[8188:].any()
    assert not exact[8188:].any()
    text = "def naïve(): 你好"
    tokens = encoding.encode_ordinary(text)
    assert exact[tokens].sum() == len(text.encode())
    whole = [t for t in range(8188) if "\ufffd" not in encoding.decode([t])]
    assert np.array_equal(seed[whole], exact[whole])


def test_ranks_file_is_plain_base64_and_rank(sample_bundle):
    lines = (sample_bundle.tokenizer / "tokenizer.tiktoken").read_text().splitlines()
    assert len(lines) == 8188
    token, rank = lines[300].split()
    assert int(rank) == 300
    assert base64.b64decode(token)


def test_damaged_tokenizer_is_refused_with_the_cure(tmp_path):
    with pytest.raises(BundleError, match="build it again"):
        tokenizer.load(tmp_path)
