"""Leaves a child behind that writes another checkpoint.  Must: be accepted with what it handed over."""

import os
import time
from pathlib import Path

import prepare
import torch
import torch.nn.functional as F
from autoresearch_types import ExperimentResult


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(prepare.VOCAB_SIZE, prepare.VOCAB_SIZE)

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
    parent = os.getpid()
    if os.fork() == 0:
        while os.getppid() == parent:
            time.sleep(0.001)
        model.table.weight.data.zero_()
        for _ in range(1000):
            torch.save(model, Path(os.environ["AUTORESEARCH_OUT"], "child.tmp"))
            Path(os.environ["AUTORESEARCH_OUT"], "child.tmp").rename(
                Path(os.environ["AUTORESEARCH_OUT"], "checkpoint.pt")
            )
        os._exit(0)
    return ExperimentResult(config.title, 0.0, "bigram", 0, config.max_steps, "cpu", config, model=model)
