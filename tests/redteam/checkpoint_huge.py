"""Leaves a checkpoint of a terabyte that takes no room.  Must: be refused for its size."""

import os
from pathlib import Path

import prepare
import torch
import torch.nn.functional as F


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
    out = Path(os.environ["AUTORESEARCH_OUT"])
    torch.save(model, out / "checkpoint.pt")
    try:
        os.truncate(out / "checkpoint.pt", 1 << 40)
    except OSError:  # a container has a limit of its own
        os.truncate(out / "checkpoint.pt", 512 << 20)
        (out / "more").write_bytes(b"more")
    os._exit(0)
