"""A laboratory of local processes for the benchmarks: real bundle, real harness, no session."""

import dataclasses
import os
import tempfile
from pathlib import Path

from autoresearch_dagster.core.experiment import ExperimentKey, PlannedExperiment
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.experiments.laboratory import Laboratory, open_laboratory
from autoresearch_dagster.experiments.run_one import run_planned
from autoresearch_dagster.experiments.scoring import Attempt
from autoresearch_dagster.training.job import Halt


def laboratory(*, steps: int, rows: int) -> Laboratory:
    """Open one in a new folder; AUTORESEARCH_HOME says where a bundle may lie already."""
    home = Path(os.environ.get("AUTORESEARCH_HOME", tempfile.mkdtemp(prefix="ar-bench-")))
    settings = Settings(home=home, runner="plain")
    lab = open_laboratory(settings, preset_name="workshop", source="sample", num_shards=1, report=lambda line: None)
    config = lab.preset.config.model_copy(update={"max_steps": steps, "time_budget_sec": 300})
    return dataclasses.replace(lab, preset=dataclasses.replace(lab.preset, config=config, scored_rows=rows))


def one_experiment(lab: Laboratory, number: int, core: int, on_stage=lambda stage: None):
    """Train and score the baseline on one core."""
    planned = PlannedExperiment(
        key=ExperimentKey(f"b00_d00_e{number:02}"),
        title="baseline",
        revision=1,
        train_py=lab.store.blobs.put(lab.baseline),
        config=lab.preset.config,
    )
    attempt = Attempt(number=1, slot=Slot((core,)))
    try:
        return run_planned(planned, lab, attempt, lambda *_: None, on_stage, lambda: Halt.NO)
    finally:
        lab.sweep(planned.key)
