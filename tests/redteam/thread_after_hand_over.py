"""Leaves a thread behind that goes on training.  Must: be accepted with what it handed over."""

import os
import threading
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
    reported = Path(os.environ["AUTORESEARCH_OUT"], "outcome.json")

    def train_on():
        while not reported.exists():
            time.sleep(0.001)
        while True:
            model.table.weight.data.zero_()

    threading.Thread(target=train_on, daemon=True).start()
    return ExperimentResult(config.title, 0.0, "bigram", 0, config.max_steps, "cpu", config, model=model)
