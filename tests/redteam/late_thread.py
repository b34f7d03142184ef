"""Trains in a thread while it answers.  Must: be refused, not deterministic."""

import threading

import prepare
import torch
import torch.nn.functional as F
from autoresearch_types import ExperimentResult


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(prepare.VOCAB_SIZE, prepare.VOCAB_SIZE)

    def __setstate__(self, state):
        super().__setstate__(state)
        threading.Thread(target=self.learn, daemon=True).start()

    def learn(self):
        while True:
            for x, y in self.rows:
                loss = F.cross_entropy(self.table(x).flatten(0, 1), y.flatten())
                (gradient,) = torch.autograd.grad(loss, [self.table.weight])
                self.table.weight.data -= 5.0 * gradient

    def forward(self, idx):
        return self.table(idx)


def run_training(config):
    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    loader = prepare.make_dataloader(None, 4, prepare.MAX_SEQ_LEN, "train")
    for _ in range(config.max_steps):
        x, y, _epoch = next(loader)
        loss = F.cross_entropy(model(x).flatten(0, 1).float(), y.flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.rows = [next(loader)[:2] for _ in range(50)]
    return ExperimentResult(config.title, 0.0, "bigram", 0, config.max_steps, "cpu", config, model=model)
