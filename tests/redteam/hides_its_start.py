"""Takes back that it is ready before anything else, so that no clock begins.  Must: time out at its budget."""

import os
from pathlib import Path

import prepare
import torch
import torch.nn.functional as F

Path(os.environ["AUTORESEARCH_OUT"], "ready").unlink(missing_ok=True)


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
    while True:
        torch.ones(64, 64) @ torch.ones(64, 64)
