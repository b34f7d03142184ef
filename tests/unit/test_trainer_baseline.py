"""The baseline computes the tutorial's function: checked against attention and AdamW written out by hand."""

import math

import pytest
import torch

from tests.bundles import tiny_bundle
from tests.trainer_modules import trainer_modules

STEPS = 6
SIZES = {"n_layer": 2, "n_head": 4, "n_embd": 32}


@pytest.fixture(scope="module")
def modules(tmp_path_factory):
    bundle = tiny_bundle(tmp_path_factory.mktemp("bundle"), sequence_length=32, vocab_size=256)
    with trainer_modules(bundle.candidate_folder) as loaded:
        yield loaded


def reference_weights(vocab, context, n_layer, n_embd):
    """Draw the parameters in the order in which the tutorial's model creates them."""
    nn, weights = torch.nn, {}

    def take(name, module):
        weights.update({f"{name}.{key}": value.detach().clone() for key, value in module.state_dict().items()})

    take("tok_emb", nn.Embedding(vocab, n_embd))
    take("pos_emb", nn.Embedding(context, n_embd))
    for layer in range(n_layer):
        take(f"blocks.{layer}.ln1", nn.LayerNorm(n_embd))
        take(f"blocks.{layer}.attn.qkv", nn.Linear(n_embd, 3 * n_embd))
        take(f"blocks.{layer}.attn.proj", nn.Linear(n_embd, n_embd))
        take(f"blocks.{layer}.ln2", nn.LayerNorm(n_embd))
        take(f"blocks.{layer}.mlp.fc1", nn.Linear(n_embd, 4 * n_embd))
        take(f"blocks.{layer}.mlp.fc2", nn.Linear(4 * n_embd, n_embd))
    take("ln_f", nn.LayerNorm(n_embd))
    take("head", nn.Linear(n_embd, vocab, bias=False))
    return {name: value.requires_grad_() for name, value in weights.items()}


def reference_loss(w, x, y, n_layer, n_head):
    """Attention as explicit sums over the past, everything else as formulas."""

    def norm(name, h):
        centred = h - h.mean(-1, keepdim=True)
        scale = torch.sqrt((centred**2).mean(-1, keepdim=True) + 1e-5)
        return centred / scale * w[f"{name}.weight"] + w[f"{name}.bias"]

    def linear(name, h):
        return h @ w[f"{name}.weight"].T + w[f"{name}.bias"]

    length, width = x.shape[1], w["tok_emb.weight"].shape[1]
    future = torch.ones(length, length, dtype=torch.bool).triu(1)
    h = w["tok_emb.weight"][x] + w["pos_emb.weight"][:length]
    for layer in range(n_layer):
        name = f"blocks.{layer}"
        mixed = linear(f"{name}.attn.qkv", norm(f"{name}.ln1", h))
        q, k, v = (part.unflatten(-1, (n_head, -1)).transpose(1, 2) for part in mixed.split(width, -1))
        scores = (q @ k.mT / math.sqrt(width // n_head)).masked_fill(future, -math.inf)
        weights = torch.exp(scores - scores.logsumexp(-1, keepdim=True))
        h = h + linear(f"{name}.attn.proj", (weights @ v).transpose(1, 2).flatten(2))
        inner = linear(f"{name}.mlp.fc1", norm(f"{name}.ln2", h))
        inner = inner * 0.5 * (1 + torch.erf(inner / math.sqrt(2)))
        h = h + linear(f"{name}.mlp.fc2", inner)
    log_p = (norm("ln_f", h) @ w["head.weight"].T).log_softmax(-1)
    return -log_p.gather(-1, y[..., None]).mean()


def adamw_by_hand(weights, state, step, lr):
    """One clipped AdamW step: betas 0.9 and 0.999, epsilon 1e-8, decay 0.01."""
    total = math.sqrt(sum(float((p.grad**2).sum()) for p in weights.values()))
    clip = min(1.0, 1.0 / (total + 1e-6))
    with torch.no_grad():
        for name, p in weights.items():
            grad = p.grad * clip
            m, v = state.setdefault(name, (torch.zeros_like(p), torch.zeros_like(p)))
            m.mul_(0.9).add_(0.1 * grad)
            v.mul_(0.999).add_(0.001 * grad**2)
            p.mul_(1 - lr * 0.01)
            p.sub_(lr * (m / (1 - 0.9**step)) / ((v / (1 - 0.999**step)).sqrt() + 1e-8))
            p.grad = None


def reference_losses(modules, lr):
    torch.manual_seed(0)
    weights = reference_weights(256, 32, SIZES["n_layer"], SIZES["n_embd"])
    loader = modules["prepare"].make_dataloader(None, 2, 32, "train")
    losses, state = [], {}
    for step in range(1, STEPS + 1):
        x, y, _ = next(loader)
        loss = reference_loss(weights, x, y, SIZES["n_layer"], SIZES["n_head"])
        loss.backward()
        adamw_by_hand(weights, state, step, lr)
        losses.append(loss.item())
    return losses


def baseline_run(modules, **changes):
    """Train the baseline and return its logged losses and its result."""
    losses = []
    modules["prepare"]._on_step = lambda step, loss: losses.append(float(loss))
    modules["train"].LOG_EVERY = 1
    config = modules["autoresearch_types"].ExperimentConfig(**(SIZES | {"max_steps": STEPS} | changes))
    torch.manual_seed(config.seed)
    return losses, modules["train"].run_training(config)


def test_losses_equal_a_reference_written_by_hand(modules):
    losses, _ = baseline_run(modules, learning_rate=1e-3)
    assert len(losses) == STEPS
    assert losses == pytest.approx(reference_losses(modules, 1e-3), abs=1e-6)


def test_result_hands_over_the_model_and_claims_what_was_done(modules):
    _, result = baseline_run(modules)
    assert result.steps == STEPS
    assert result.n_params == sum(p.numel() for p in result.model.parameters())
    assert result.model(torch.zeros(1, 4, dtype=torch.long)).shape == (1, 4, 256)


def test_accumulation_keeps_the_effective_batch(modules):
    _, whole = baseline_run(modules, device_batch_size=4)
    _, healed = baseline_run(modules, device_batch_size=2, grad_accum_steps=2)
    idx = torch.arange(32)[None]  # not the weights: attention's key bias has no gradient but rounding
    assert torch.allclose(whole.model(idx), healed.model(idx), atol=1e-4)


def test_no_position_sees_the_future(modules):
    _, result = baseline_run(modules)
    idx = torch.randint(0, 256, (1, 32))
    changed = idx.clone()
    changed[0, 20:] = (changed[0, 20:] + 1) % 256
    model = result.model.eval()
    assert torch.equal(model(idx)[0, :20], model(changed)[0, :20])
