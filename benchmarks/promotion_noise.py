"""Train a few candidates at several seeds and keep the nats of every document: the noise of real trainings.

The arms: the baseline, the same with another learning rate (all else is drawn alike), the same with another
width (every random number falls elsewhere).  Writes benchmarks/promotion_noise_PRESET.json, which
`promotion_simulation` reads.

Run: python -m benchmarks.promotion_noise demo|workshop [seeds] [rows]
"""

import dataclasses
import json
import math
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

from autoresearch_dagster.core.experiment import ExperimentKey, PlannedExperiment
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.evaluation.evaluator import choose_rows
from autoresearch_dagster.evaluation.receipt import Receipt
from autoresearch_dagster.experiments.laboratory import Laboratory, open_laboratory
from autoresearch_dagster.experiments.run_one import run_planned
from autoresearch_dagster.experiments.scoring import Attempt
from autoresearch_dagster.training.job import Halt

ARMS = {"baseline": {}, "rate": {"learning_rate": 1.1}, "width": {"n_embd": 1.25}}
"""Factors on the preset's config."""


def laboratory(preset: str, rows: int) -> Laboratory:
    home = Path(os.environ.get("AUTORESEARCH_HOME", tempfile.mkdtemp(prefix="ar-bench-")))
    settings = Settings(home=home, runner="plain")
    lab = open_laboratory(settings, preset_name=preset, source="sample", num_shards=1, report=lambda line: None)
    config = lab.preset.config.model_copy(update={"time_budget_sec": 300})  # the steps decide, not the machine
    return dataclasses.replace(lab, preset=dataclasses.replace(lab.preset, config=config, scored_rows=rows))


def nats_of(lab: Laboratory, arm: str, seed: int) -> np.ndarray:
    """Train one arm at one seed: nats float32 [n_rows, T]."""
    config = lab.preset.config
    scaled = {name: type(getattr(config, name))(getattr(config, name) * by) for name, by in ARMS[arm].items()}
    planned = PlannedExperiment(
        key=ExperimentKey(f"b_{arm}_{seed:02}"),
        title=arm,
        revision=1,
        train_py=lab.store.blobs.put(lab.baseline),
        config=config.model_copy(update={**scaled, "seed": seed}),
    )
    attempt = Attempt(number=1, slot=Slot((lab.settings.cores[-1],)))
    result = run_planned(planned, lab, attempt, lambda *_: None, lambda stage: None, lambda: Halt.NO)
    lab.sweep(planned.key)
    if result.receipt is None:
        sys.exit(f"{arm} at seed {seed} gave no score: {result.error or result.log_tail}")
    receipt = Receipt.model_validate_json(lab.store.blobs.get(result.receipt))
    print(f"{arm:10} seed {seed}  val_bpb {receipt.val_bpb:.5f}  {result.cpu_sec:.1f} s CPU", flush=True)
    return np.load(lab.store.blobs.path(receipt.nats_per_target), allow_pickle=False)


def main() -> None:
    preset = sys.argv[1]
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    rows = int(sys.argv[3]) if len(sys.argv) > 3 else 64
    lab = laboratory(preset, rows)
    documents = np.asarray(lab.bundle.rows("selection").documents[:rows])
    targets = choose_rows(lab.bundle, "selection", rows)[:, 1:]
    _, place = np.unique(documents, return_inverse=True)
    place = place.reshape(documents.shape)

    def by_document(values: np.ndarray) -> list[float]:
        return [round(float(total), 4) for total in np.bincount(place.ravel(), values.ravel().astype(np.float64))]

    first_row = np.full(place.max() + 1, rows)
    np.minimum.at(first_row, place.ravel(), np.repeat(np.arange(rows), documents.shape[1]))
    measured = {
        "preset": preset,
        "rows": rows,
        "bundle": lab.bundle.digest,
        "row": first_row.tolist(),
        "bytes": by_document(lab.bundle.token_bytes("seed")[targets]),
        "nats": {arm: [by_document(nats_of(lab, arm, seed)) for seed in range(seeds)] for arm in ARMS},
    }
    target = Path(__file__).with_name(f"promotion_noise_{preset}.json")
    target.write_text(json.dumps(measured, separators=(",", ":")) + "\n", encoding="utf-8")
    n_bytes = sum(measured["bytes"]) * math.log(2)
    scores = {arm: np.array([sum(nats) / n_bytes for nats in runs]) for arm, runs in measured["nats"].items()}
    for arm, found in scores.items():
        gap = found - scores["baseline"]
        print(
            f"{arm:10} mean {found.mean():.5f}  sd {found.std(ddof=1):.5f}  "
            f"gap {gap.mean():+.5f}  sd {gap.std(ddof=1):.5f}"
        )


if __name__ == "__main__":
    main()
