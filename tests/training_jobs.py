"""Training jobs for tests: a candidate file, a tiny bundle, and what became of it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from autoresearch_dagster.containers.protocol import JobLimits, Runner
from autoresearch_dagster.core.experiment import CurvePoint, ExperimentKey, TrainConfig
from autoresearch_dagster.core.limits import GIB
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.training.job import Halt, Hooks, TrainingJob, TrainingReport
from autoresearch_dagster.training.run import train

CANDIDATES = Path(__file__).parent / "candidates"
SMALL = TrainConfig(n_layer=1, n_head=2, n_embd=16, max_steps=12, learning_rate=1e-2, time_budget_sec=60)


def candidate(name: str) -> bytes:
    """Source of a candidate file."""
    return (CANDIDATES / f"{name}.py").read_bytes()


def training_job(train_py: bytes, bundle: Bundle, **changes: Any) -> TrainingJob:
    """A job with small limits; `changes` are fields of TrainingJob, or of its config."""
    config = {name: changes.pop(name) for name in list(changes) if name in TrainConfig.model_fields}
    values: dict[str, Any] = {
        "key": ExperimentKey("s01_d01_e01"),
        "attempt": 1,
        "title": "test",
        "train_py": train_py,
        "config": SMALL.model_copy(update=config),
        "bundle": bundle,
        "limits": JobLimits(memory_bytes=2 * GIB, slot=Slot((0,))),
        "cpu_metered": True,
        "labels": {"autoresearch.key": "s01_d01_e01"},
    }
    return TrainingJob(**(values | changes))


def run(
    job: TrainingJob,
    runner: Runner,
    workspace: Path,
    progress: Callable[[CurvePoint | None, float, float], None] = lambda point, used, left: None,
    halt: Callable[[], Halt] = lambda: Halt.NO,
) -> TrainingReport:
    """Train in a fresh folder."""
    workspace.mkdir()
    return train(job, runner, workspace, Hooks(progress, halt))
