"""Trains a little in each answer.  Must: be refused, not deterministic."""

import time

import prepare
import torch
import torch.nn.functional as F
from autoresearch_types import ExperimentResult


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(prepare.VOCAB_SIZE, prepare.VOCAB_SIZE)

    def learn(self, seconds):
        """Train on rows that lie in the checkpoint, the same way in every process."""
        end = time.process_time() + seconds
        for x, y in self.rows:
            with torch.enable_grad():
                loss = F.cross_entropy(self.table(x).flatten(0, 1), y.flatten())
                (gradient,) = torch.autograd.grad(loss, [self.table.weight])
            self.table.weight.data -= 50.0 * gradient
        while time.process_time() < end:  # as long as training would take on real rows
            pass

    def forward(self, idx):
        logits = self.table(idx)
        if not self.training:
            self.learn(0.01)
        return logits


def run_training(config):
    model = Model()
    loader = prepare.make_dataloader(None, 4, prepare.MAX_SEQ_LEN, "train")
    model.rows = [next(loader)[:2] for _ in range(50)]
    return ExperimentResult(config.title, 0.0, "bigram", 0, config.max_steps, "cpu", config, model=model)
