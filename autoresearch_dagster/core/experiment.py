"""The life of an experiment: what is asked for, what happened, what it is worth."""

import hashlib
import json
import math
from functools import lru_cache
from typing import NewType

from pydantic import BaseModel, ConfigDict, Field

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.outcome import (
    Label as Label,
    Outcome as Outcome,
    Purpose as Purpose,
    Standing as Standing,
    Verdict as Verdict,
)
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


class TrainConfig(Data):
    """What `run_training` is given besides the title: the knobs of the tutorial, and the seed."""

    n_layer: int = 3
    """Layers of the model."""
    n_head: int = 4
    """Attention heads of a layer."""
    n_embd: int = 128
    """Width of the model."""
    dropout: float = 0.0
    """Share of activations that are dropped, 0 to below 1."""
    device_batch_size: int = 2
    """Rows of a micro-batch."""
    learning_rate: float = 3e-4
    """Step size of the optimiser."""
    time_budget_sec: int = 45
    """Resource time for training, in seconds."""
    max_steps: int = 100
    """Optimiser steps at most."""
    seed: int = 0
    """Seed of weights and data order."""
    grad_accum_steps: int = 1
    """Micro-batches of a step."""


def digest_of(data: bytes) -> Digest:
    """Name some bytes by their SHA-256."""
    return Digest(hashlib.sha256(data).hexdigest())


def canonical_json(value: object) -> bytes:
    """Serialise plain data the same way every time: sorted keys, no blanks, UTF-8, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


class PlannedExperiment(Data):
    """One experiment as it was planned: a candidate (train.py and config) under a key."""

    key: ExperimentKey
    """The experiment."""
    title: str
    """The agent's name for it; `baseline` for the code that research starts from."""
    revision: int
    """Revision of the edit, from 1; 0 for the baseline."""
    train_py: Digest
    """The whole file."""
    config: TrainConfig
    """What `run_training` is given."""
    parent_title: str | None = None
    """The edit it was forked from; null: the baseline."""
    purpose: Purpose = Purpose.CANDIDATE
    """What it is trained for."""
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
    """Optimiser steps until then."""
    loss: float
    """Training loss, in nats per token."""
    elapsed_s: float
    """Seconds of training until then."""

    @property
    def plausible(self) -> bool:
        """Whether it can be drawn and kept: a candidate may report any number."""
        timely = 0 <= self.step < limits.CURVE_MAX and abs(self.elapsed_s) < limits.CURVE_MAX
        return timely and math.isfinite(self.loss)


class Claims(Data):
    """What a candidate says of itself.  Shown, never scored."""

    model_name: str = ""
    """Name of the model."""
    n_params: int | None = None
    """Parameters of the model; null: not said."""
    steps: int | None = None
    """Optimiser steps that it made; null: not said."""
    device: str = ""
    """Where it trained."""
    val_bpb: float | None = None
    """A score of its own on the development rows, in bits per byte; null: not said."""
    dev_bpb: float | None = None
    """Not used any more: what it says of the development rows stands in `val_bpb`."""
    notes: str = ""
    """Anything else, in its words."""


class OutOfMemory(Data):
    """One try that ran out of memory: what it had, and what it cost.

    Units: bytes of host memory, rows of a micro-batch, micro-batches of a step; seconds of CPU and wall time.
    """

    outcome: Outcome
    """Whose memory it was: the host's or the GPU's."""
    memory_bytes: int
    """Host memory that it was given."""
    device_batch_size: int
    """Rows of its micro-batch."""
    grad_accum_steps: int
    """Its micro-batches of a step."""
    cpu_sec: float
    """CPU seconds that it took."""
    duration_sec: float
    """Wall seconds that it took."""


class ExperimentResult(Data):
    """What became of an experiment.  `val_bpb` comes from the trusted evaluator or is None."""

    outcome: Outcome
    """How it ended."""
    verdict: Verdict = Verdict.UNAUDITED
    """What the audit says of its score."""
    standing: Standing | None = None
    """`screened` where there is a score, else null; later events say what it is worth beside the champion's."""
    labels: tuple[Label, ...] = ()
    """What a reader must know to compare it with others."""
    val_bpb: float | None = None
    """Score on the scored rows, in bits per byte; lower is better; null: there is none of record."""
    val_bpb_exact: float | None = None
    """The same over the true bytes instead of the tutorial's table; null: there is none."""
    receipt: Digest | None = None
    """Digest of the receipt; null: it was not scored."""
    checkpoint: Digest | None = None
    """Digest of the checkpoint; null: none was kept."""
    checkpoint_bytes: int = 0
    """Size of the checkpoint as the host froze it; 0: there is none, or it was recorded before sizes were."""
    curve: Digest | None = None
    """Blob with the training curve; null: it reported none."""
    claims: Claims = Field(default_factory=Claims)
    """What the candidate says of itself."""
    error: str = ""
    """Why there is no score, as a person is told; else empty."""
    log_tail: str = ""
    """The end of its log, or the trace of its error."""
    duration_sec: float = 0.0
    """Wall seconds of its last try's training."""
    cpu_sec: float = 0.0
    """CPU seconds of the same."""
    gpu_sec: float = 0.0
    """Wall seconds in which its attempt held a GPU, tries that ran out of memory and scoring included."""
    peak_memory_bytes: int = 0
    """The most host memory that it held; 0: not measured."""
    tokens_per_second: float | None = None
    """Tokens in a second of training, by the steps that it claims; null: unknown."""
    runner: str = ""
    """What it ran in: `docker`, `bubblewrap`, or `local` for plain processes."""
    resources: str = ""
    """What its last try had, as a person is told."""
    memory_bytes: int = 0
    """Host memory that its last try was given; 0: recorded before that was."""
    ran_as: TrainConfig | None = None
    """The config that its last try was given, where its micro-batch was halved; None: the planned one."""
    oom_retries: int = 0
    """Tries before the last one that ran out of memory."""
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
