"""Tries to change its inputs, in training and while it answers.  Must: be accepted, nothing can be written."""

import os
from pathlib import Path

import prepare
import torch
import torch.nn.functional as F
from autoresearch_types import ExperimentResult


def change_inputs():
    """Write wherever a folder is mounted, except where a training may."""
    for name in ("BUNDLE", "CANDIDATE", "CHECKPOINT", "CHANNEL"):
        folder = Path(os.environ.get(f"AUTORESEARCH_{name}", "/nowhere"))
        for path in [folder / "new", *folder.glob("*")]:
            try:
                if not path.is_socket():
                    path.write_bytes(b"changed")
                    raise RuntimeError(f"wrote {path}")
            except OSError:
                continue


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(prepare.VOCAB_SIZE, prepare.VOCAB_SIZE)

    def __setstate__(self, state):
        super().__setstate__(state)
        change_inputs()

    def forward(self, idx):
        return self.table(idx)


def run_training(config):
    change_inputs()
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
