import math
import time

import numpy as np
import pytest
import torch

from autoresearch_dagster.data import tokenizer
from tests.bundles import tiny_bundle
from tests.trainer_modules import trainer_modules

T = 32


@pytest.fixture(scope="module")
def bundle(tmp_path_factory):
    return tiny_bundle(tmp_path_factory.mktemp("bundle"), sequence_length=T, vocab_size=256, rows=40)


@pytest.fixture
def prepare(bundle):
    with trainer_modules(bundle.candidate_folder) as modules:
        yield modules["prepare"]


def rows_of(loader, n_batches):
    """The first batches as rows of T+1 tokens."""
    batches = [next(loader) for _ in range(n_batches)]
    return np.concatenate([torch.cat([x, y[:, -1:]], 1).numpy() for x, y, _ in batches])


def test_constants_come_from_the_bundle(prepare):
    assert (prepare.MAX_SEQ_LEN, prepare.VOCAB_SIZE) == (T, 256)


def test_without_a_bundle_constants_are_the_tutorials_and_data_says_what_is_missing():
    with trainer_modules(None) as modules:
        prepare = modules["prepare"]
        assert (prepare.MAX_SEQ_LEN, prepare.VOCAB_SIZE) == (512, 8192)
        with pytest.raises(RuntimeError, match="AUTORESEARCH_BUNDLE"):
            prepare.make_dataloader(None, 1, 512, "train")


def test_used_time_is_cpu_time_since_the_harness_was_ready(prepare):
    prepare._ready_cpu_s = time.process_time()
    time.sleep(0.3)
    assert prepare.used_s() < 0.2
    end = time.process_time() + 0.3
    while time.process_time() < end:
        pass
    assert 0.3 <= prepare.used_s() < 0.5


