"""Looks for secrets in its environment.  Must: be accepted, it finds none."""

import os
import re

import prepare
import torch
import torch.nn.functional as F
from autoresearch_types import ExperimentResult


def reached():
    """Variables that are no business of a candidate."""
    wanted = re.compile(
        "KEY|TOKEN|SECRET|PASS|CREDENTIAL|ANTHROPIC|DAGSTER|MLFLOW|PROXY|AUTORESEARCH_(HOME|RUNNER)"
    )
    return [name for name in os.environ if wanted.search(name.upper())]


def stop_if(found):
    """End the experiment if anything was reached."""
    if found:
        raise RuntimeError(f"reached {found}")


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(prepare.VOCAB_SIZE, prepare.VOCAB_SIZE)

    def __setstate__(self, state):
        super().__setstate__(state)
        stop_if(reached())

    def forward(self, idx):
        return self.table(idx)


def run_training(config):
    stop_if(reached())
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
