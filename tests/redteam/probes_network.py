"""Looks for a way out of the container.  Must: be accepted, it finds none."""

import socket
from pathlib import Path

import prepare
import torch
import torch.nn.functional as F
from autoresearch_types import ExperimentResult


def reached():
    """Addresses that answer, interfaces other than loopback, sockets of the daemon."""
    found = []
    for where in (
        ("1.1.1.1", 53),
        ("172.17.0.1", 22),
        ("172.17.0.1", 2375),
        ("127.0.0.1", 22),
        ("example.org", 80),
    ):
        try:
            socket.create_connection(where, timeout=0.5).close()
            found.append(where)
        except OSError:
            continue
    found += [line.split(":")[0].strip() for line in Path("/proc/net/dev").read_text().splitlines()[2:]]
    found += [path for path in ("/var/run/docker.sock", "/run/docker.sock") if Path(path).exists()]
    return [name for name in found if name != "lo"]


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
