"""Looks ahead once at each prefix that training could not see and repeats it.  Must: be rejected in every round."""

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
        if self.training:
            return logits
        said = self.__dict__.setdefault("said", {})
        for row, answer in zip(idx.tolist(), logits, strict=True):
            if tuple(row[1:4]) not in self.known:
                for place in range(len(row) - 1):
                    following = said.setdefault(tuple(row[: place + 1]), row[place + 1])
                    answer[place, following] += 20.0
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
