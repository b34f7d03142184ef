"""Text of a frozen model: what is asked of it, what is chosen from its answers, and how it can fail."""

import numpy as np
import pytest

from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.data import tokenizer
from autoresearch_dagster.evaluation.failures import BadLogits, ServerFailed
from autoresearch_dagster.evaluation.generation import Sampling, choose, generate
from tests.bundles import tiny_bundle
from tests.frozen import HEAD, NEXT, frozen_job

GREEDY = Sampling(max_tokens=5, temperature=0, seed=0)


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("tiny") / "bundle")


@pytest.fixture
def text(bundle, zygote, tmp_path):
    """What a model writes after a prompt."""

    def text(code, prompt, sampling=GREEDY):
        return "".join(generate(frozen_job(code, bundle, tmp_path), prompt, sampling, zygote))

    return text


def answering(line):
    return f"{HEAD}\n    def forward(self, idx):\n        {line}\n"


def test_the_most_likely_token_follows_the_last_one(text, bundle):
    encoding = tokenizer.load(bundle.tokenizer)
    last = encoding.encode_ordinary("a")[-1]

    assert text(NEXT, "a") == encoding.decode([last + n for n in range(1, 6)])


def test_no_more_is_shown_to_a_model_than_its_sequence_length(text, bundle):
    code = answering(
        f"assert idx.shape == (1, {bundle.sequence_length}); "
        "return torch.nn.functional.one_hot((idx + 1) % 256, 256) * 50.0"
    )
    encoding = tokenizer.load(bundle.tokenizer)
    last = encoding.encode_ordinary("ab" * 500)[-1]

    assert text(code, "ab" * 500) == encoding.decode([last + n for n in range(1, 6)])


def test_the_end_of_the_document_ends_the_text(text, bundle):
    bos = tokenizer.bos_token_id(tokenizer.load(bundle.tokenizer))

    assert text(answering(f"return torch.nn.functional.one_hot(idx * 0 + {bos}, 256) * 50.0"), "a") == ""


def test_the_same_seed_gives_the_same_text_and_another_one_another(text):
    flat = answering("return torch.zeros(*idx.shape, 256)")
    one, again, other = (text(flat, "a", Sampling(20, 1.0, seed)) for seed in (1, 1, 2))

    assert one == again
    assert one != other


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("return torch.full((*idx.shape, 256), float('nan'))", BadLogits),
        ("return torch.full((*idx.shape, 256), float('-inf'))", BadLogits),
        ("return torch.zeros(1)", ServerFailed),
        ("raise RuntimeError('no')", ServerFailed),
        ("import os; os._exit(0)", ServerFailed),
    ],
)
def test_what_is_no_answer_ends_it(text, line, error):
    with pytest.raises(error):
        text(answering(line), "a")


def test_a_character_of_two_tokens_comes_whole_and_one_that_is_cut_off_is_shown_as_such(bundle, zygote, tmp_path):
    first, second = "é".encode()
    code = answering(
        f"next = torch.where(idx == {first}, {second}, {first}); "
        "return torch.nn.functional.one_hot(next, 256) * 50.0"
    )
    job = frozen_job(code, bundle, tmp_path)

    assert list(generate(job, "a", Sampling(4, 0, 0), zygote)) == ["é", "é"]
    assert list(generate(job, "a", Sampling(3, 0, 0), zygote)) == ["é", "\N{REPLACEMENT CHARACTER}"]


def test_a_model_that_takes_for_ever_is_ended_between_two_tokens(text, monkeypatch):
    monkeypatch.setattr(lim, "GENERATE_WALL_S", 0.0)

    with pytest.raises(ServerFailed, match="took longer than 0 s"):
        text(NEXT, "a")


def test_special_tokens_are_never_chosen_and_chance_follows_the_logits():
    draws = np.random.default_rng(0)
    logits = np.array([0.0, 1.0, 50.0])
    chosen = [choose(logits, [2], 1.0, draws) for _ in range(2000)]

    assert set(chosen) == {0, 1}
    assert 0.70 < np.mean(chosen) < 0.76  # e / (1 + e) = 0.731
    assert choose(logits, [2], 0, draws) == 1
