"""Eight experiments of 20 s at two slots through the pool of a dispatch, against the ideal 80 s.

A candidate burns 20 s of wall time and hands over a small model; everything else is the real thing: journal,
leases, runner, trusted evaluation.

    python -m benchmarks.batch_of_eight [local|docker]
"""

import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from autoresearch_dagster.core.experiment import Outcome, PlannedExperiment
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.experiments.dispatch import Dispatch
from autoresearch_dagster.experiments.laboratory import Laboratory, open_laboratory
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.store import events as ev

EXPERIMENTS, SLOTS, SECONDS = 8, 2, 20.0
SLACK_S = 60  # of the budget, so that the clock never ends a candidate: it ends itself

CANDIDATE = f"""\
import time
import torch
import prepare
from autoresearch_types import ExperimentConfig, ExperimentResult

class Bigram(torch.nn.Module):
    def __init__(self, vocab):
        super().__init__()
        self.inner = torch.nn.Embedding(vocab, 8)
        self.outer = torch.nn.Linear(8, vocab)

    def forward(self, idx):
        return self.outer(self.inner(idx))

def run_training(config):
    end = time.monotonic() + {SECONDS}
    while time.monotonic() < end:
        torch.ones(64, 64) @ torch.ones(64, 64)
    model = Bigram(prepare.Tokenizer.from_directory().get_vocab_size())
    told = dict(model_name="bigram", n_params=0, steps=1, device="cpu", val_bpb=0.0)
    return ExperimentResult(title=config.title, config=config, model=model, **told)
"""


def plan(lab: Laboratory) -> str:
    """Start a session whose one dispatch is the batch."""
    config = ev.SessionConfig(memory_key="batch-of-eight", preset="demo", n_experiments=EXPERIMENTS)
    session = lab.store.journal.create(config, "cli", lab.bundle.digest).id
    train_py = lab.store.blobs.put(CANDIDATE.encode())
    training = lab.preset.config.model_copy(update={"time_budget_sec": int(SECONDS) + SLACK_S})
    planned = tuple(
        PlannedExperiment(
            key=f"{session}_d01_e{number:02}",  # type: ignore[arg-type]
            title=f"burn {number}",
            revision=1,
            train_py=train_py,
            config=training.model_copy(update={"seed": number}),
        )
        for number in range(1, EXPERIMENTS + 1)
    )
    turn: dict[str, Any] = {"turn": 1, "sequence": 0, "call": "0" * 64, "function": "run", "arguments": {}}
    answers = tuple(experiment.key for experiment in planned)
    with lab.store.journal.transaction(session) as transaction:
        transaction.append(ev.ModelReplied(turn=1, reply="", stop_reason=None))
        transaction.append(ev.CallPending(**turn, dispatch=1, planned=planned, answers=answers))
    return session


def main(runner: str) -> None:
    with tempfile.TemporaryDirectory(prefix="ar-bench-") as folder:
        settings = load_settings().model_copy(update={"home": Path(folder), "runner": runner, "slots": SLOTS})
        lab = open_laboratory(settings, preset_name="demo", source="sample", num_shards=1, report=print)
        lab = replace(lab, preset=replace(lab.preset, cpu_metered=False))
        session = plan(lab)
        dispatch = Dispatch(session, lab, Board(), "benchmark", EXPERIMENTS)
        started = time.monotonic()
        results = [dispatch.wait(key) for key in dispatch.submit_all()]
        wall = time.monotonic() - started
        dispatch.close()
    assert all(result.outcome is Outcome.TRAINED for result in results), [result.error for result in results]
    ideal = EXPERIMENTS / SLOTS * SECONDS
    scored = sum(result.val_bpb is not None for result in results)
    print(f"runner {runner}: {EXPERIMENTS} x {SECONDS:.0f} s at {SLOTS} slots, {scored} scored")
    print(f"wall {wall:.1f} s, ideal {ideal:.0f} s, ratio {wall / ideal:.2f}")
    spent = (wall - ideal) * SLOTS / EXPERIMENTS
    print(f"beside the burning: {spent:.1f} s each (import torch, evaluation, containers)")


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "docker")
