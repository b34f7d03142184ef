"""What a training is given and what it gives back."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from autoresearch_dagster.containers.protocol import JobLimits
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.experiment import Claims, CurvePoint, Data, ExperimentKey, Outcome, TrainConfig
from autoresearch_dagster.data.layout import Bundle


class Halt(StrEnum):
    """What its driver wants of a running training."""

    NO = ""
    KILL = "kill"
    LEAVE = "leave"
    """Let it run on: a later driver takes it over where the runner can, else it is killed."""


class Ready(Data):
    """When the harness of a training was ready, so that another driver can go on counting.

    Units: seconds since this boot of the machine, and `cpu_s` that the start-up took.
    """

    boot: str
    started_at: float
    at: float
    cpu_s: float


OnProgress = Callable[[CurvePoint | None, float, float], None]
"""Receives the newest curve point, seconds of resource time used, and seconds left."""


FarBehind = Callable[[CurvePoint | None, float], str]
"""Told the newest curve point and seconds of resource time used, says why to stop early, or ''."""


def _never(_point: CurvePoint | None, _used_s: float) -> str:
    return ""


def _ignore(_ready: Ready) -> None:
    pass


@dataclass(frozen=True, slots=True)
class Hooks:
    """What a driver is told while it follows a training, and what it may ask for."""

    on_progress: OnProgress
    halt: Callable[[], Halt]
    far_behind: FarBehind = _never
    on_ready: Callable[[Ready], None] = _ignore


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

    @property
    def interrupted(self) -> bool:
        """Whether somebody stopped it: that is no word about the candidate."""
        return self.outcome is Outcome.STOPPED and not self.early_stopped
