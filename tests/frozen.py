"""Frozen models from the source of a train.py, saved as the harness saves them."""

import importlib.util
import sys
from pathlib import Path

import torch

from autoresearch_dagster.containers.protocol import JobLimits
from autoresearch_dagster.core.limits import GIB
from autoresearch_dagster.core.settings import available_cores
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.evaluation.job import EvaluationJob

LIMITS = JobLimits(4 * GIB, Slot((available_cores()[-1],)))
HEAD = """
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.tok = torch.nn.Embedding(256, 8)
        self.head = torch.nn.Linear(8, 256, bias=False)
"""
NEXT = (
    HEAD
    + """
    def forward(self, idx):
        return torch.nn.functional.one_hot((idx + 1) % 256, 256) * 50.0
"""
)
"""Answers the token after the last one, for sure."""
TIED = (
    HEAD
    + "        self.head.weight = self.tok.weight\n        self.register_buffer('view', self.tok.weight.data.T)\n"
)


def checkpoint_from(code: str, path: Path) -> Path:
    """Save `Model()` of a train.py as module `train`, the name that its pickled class carries."""
    source = path.with_suffix(".py")
    source.write_text(code, encoding="utf-8")
    spec = importlib.util.spec_from_file_location("train", source)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get("train")
    sys.modules["train"] = module
    try:
        spec.loader.exec_module(module)
        torch.save(module.Model(), path)
    finally:
        sys.modules.pop("train")
        if before is not None:
            sys.modules["train"] = before
    return path


def frozen_job(
    code: str, bundle: Bundle, folder: Path, *, added: str = "", key: str = "s01_d01_e01"
) -> EvaluationJob:
    """A checkpoint of `Model` with its train.py; `added` is code that only the sealed job runs."""
    checkpoint = checkpoint_from(code, folder / "checkpoint.pt")
    return EvaluationJob(key, checkpoint, (code + added).encode(), bundle, LIMITS, {})
