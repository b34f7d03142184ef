"""The baseline computes the tutorial's function: beside a second implementation, over the first steps."""

import importlib
import sys
from pathlib import Path

import pytest
import torch

from tests.manual_gpt import ManualGPT, batches_of, manual_optimizer, manual_step

TRAINER = Path(__file__).parents[2] / "trainer_image"
NAMES = ("train", "prepare", "autoresearch_types")
STEPS = 5
SEED = 1337


@pytest.fixture
def baseline(monkeypatch):
    """Import the trainer's modules against a bundle, as the harness does, and forget them afterwards."""

    def imported(bundle):
        monkeypatch.setenv("AUTORESEARCH_BUNDLE", str(bundle.candidate_folder))
        monkeypatch.setenv("AUTORESEARCH_EVAL_TOKENS", "1")  # one batch: what it claims is not looked at here
        monkeypatch.syspath_prepend(str(TRAINER))
        for name in NAMES:
            monkeypatch.delitem(sys.modules, name, raising=False)
        train, prepare, types = (importlib.import_module(name) for name in NAMES)
        monkeypatch.setattr(train, "LOG_EVERY", 1)
        return train, prepare, types

    yield imported
    for name in NAMES:
        sys.modules.pop(name, None)


@pytest.fixture(autouse=True)
def one_thread():
    """As in a slot; several threads wait for each other where the machine is busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def precise():
    """Double precision, where equal functions agree to far more than 1e-6."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def losses_of_the_baseline(modules, **config):
    train, prepare, types = modules
    losses = []
    prepare._on_step = lambda step, loss: losses.append(float(loss))
    torch.manual_seed(SEED)
    train.run_training(types.ExperimentConfig(max_steps=STEPS, time_budget_sec=600, **config))
    prepare._on_step = None
    return losses


def losses_by_hand(modules, bundle, n_layer, n_head, n_embd, learning_rate, device_batch_size):
    train, prepare, types = modules
    torch.manual_seed(SEED)
    config = types.ExperimentConfig(n_layer=n_layer, n_head=n_head, n_embd=n_embd)
    weights = train.TinyGPT(prepare.VOCAB_SIZE, config).state_dict()
    model = ManualGPT(bundle.vocab_size, bundle.sequence_length, n_layer, n_head, n_embd)
    model.load_state_dict(weights, strict=True)  # the names are the same or this fails
    optimizer = manual_optimizer(model, learning_rate)
    batches = batches_of(bundle.candidate_folder, device_batch_size)
    return [manual_step(model, optimizer, *next(batches)) for _ in range(STEPS)]


SHAPES = [
    {"n_layer": 1, "n_head": 1, "n_embd": 8, "learning_rate": 1e-2, "device_batch_size": 1},
    {"n_layer": 3, "n_head": 4, "n_embd": 32, "learning_rate": 1e-3, "device_batch_size": 4},
]


@pytest.mark.parametrize("shape", SHAPES)
def test_the_first_losses_are_those_of_the_implementation_by_hand(baseline, bundle, shape, precise):
    modules = baseline(bundle)

    assert losses_of_the_baseline(modules, **shape) == pytest.approx(
        losses_by_hand(modules, bundle, **shape), abs=1e-9
    )


def test_in_single_precision_and_full_size_rows_they_agree_to_a_millionth(baseline, sample_bundle):
    modules = baseline(sample_bundle)
    shape = {"n_layer": 2, "n_head": 2, "n_embd": 64, "learning_rate": 3e-4, "device_batch_size": 2}
    ours = losses_of_the_baseline(modules, **shape)

    assert ours == pytest.approx(losses_by_hand(modules, sample_bundle, **shape), rel=1e-6)
    assert len(set(ours)) == STEPS


