"""Causal convolutions: padded on the left.  Must: be accepted."""

import prepare
import torch
import torch.nn.functional as F
from autoresearch_types import ExperimentResult


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.tokens = torch.nn.Embedding(prepare.VOCAB_SIZE, 32)
        self.layers = torch.nn.ModuleList(torch.nn.Conv1d(32, 32, 3, dilation=2**n) for n in range(3))
        self.head = torch.nn.Linear(32, prepare.VOCAB_SIZE)

    def forward(self, idx):
        x = self.tokens(idx).transpose(1, 2)
        for layer in self.layers:
            x = x + torch.relu(layer(F.pad(x, (2 * layer.dilation[0], 0))))
        return self.head(x.transpose(1, 2))


def run_training(config):
    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    loader = prepare.make_dataloader(None, 4, prepare.MAX_SEQ_LEN, "train")
    for _ in range(config.max_steps):
        x, y, _epoch = next(loader)
        loss = F.cross_entropy(model(x).flatten(0, 1).float(), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return ExperimentResult(config.title, 0.0, "bigram", 0, config.max_steps, "cpu", config, model=model)
