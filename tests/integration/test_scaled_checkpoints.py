"""How much the checkpoints of real trainings grow at twice the width and depth: the evidence of scale transfer."""

import dataclasses
import os
from pathlib import Path

import pytest

from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult, TrainConfig
from autoresearch_dagster.core.judgement import Dimension
from autoresearch_dagster.core.presets import PRESETS
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.experiments.confirmations import Contender
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.run_one import run_planned
from autoresearch_dagster.experiments.scale_transfer import least_growth, scaled
from autoresearch_dagster.experiments.scoring import Attempt
from autoresearch_dagster.store.store import open_store
from autoresearch_dagster.training.job import Halt
from tests.bundles import published, tiny_bundle
from tests.command_line import BASELINE
from tests.zygote import ZygoteRunner

CORE = sorted(os.sched_getaffinity(0))[-1] if hasattr(os, "sched_getaffinity") else 0
CONFIG = TrainConfig(n_layer=2, n_head=2, n_embd=16, max_steps=1, time_budget_sec=20)


class World:
    """Trains on a tiny bundle."""

    def __init__(self, home: Path, zygote: ZygoteRunner) -> None:
        settings = Settings(home=home, runner="plain", database_url="")
        bundle = published(tiny_bundle(home / "made"), settings.bundles)
        preset = dataclasses.replace(PRESETS["demo"], config=CONFIG, sequence_length=32, scored_rows=16)
        self.lab = Laboratory(settings, open_store(settings), zygote, "zygote", "", bundle, preset, b"")

    def train(self, who: Contender) -> ExperimentResult:
        planned = who.at(1, ExperimentKey("s01_d01_t01"))
        attempt = Attempt(1, Slot((CORE,)))
        found = run_planned(planned, self.lab, attempt, lambda *_: None, lambda _: None, lambda: Halt.NO)
        self.lab.sweep(planned.key)
        assert found.checkpoint is not None, found.error
        assert found.checkpoint_bytes == self.lab.store.blobs.path(found.checkpoint).stat().st_size
        return found

    def growth(self, code: str, dimension: Dimension) -> int:
        """Bytes by which the checkpoint of a file grows."""
        who = Contender(None, "file", 1, self.lab.store.blobs.put(code.encode()), CONFIG)
        return self.train(scaled(who, dimension)).checkpoint_bytes - self.train(who).checkpoint_bytes


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory, zygote: ZygoteRunner) -> World:
    return World(tmp_path_factory.mktemp("home"), zygote)


@pytest.mark.parametrize("dimension", ["width", "depth"])
def test_the_baseline_grows_by_more_than_it_must(world: World, dimension: Dimension) -> None:
    assert world.growth(BASELINE.read_text(), dimension) > least_growth(CONFIG, dimension)


@pytest.mark.parametrize("dimension", ["width", "depth"])
def test_a_file_that_sets_its_own_size_does_not(world: World, dimension: Dimension) -> None:
    """It is handed twice the size, and claims it, too."""
    code = BASELINE.read_text()
    start = "    tokenizer = prepare.Tokenizer.from_directory()\n"
    own = "    import dataclasses\n    config = dataclasses.replace(config, n_embd=16, n_layer=2)\n"
    assert start in code
    claim = "D{config.n_embd}"
    assert claim in code
    fixed = code.replace(start, own + start).replace(claim, "D32-L4-twice-as-large")
    assert world.growth(fixed, dimension) < least_growth(CONFIG, dimension)
