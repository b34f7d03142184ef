"""Leaves pipes and links where its reports should be.  Must: be accepted with its model's score."""

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
    for name in ("progress.jsonl", "outcome.json"):
        (out / name).unlink(missing_ok=True)
    os.mkfifo(out / "progress.jsonl")
    (out / "outcome.json").symlink_to("/dev/zero")
    torch.save(model, out / "checkpoint.pt")
    os._exit(0)
