"""What a training is given and what it gives back."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from autoresearch_dagster.containers.protocol import JobLimits
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.experiment import Claims, CurvePoint, ExperimentKey, Outcome, TrainConfig
from autoresearch_dagster.data.layout import Bundle


@dataclass(frozen=True, slots=True)
class TrainingJob:
    """One attempt at one candidate."""

    key: ExperimentKey
    attempt: int
    title: str
    train_py: bytes
    config: TrainConfig
    bundle: Bundle
    limits: JobLimits
    cpu_metered: bool
    labels: Mapping[str, str]
    output_bytes: int = lim.OUTPUT_BYTES
    hard_stop_extra_s: float = lim.HARD_STOP_EXTRA_S
    hard_stop_min_s: float = lim.HARD_STOP_MIN_S


@dataclass(frozen=True, slots=True)
class TrainingReport:
    """How a training ended.  `checkpoint` is a frozen copy, present exactly if the outcome is Trained.

    `batches` is what the harness counted where train.py reports no steps; like the claims, the candidate's word.
    Units: seconds of wall and CPU time since the harness was ready, `startup_s` until then; bytes.
    """

    outcome: Outcome
    error: str = ""
    checkpoint: Path | None = None
    claims: Claims = field(default_factory=Claims)
    curve: tuple[CurvePoint, ...] = ()
    batches: int | None = None
    log_tail: str = ""
    startup_s: float = 0.0
    cpu_s: float = 0.0
    wall_s: float = 0.0
    peak_memory_bytes: int = 0
    early_stopped: bool = False
