"""Models that answer in one way each, most of them wrong; `kind` names which."""

import os
import sys

import torch

SECRET_WORDS = "the validation rows are"
PREFLIGHT = 2  # calls of server A before it gets a scored row


def harness_value(name):
    """Find a variable of the harness in the frames above: a candidate can."""
    frame = sys._getframe()
    while name not in frame.f_locals:
        frame = frame.f_back
    return frame.f_locals[name]


def connection():
    """Return the socket that the harness answers by."""
    return harness_value("connection")


class Answering(torch.nn.Module):
    def __init__(self, kind, vocab):
        super().__init__()
        self.kind, self.vocab, self.calls = kind, vocab, 0

    def __setstate__(self, state):
        super().__setstate__(state)
        if self.kind == "exit_at_load":
            os._exit(3)
        if self.kind == "raise_at_load":
            raise RuntimeError("cannot be loaded")

    def forward(self, idx):
        self.calls += 1
        return getattr(self, self.kind)(idx)

    def logits(self, idx):
        """Depends on the token alone, so that every batch gives a token the same logits."""
        weights = torch.arange(self.vocab, dtype=torch.float32)
        return torch.sin(idx[..., None].float() * 0.37 + weights * 0.11)

    def honest(self, idx):
        return self.logits(idx)

    def shifted(self, idx):
        return self.logits(idx) + 1000.0 * (idx[..., None] % 3).float()

    def a_tuple(self, idx):
        return self.logits(idx), None

    def wrong_vocab(self, idx):
        return self.logits(idx)[..., :-1]

    def last_position_only(self, idx):
        return self.logits(idx)[:, -1]

    def nan(self, idx):
        logits = self.logits(idx)
        logits[0, 3, 5] = torch.nan
        return logits

    def plus_inf(self, idx):
        logits = self.logits(idx)
        logits[1, 2, 7] = torch.inf
        return logits

    def minus_inf_at_targets(self, idx):
        logits = torch.full((*idx.shape, self.vocab), -torch.inf)
        logits[..., 0] = 0.0
        return logits

    def nan_later(self, idx):
        return self.logits(idx) if self.calls <= PREFLIGHT else self.nan(idx)

    def minus_inf_where_no_target_is(self, idx):
        logits = self.logits(idx)
        logits[..., self.vocab - 1] = -torch.inf  # the last special token stands in no row
        return logits

    def raises(self, idx):
        raise RuntimeError("boom in forward")

    def raises_later(self, idx):
        if self.calls > PREFLIGHT:
            raise RuntimeError(f"{SECRET_WORDS} {idx[0].tolist()}")
        return self.logits(idx)

    def raises_where_it_is_audited(self, idx):
        if harness_value("positions") is not None:
            raise RuntimeError(f"{SECRET_WORDS} known to the other process")
        return self.logits(idx)

    def by_chance(self, idx):
        return self.logits(idx) * (1 + int.from_bytes(os.urandom(4), "big") / 2**32)  # no seed touches it

    def exits(self, idx):
        os._exit(0)

    def exits_later(self, idx):
        if self.calls > PREFLIGHT:
            os._exit(0)
        return self.logits(idx)

    def closes(self, idx):
        connection().close()
        os._exit(0)

    def sends_too_few(self, idx):
        connection().sendall(b"\0" + b"\0" * 100)
        os._exit(0)

    def sends_an_own_error_later(self, idx):
        if self.calls > PREFLIGHT:
            connection().sendall(b"\1" + f"{SECRET_WORDS} {idx[0].tolist()}".encode().ljust(1024, b"\0"))
            os._exit(0)
        return self.logits(idx)

    def half_an_error(self, idx):
        connection().sendall(b"\1half")
        os._exit(0)
