"""Asks the kernel for more than it was given.  Must: be accepted, it gets nothing."""

import ctypes
import os
import stat
from pathlib import Path

import prepare
import torch
import torch.nn.functional as F
from autoresearch_types import ExperimentResult


def reached():
    """What an unprivileged process without capabilities must not be able to do."""
    libc = ctypes.CDLL(None)
    tries = {
        "setuid": lambda: os.setuid(0),
        "chroot": lambda: os.chroot("/tmp"),
        "mknod": lambda: os.mknod("/tmp/memory", 0o600 | stat.S_IFCHR, os.makedev(1, 1)),
        "nice": lambda: os.nice(-5),
        "hostname": lambda: Path("/proc/sys/kernel/hostname").write_text("mine"),
        "memory": lambda: Path("/dev/mem").read_bytes(),
        "root": lambda: Path("/mine").touch(),
        "mount": lambda: refused(libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None)),
        "namespace": lambda: refused(libc.unshare(0x10000000)),
    }
    found = []
    for name, attempt in tries.items():
        try:
            attempt()
        except OSError:
            continue
        found.append(name)
    return found


def refused(code):
    """Raise if a call of the C library failed."""
    if code:
        raise OSError(code)


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
