"""Attention with a causal mask, learned positions and dropout that eval() turns off.  Must: be accepted."""

import prepare
import torch
import torch.nn.functional as F
from autoresearch_types import ExperimentResult


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = torch.nn.Embedding(prepare.VOCAB_SIZE, 32)
        self.places = torch.nn.Embedding(prepare.MAX_SEQ_LEN, 32)
        self.mix = torch.nn.Linear(32, 96)
        self.drop = torch.nn.Dropout(0.1)
        self.head = torch.nn.Linear(32, prepare.VOCAB_SIZE)

    def forward(self, idx):
        x = self.tokens(idx) + self.places(torch.arange(idx.shape[1]))
        q, k, v = self.mix(x).unflatten(2, (6, 16)).transpose(1, 2).split(2, dim=1)
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).flatten(2)
        return self.head(x + self.drop(y))


def run_training(config):
    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    loader = prepare.make_dataloader(None, 4, prepare.MAX_SEQ_LEN, "train")
    for _ in range(config.max_steps):
        x, y, _epoch = next(loader)
        loss = F.cross_entropy(model(x).flatten(0, 1).float(), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return ExperimentResult(config.title, 0.0, "bigram", 0, config.max_steps, "cpu", config, model=model)
