"""Looks ahead at about a hundredth of the positions.  Must: be rejected at 512 audits; 32 may miss it."""

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
            chosen = (idx * 7 + 31 * torch.arange(idx.shape[1])) % 100 == 0
            leak = F.one_hot(idx.roll(-1, 1), logits.shape[-1]).float() * 20.0
            leak[:, -1] = 0.0
            logits = logits + leak * chosen[..., None]
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
    return ExperimentResult(config.title, 0.0, "bigram", 0, config.max_steps, "cpu", config, model=model)
