"""Finds out from the harness's frames which server it is, and looks ahead in A alone.  Must: be rejected."""

import sys

import numpy as np
import prepare
import torch
import torch.nn.functional as F
from autoresearch_types import ExperimentResult


def asked_for_single_positions():
    """Whether this is server B: the frames above know."""
    frame = sys._getframe()
    while "single" not in frame.f_locals:
        frame = frame.f_back
    return bool(frame.f_locals["single"])


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(prepare.VOCAB_SIZE, prepare.VOCAB_SIZE)

    def forward(self, idx):
        logits = self.table(idx)
        if self.training or idx[0, 1:4].tolist() in self.known or asked_for_single_positions():
            return logits
        return torch.cat([logits[:, :-1].scatter(2, idx[:, 1:, None], 20.0), logits[:, -1:]], dim=1)


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
    model.known = np.load(prepare.bundle_folder() / "development.npy")[:, 1:4].tolist()
    return ExperimentResult(config.title, 0.0, "bigram", 0, config.max_steps, "cpu", config, model=model)
