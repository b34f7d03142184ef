"""The life of an experiment: what is asked for, what happened, what it is worth."""

import hashlib
import json
import math
from enum import StrEnum
from functools import lru_cache
from typing import NewType

from pydantic import BaseModel, ConfigDict, Field

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.text import one_line

ExperimentKey = NewType("ExperimentKey", str)
"""`s03_d02_e05`: session, dispatch, number; Dagster partition, MLflow tag and container label."""
Digest = NewType("Digest", str)
"""SHA-256 of some bytes, 64 hexadecimal characters; the name of a blob."""


@lru_cache(maxsize=limits.TITLES_REMEMBERED)
def title_key(title: str) -> str:
    """How titles are compared: by what shows of them, without case and needless blanks."""
    return one_line(title).casefold()


class Data(BaseModel):
    """Base of everything that crosses a process, a disk or a model: immutable, no unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Outcome(StrEnum):
    """How an experiment ended."""

    TRAINED = "Trained"
    HOST_OOM = "HostOom"
    DEVICE_OOM = "DeviceOom"
    TIMED_OUT = "TimedOut"
    CRASHED = "Crashed"
    REFUSED = "Refused"
    STOPPED = "Stopped"
    LOST = "Lost"


class Verdict(StrEnum):
    """What the trusted evaluator says of a score."""

    UNAUDITED = "unaudited"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class Standing(StrEnum):
    """What a score means beside the champion's."""

    SCREENED = "screened"
    WITHIN_NOISE = "within_noise"
    REGRESSION = "regression"
    CONFIRMED = "confirmed"
    CHAMPION = "champion"


class Label(StrEnum):
    """What a reader must know to compare an experiment with others."""

    STARVED = "starved"
    HEALED = "healed"
    SMALL_BUDGET = "small_budget"
    UNSANDBOXED = "unsandboxed"
    REPRODUCTION = "reproduction"
    EARLY_STOPPED = "early_stopped"


class Purpose(StrEnum):
    """What a training is for; only a candidate's counts as one of the session's experiments."""

    CANDIDATE = "candidate"
    NOISE_FLOOR = "noise_floor"
    CONFIRMATION = "confirmation"
    SCALE_TRANSFER = "scale_transfer"


class TrainConfig(Data):
    """What `run_training` is given besides the title: the knobs of the tutorial, and the seed."""

    n_layer: int = 3
    n_head: int = 4
    n_embd: int = 128
    dropout: float = 0.0
    device_batch_size: int = 2
    learning_rate: float = 3e-4
    time_budget_sec: int = 45
    max_steps: int = 100
    seed: int = 0
    grad_accum_steps: int = 1


def digest_of(data: bytes) -> Digest:
    """Name some bytes by their SHA-256."""
    return Digest(hashlib.sha256(data).hexdigest())


def canonical_json(value: object) -> bytes:
    """Serialise plain data the same way every time: sorted keys, no blanks, UTF-8, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


class PlannedExperiment(Data):
    """One experiment as it was planned: a candidate (train.py and config) under a key."""

    key: ExperimentKey
    title: str
    revision: int
    train_py: Digest
    config: TrainConfig
    parent_title: str | None = None
    purpose: Purpose = Purpose.CANDIDATE
    trains: ExperimentKey | None = None
    """The candidate that a confirmation or a scale transfer trains once more; None for the baseline."""

    @property
    def revision_key(self) -> tuple[str, int]:
        """Which saved edit it trains: its title, as titles are compared, and its revision."""
        return title_key(self.title), self.revision

    @property
    def shown_as(self) -> str:
        """The title as a person is shown it: with the seed where several trainings share it."""
        return self.title if self.purpose is Purpose.CANDIDATE else f"{self.title}, seed {self.config.seed}"

    @property
    def candidate(self) -> Digest:
        """Content name of train.py and config together."""
        return digest_of(canonical_json({"train_py": self.train_py, "config": self.config.model_dump()}))


class CurvePoint(Data):
    """One line of a training curve, as the candidate reported it."""

    step: int
    loss: float
    elapsed_s: float

    @property
    def plausible(self) -> bool:
        """Whether it can be drawn and kept: a candidate may report any number."""
        timely = 0 <= self.step < limits.CURVE_MAX and abs(self.elapsed_s) < limits.CURVE_MAX
        return timely and math.isfinite(self.loss)


class Claims(Data):
    """What a candidate says of itself.  Shown, never scored."""

    model_name: str = ""
    n_params: int | None = None
    steps: int | None = None
    device: str = ""
    val_bpb: float | None = None
    dev_bpb: float | None = None
    notes: str = ""


class OutOfMemory(Data):
    """One try that ran out of memory: what it had, and what it cost.

    Units: bytes of host memory, rows of a micro-batch, micro-batches of a step; seconds of CPU and wall time.
    """

    outcome: Outcome
    memory_bytes: int
    device_batch_size: int
    grad_accum_steps: int
    cpu_sec: float
    duration_sec: float


class ExperimentResult(Data):
    """What became of an experiment.  `val_bpb` comes from the trusted evaluator or is None."""

    outcome: Outcome
    verdict: Verdict = Verdict.UNAUDITED
    standing: Standing | None = None
    labels: tuple[Label, ...] = ()
    val_bpb: float | None = None
    val_bpb_exact: float | None = None
    receipt: Digest | None = None
    checkpoint: Digest | None = None
    checkpoint_bytes: int = 0
    """Size of the checkpoint as the host froze it; 0: there is none, or it was recorded before sizes were."""
    curve: Digest | None = None
    claims: Claims = Field(default_factory=Claims)
    error: str = ""
    log_tail: str = ""
    duration_sec: float = 0.0
    cpu_sec: float = 0.0
    gpu_sec: float = 0.0
    """Wall seconds in which its attempt held a GPU, tries that ran out of memory and scoring included."""
    peak_memory_bytes: int = 0
    tokens_per_second: float | None = None
    runner: str = ""
    resources: str = ""
    memory_bytes: int = 0
    """Host memory that its last try was given; 0: recorded before that was."""
    ran_as: TrainConfig | None = None
    """The config that its last try was given, where its micro-batch was halved; None: the planned one."""
    oom_retries: int = 0
    out_of_memory: tuple[OutOfMemory, ...] = ()
    """Its tries that ran out of memory, in order."""

    @property
    def ending(self) -> str:
        """One word for how it ended: its outcome, or `rejected` where the audit rejected its score."""
        return self.verdict.value if self.verdict is Verdict.REJECTED else self.outcome.value

    @property
    def containers_s(self) -> float:
        """Wall seconds that its containers ran, those of every driver and of tries that ran out of memory."""
        return self.duration_sec + sum(one.duration_sec for one in self.out_of_memory)

    @property
    def accepted(self) -> bool:
        """Whether there is a score of record."""
        return self.outcome is Outcome.TRAINED and self.verdict is Verdict.ACCEPTED and self.val_bpb is not None