def test_two_half_batches_make_the_step_of_a_whole_one(baseline, bundle, precise):
    modules = baseline(bundle)
    train, _prepare, types = modules
    models = []
    for batch, halves in ((4, 1), (2, 2)):
        torch.manual_seed(SEED)
        config = types.ExperimentConfig(
            n_layer=1, n_head=2, n_embd=16, max_steps=3, device_batch_size=batch, grad_accum_steps=halves
        )
        models.append(train.run_training(config).model.state_dict())

    assert all(torch.allclose(models[0][name], models[1][name], atol=1e-9) for name in models[0])


def test_no_logit_depends_on_a_later_token(baseline, bundle):
    train, prepare, types = baseline(bundle)
    model = train.TinyGPT(prepare.VOCAB_SIZE, types.ExperimentConfig(n_layer=2, n_head=2, n_embd=16)).eval()
    first = torch.randint(0, 200, (1, 32))
    second = first.clone()
    second[0, 20:] = (second[0, 20:] + 1) % 200
    with torch.no_grad():
        one, other = model(first), model(second)

    assert torch.equal(one[:, :20], other[:, :20])
    assert not torch.allclose(one[:, 20:], other[:, 20:])


def test_the_loss_with_targets_is_the_cross_entropy_of_the_logits(baseline, bundle):
    train, prepare, types = baseline(bundle)
    model = train.TinyGPT(prepare.VOCAB_SIZE, types.ExperimentConfig(n_layer=1, n_head=2, n_embd=16)).eval()
    x, y = (torch.randint(0, 200, (2, 32)) for _ in range(2))
    each = model(x, y, reduction="none")

    assert each.shape == y.shape
    assert model(x, y).item() == pytest.approx(each.mean().item(), rel=1e-6)
    expected = -model(x).log_softmax(-1).gather(-1, y[..., None]).squeeze(-1)
    assert torch.allclose(each, expected, atol=1e-5)


def test_dropout_acts_in_training_and_not_in_evaluation(baseline, bundle):
    train, prepare, types = baseline(bundle)
    config = types.ExperimentConfig(n_layer=1, n_head=2, n_embd=16, dropout=0.5)
    model = train.TinyGPT(prepare.VOCAB_SIZE, config)
    idx = torch.randint(0, 200, (1, 32))

    assert not torch.equal(model.train()(idx), model(idx))
    assert torch.equal(model.eval()(idx), model(idx))


def test_seed_zero_keeps_the_order_of_the_rows_and_another_seed_permutes_them(baseline, bundle):
    _train, prepare, _types = baseline(bundle)
    rows = torch.from_numpy(bundle.rows("train").tokens.astype("int64"))

    def one_epoch(seed, size):
        prepare._seed = seed
        loader = prepare.make_dataloader(None, size, 32, "train", device=torch.device("cpu"))
        batches = [next(loader) for _ in range(len(rows) // size)]
        assert {epoch for _x, _y, epoch in batches} == {1}
        return torch.cat([torch.cat([x, y[:, -1:]], dim=1) for x, y, _epoch in batches])

    assert torch.equal(one_epoch(0, 4), rows)
    assert torch.equal(one_epoch(0, 4), one_epoch(0, 2))  # whatever the batch size
    shuffled = one_epoch(7, 4)
    assert not torch.equal(shuffled, rows)
    assert torch.equal(shuffled, one_epoch(7, 4))
    assert sorted(map(tuple, shuffled.tolist())) == sorted(map(tuple, rows.tolist()))


def test_the_candidates_validation_split_is_the_development_slice(baseline, bundle):
    _train, prepare, _types = baseline(bundle)
    x, y, _epoch = next(prepare.make_dataloader(None, 2, 32, "val", device=torch.device("cpu")))

    expected = torch.from_numpy(bundle.rows("development").tokens[:2].astype("int64"))
    assert torch.equal(torch.cat([x, y[:, -1:]], dim=1), expected)


@pytest.mark.parametrize(("length", "split"), [(33, "train"), (0, "train"), (32, "test")])
def test_a_length_beyond_the_rows_or_another_split_is_refused(baseline, bundle, length, split):
    _train, prepare, _types = baseline(bundle)

    with pytest.raises(ValueError):
        next(prepare.make_dataloader(None, 2, length, split))