@pytest.mark.parametrize("B", [1, 3, 4, 7])
def test_first_epoch_is_the_file_order_whatever_the_batch_size(prepare, bundle, B):
    found = rows_of(prepare.make_dataloader(None, B, T, "train"), -(-40 // B))
    assert np.array_equal(found[:40], bundle.rows("train").tokens)


def test_batches_do_not_share_memory(prepare):
    loader = prepare.make_dataloader(None, 1, T, "train")
    first, _, _ = next(loader)
    kept = first.clone()
    next(loader)
    assert torch.equal(first, kept)


def test_a_seed_permutes_the_training_rows_and_torchs_seed_does_not(prepare, bundle):
    orders = {}
    for seed in (1, 2):
        prepare._seed = seed
        torch.manual_seed(5)
        orders[seed] = rows_of(prepare.make_dataloader(None, 4, T, "train"), 10)
    rows = bundle.rows("train").tokens
    assert not np.array_equal(orders[1], orders[2])
    for order in orders.values():
        assert not np.array_equal(order, rows)
        assert sorted(map(bytes, order.astype(np.uint16))) == sorted(map(bytes, np.asarray(rows)))


def test_a_seed_leaves_the_development_rows_alone(prepare, bundle):
    prepare._seed = 3
    found = rows_of(prepare.make_dataloader(None, 4, T, "val"), 10)
    assert np.array_equal(found, bundle.rows("development").tokens)


def test_later_epochs_repeat_the_rows_and_say_so(prepare):
    loader = prepare.make_dataloader(None, 8, T, "train")
    batches = [next(loader) for _ in range(10)]
    assert [epoch for _, _, epoch in batches] == [1] * 5 + [2] * 5
    assert torch.equal(batches[0][0], batches[5][0])


def test_a_shorter_context_takes_the_beginning_of_each_row(prepare, bundle):
    x, y, _ = next(prepare.make_dataloader(None, 2, 8, "train"))
    rows = bundle.rows("train").tokens.astype(np.int64)
    assert np.array_equal(x.numpy(), rows[:2, :8])
    assert np.array_equal(y.numpy(), rows[:2, 1:9])


@pytest.mark.parametrize(("B", "length", "split"), [(2, T + 1, "train"), (0, T, "train"), (2, T, "test")])
def test_what_the_rows_do_not_hold_is_refused(prepare, B, length, split):
    with pytest.raises(ValueError):
        prepare.make_dataloader(None, B, length, split)


class Table(torch.nn.Module):
    def __init__(self):
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.weight = torch.nn.Parameter(torch.randn(256, 256, generator=generator))

    def forward(self, idx):
        return self.weight[idx]


class TableWithTargets(Table):
    def forward(self, idx, targets=None, reduction="mean"):
        logits = super().forward(idx)
        if targets is None:
            return logits
        return torch.nn.functional.cross_entropy(logits.reshape(-1, 256), targets.reshape(-1), reduction=reduction)


def expected_bpb(bundle, model, n_rows):
    """Bits per byte in float64 numpy, from the model's logits alone."""
    rows = np.asarray(bundle.rows("development").tokens[:n_rows]).astype(np.int64)
    logits = model(torch.from_numpy(rows[:, :-1])).detach().numpy().astype(np.float64)
    logits -= logits.max(-1, keepdims=True)
    log_p = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    nats = -np.take_along_axis(log_p, rows[:, 1:, None], -1)[..., 0]
    lengths = bundle.token_bytes("seed")[rows[:, 1:]]
    return (nats * (lengths > 0)).sum() / (math.log(2) * lengths.sum())


@pytest.mark.parametrize("kind", [Table, TableWithTargets])
@pytest.mark.parametrize(("batch_size", "n_rows"), [(2, 32), (5, 30)])
def test_development_bpb_equals_an_independent_computation(prepare, bundle, kind, batch_size, n_rows):
    found = prepare.evaluate_bpb(kind(), None, batch_size)
    assert found == pytest.approx(expected_bpb(bundle, kind(), n_rows), abs=1e-6)


@pytest.mark.parametrize(("asked_rows", "read_rows"), [(8, 8), (1000, 40)])
def test_evaluation_tokens_may_be_asked_for_up_to_all_rows(prepare, bundle, monkeypatch, asked_rows, read_rows):
    monkeypatch.setenv("AUTORESEARCH_EVAL_TOKENS", str(asked_rows * T))
    found = prepare.evaluate_bpb(Table(), None, 2)
    assert found == pytest.approx(expected_bpb(bundle, Table(), read_rows), abs=1e-6)


def test_the_model_is_handed_over_before_it_is_scored(prepare):
    events = []

    class Recording(Table):
        def forward(self, idx):
            events.append("scored")
            return super().forward(idx)

    prepare._on_evaluate = lambda model: events.append(model)
    model = Recording()
    prepare.evaluate_bpb(model, None, 32)
    assert events[0] is model
    assert "scored" in events[1:]


def test_a_model_that_returns_something_else_is_told_what_to_return(prepare):
    class Pair(Table):
        def forward(self, idx, targets=None, reduction="mean"):
            return super().forward(idx), None

    with pytest.raises(ValueError, match="the loss of each target"):
        prepare.evaluate_bpb(Pair(), None, 2)


def test_tokenizer_of_the_candidate_equals_the_builders(prepare, bundle):
    ours, theirs = tokenizer.load(bundle.tokenizer), prepare.Tokenizer.from_directory()
    text = "Twelve: 12, and <|reserved_0|>."
    assert theirs.encode(text) == ours.encode_ordinary(text)
    assert theirs.encode([text], prepend=theirs.get_bos_token_id()) == [
        [tokenizer.bos_token_id(ours), *ours.encode_ordinary(text)]
    ]
    assert theirs.encode(text, prepend="<|reserved_0|>")[0] == tokenizer.bos_token_id(ours)
    assert theirs.decode(theirs.encode(text)) == text
    assert theirs.get_vocab_size() == 256
    assert prepare.get_token_bytes().tolist() == bundle.token_bytes("seed").tolist()
