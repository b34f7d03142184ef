"""Leaves a checkpoint that runs a command wherever it is unpickled.  Must: be refused, and run nothing of ours."""

import os
import pickle
from pathlib import Path

import prepare
import torch
import torch.nn.functional as F


class Command:
    """Unpickles as the result of a call."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return exec, (f"import os; open({self.path!r}, 'a').write(str(os.getpid()) + '\\n')",)


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
    (out / "checkpoint.pt").write_bytes(pickle.dumps(Command(config.title.partition("=")[2]), protocol=2))
    os._exit(0)
