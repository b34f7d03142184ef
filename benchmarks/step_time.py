"""Time of a training step: the baseline (fused attention, fused AdamW) beside the same function by hand.

Run: python -m benchmarks.step_time [steps]      Both run in turns in one process, on one thread.
"""

import importlib
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch

from tests.bundles import tiny_bundle
from tests.manual_gpt import ManualGPT, batches_of, manual_optimizer, manual_step

TRAINER = Path(__file__).parents[1] / "trainer_image"
SHAPE = {"n_layer": 3, "n_head": 4, "n_embd": 128}
BATCH, LEARNING_RATE, WARM_UP = 2, 3e-4, 2


def baseline_step(model, optimizer, inputs, targets):
    model(inputs, targets).backward()
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)


def timed(step, *arguments):
    begin = time.process_time()
    step(*arguments)
    return time.process_time() - begin


def main():
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 12
    torch.set_num_threads(1)
    folder = Path(tempfile.mkdtemp(prefix="ar-bench-"))
    bundle = tiny_bundle(folder / "bundle", sequence_length=512, vocab_size=8192)
    os.environ["AUTORESEARCH_BUNDLE"] = str(bundle.candidate_folder)
    sys.path.insert(0, str(TRAINER))
    train, types = importlib.import_module("train"), importlib.import_module("autoresearch_types")
    ours = train.TinyGPT(bundle.vocab_size, types.ExperimentConfig(**SHAPE)).train()
    ours_optimizer = torch.optim.AdamW(ours.parameters(), lr=LEARNING_RATE, weight_decay=0.01, fused=True)
    theirs = ManualGPT(bundle.vocab_size, 512, *SHAPE.values())
    theirs.load_state_dict(ours.state_dict())
    theirs_optimizer = manual_optimizer(theirs, LEARNING_RATE)
    batches = batches_of(bundle.candidate_folder, BATCH)
    times = []
    for _ in range(WARM_UP + steps):
        inputs, targets = next(batches)
        fused = timed(baseline_step, ours, ours_optimizer, inputs, targets)
        by_hand = timed(manual_step, theirs, theirs_optimizer, inputs, targets)
        times.append((fused, by_hand))
    fused, by_hand = (statistics.median(column) for column in zip(*times[WARM_UP:], strict=True))
    print(f"baseline  {1000 * fused:8.1f} ms CPU a step (median of {steps})")
    print(f"by hand   {1000 * by_hand:8.1f} ms CPU a step")
    print(f"ratio     {by_hand / fused:8.2f} x")


if __name__ == "__main__":
    main()
