"""What an evaluation is given and what it gives back."""

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.containers.protocol import JobLimits
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.evaluation.channel import Shape, Wire
from autoresearch_dagster.evaluation.receipt import AuditRecord, Rowset, ScoreRecord, ServeRecord
from autoresearch_dagster.evaluation.secret import Secret


@dataclass(frozen=True, slots=True)
class EvaluationJob:
    """A frozen checkpoint, what its servers need to load it, and what it is held to.

    Shapes: reference float [n_rows, T], nats of the champion on the same rows, where there is one.
    Units: seconds of resource time: `budget_s` of the session, `used_s` by this training.
    """

    key: str
    checkpoint: Path
    train_py: bytes
    bundle: Bundle
    limits: JobLimits
    labels: dict[str, str]
    image: str = ""
    scratch_prefix: str = "ar-"
    rowset: Rowset = "selection"
    n_rows: int = 64
    wire: Wire = "fp32"
    budget_s: float = float(lim.DEFAULT_TIME_BUDGET_S)
    used_s: float = 0.0
    cpu_metered: bool = True
    reference: npt.NDArray[np.floating] | None = None
    audit_rounds: int = 1
    """Servers B, one after the other: each audits every row once, at a cut of its own."""
    tolerances: Path | None = None
    """Folder of the tolerances that were measured on this machine; without it each evaluation measures its own."""
    secret: Secret = field(default_factory=Secret.fresh)

    @property
    def device(self) -> str:
        """Where the model answers."""
        return "cuda" if self.limits.slot.gpu else "cpu"

    def shape(self, *, single: bool) -> Shape:
        """The fixed shape of requests and answers."""
        bundle = self.bundle
        return Shape(lim.ANSWER_BATCH_ROWS, bundle.sequence_length, bundle.vocab_size, self.wire, single)


@dataclass(frozen=True, slots=True)
class Score:
    """What the evaluator measured and what the audit says of it; `rejected` is '' for a score of record.

    Shapes: nats float64 [n_rows, T], zero at targets that are special tokens.
    Units: `val_bpb` bits per byte, lower is better.
    """

    record: ScoreRecord
    audit: AuditRecord
    serve: ServeRecord
    nats: npt.NDArray[np.float64]
    rejected: str = ""

    @property
    def val_bpb(self) -> float:
        """Bits per byte, bytes counted as the tutorial counts them."""
        return self.record.val_bpb

    def nats_file(self) -> bytes:
        """Return the nats as an .npy file, float32, for comparisons position by position."""
        file = io.BytesIO()
        np.save(file, self.nats.astype(np.float32), allow_pickle=False)
        return file.getvalue()


@dataclass(frozen=True, slots=True)
class Refusal:
    """No score, with a reason that is safe to show: it holds nothing of a validation row."""

    reason: str
