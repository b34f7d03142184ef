"""Sends one more answer than it was asked for.  Must: be refused, what comes next is not an answer to it."""

import sys

import prepare
import torch
import torch.nn.functional as F
from autoresearch_types import ExperimentResult


def connection():
    """Find the harness's socket in the frames above."""
    frame = sys._getframe()
    while "connection" not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals["connection"]


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(prepare.VOCAB_SIZE, prepare.VOCAB_SIZE)

    def forward(self, idx):
        logits = self.table(idx)
        if not self.training and not hasattr(self, "sent"):
            self.sent = True
            connection().sendall(b"\0" + torch.zeros(logits.shape).numpy().tobytes())
        return logits


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
    return ExperimentResult(config.title, 0.0, "bigram", 0, config.max_steps, "cpu", config, model=model)
