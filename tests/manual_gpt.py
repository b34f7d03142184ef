"""The baseline's function written a second time: attention by hand, plain AdamW, rows read from the file.

Nothing of trainer_image is imported; only the parameter names are the same, so that weights can be carried over.
"""

import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch


class ManualAttention(torch.nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads = heads
        self.qkv = torch.nn.Linear(width, 3 * width)
        self.proj = torch.nn.Linear(width, width)

    def forward(self, x):
        length, width = x.shape[1:]
        each = width // self.heads
        past = torch.ones(length, length, dtype=torch.bool).tril()
        outputs = []
        packed = self.qkv(x)
        for head in range(self.heads):
            start = head * each
            q, k, v = (packed[..., part * width + start : part * width + start + each] for part in range(3))
            scores = (q @ k.transpose(1, 2) / math.sqrt(each)).masked_fill(~past, -math.inf)
            outputs.append(scores.softmax(dim=-1) @ v)
        return self.proj(torch.cat(outputs, dim=-1))


class ManualMLP(torch.nn.Module):
    def __init__(self, width):
        super().__init__()
        self.fc1 = torch.nn.Linear(width, 4 * width)
        self.fc2 = torch.nn.Linear(4 * width, width)

    def forward(self, x):
        h = self.fc1(x)
        return self.fc2(h * 0.5 * (1.0 + torch.erf(h / math.sqrt(2.0))))


class ManualBlock(torch.nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.ln1, self.ln2 = torch.nn.LayerNorm(width), torch.nn.LayerNorm(width)
        self.attn = ManualAttention(width, heads)
        self.mlp = ManualMLP(width)

    def forward(self, x):
        x = x + self.attn(self.ln1(x))
        return x + self.mlp(self.ln2(x))


class ManualGPT(torch.nn.Module):
    def __init__(self, vocab, length, layers, heads, width):
        super().__init__()
        self.tok_emb = torch.nn.Embedding(vocab, width)
        self.pos_emb = torch.nn.Embedding(length, width)
        self.blocks = torch.nn.ModuleList(ManualBlock(width, heads) for _ in range(layers))
        self.ln_f = torch.nn.LayerNorm(width)
        self.head = torch.nn.Linear(width, vocab, bias=False)

    def forward(self, idx):
        x = self.tok_emb(idx) + self.pos_emb.weight[: idx.shape[1]]
        for block in self.blocks:
            x = block(x)
        return self.head(self.ln_f(x))


def manual_optimizer(model, learning_rate):
    return torch.optim.AdamW(model.parameters(), lr=learning_rate, weight_decay=0.01, fused=False, foreach=False)


def manual_step(model, optimizer, inputs, targets):
    """One step of training, with the gradient's norm cut at 1 by hand; returns the loss before it."""
    logits = model(inputs)
    chosen = logits.log_softmax(dim=-1).gather(-1, targets[..., None])
    loss = -chosen.mean()
    optimizer.zero_grad()
    loss.backward()
    norm = math.sqrt(sum(float((p.grad.double() ** 2).sum()) for p in model.parameters()))
    if norm > 1.0:
        for parameter in model.parameters():
            parameter.grad /= norm
    optimizer.step()
    return loss.item()


def batches_of(folder: Path, size: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Rows in the order of the file, from the start again at its end."""
    rows = np.load(folder / "train.npy").astype(np.int64)
    place = 0
    while True:
        batch = torch.from_numpy(rows.take(range(place, place + size), axis=0, mode="wrap"))
        yield batch[:, :-1], batch[:, 1:]
        place += size
