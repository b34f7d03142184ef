"""Hands over a compiled module."""

import prepare
import torch
import torch.nn as nn
from autoresearch_types import ExperimentResult


class Model(nn.Module):
    """A table of what follows what."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(prepare.VOCAB_SIZE, prepare.VOCAB_SIZE)

    def forward(self, idx: torch.Tensor) -> torch.Tensor:
        return self.table(idx)


def run_training(config):
    model = torch.compile(Model())
    return ExperimentResult(config.title, 0.5, "table", 1, 1, "cpu", config, model=model)
