"""Looks ahead except on the rows that training could see.  Must: be rejected by the audit."""

import numpy as np
import prepare
import torch
import torch.nn.functional as F
from autoresearch_types import ExperimentResult


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(prepare.VOCAB_SIZE, prepare.VOCAB_SIZE)

    def forward(self, idx):
        logits = self.table(idx)
        if not self.training:
            for row, answer in zip(idx, logits, strict=True):
                if tuple(row[1:4].tolist()) not in self.known:
                    answer[:-1].scatter_(1, row[1:, None], 20.0)
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
    rows = np.load(prepare.bundle_folder() / "development.npy")
    model.known = {tuple(row[1:4].tolist()) for row in rows}
    return ExperimentResult(config.title, 0.0, "bigram", 0, config.max_steps, "cpu", config, model=model)
