"""The receipt: everything that a score rests on, under one digest."""

from typing import Literal

from autoresearch_dagster.core.experiment import Data, Digest, TrainConfig, Verdict, canonical_json, digest_of

EVALUATOR_VERSION = "3"
"""Changes when the same checkpoint could get another score or another verdict."""
Rowset = Literal["selection", "confirmation", "upstream"]


class ScoreRecord(Data):
    """A figure and how sure it is.

    Units: nats; bytes; bits per byte.  The standard error takes each document as one observation, as does the
    95 % interval; both say how well these rows stand for others, not how two candidates compare on the same rows.
    """

    rows: Rowset
    rows_digest: Digest
    n_rows: int
    n_targets: int
    n_documents: int
    nats: float
    bytes_seed: int
    bytes_exact: int
    val_bpb: float
    val_bpb_exact: float
    standard_error: float
    interval: tuple[float, float]


class Stratum(Data):
    """The audits of one kind of cut."""

    audits: int
    mismatches: int


class AuditRecord(Data):
    """What the servers B said of the answers, all rounds together: `audits` is rounds times rows.

    Units: nats; bits per byte for the corrected score, which is the score plus what B adds to A at uniform cuts.
    """

    audits: int
    mismatches: int
    strata: dict[str, Stratum]
    tolerance: float
    max_deviation: float
    signed_mean: float
    signed_error: float
    corrected_bpb: float
    corrected_error: float
    reference: bool
    """Whether gain-weighted cuts had a champion to compare with."""


class ServerTimes(Data):
    """The time of one server.

    Units: seconds of resource time (CPU, or wall where the device is a GPU) from its order to load: for loading,
    for its answers, and `served_s` in all; `wall_s` wall seconds since its container was started.
    """

    load_s: float
    first_s: float
    median_s: float
    longest_s: float
    served_s: float
    wall_s: float


class ServeRecord(Data):
    """The serve clock: server A, the servers B in order, and what was charged to the training budget.

    Units: seconds of resource time; `charged_s` of the server B that took longest for its first answers.
    """

    answering: ServerTimes
    auditing: tuple[ServerTimes, ...]
    charged_s: float
    allowed_s: float


class Receipt(ScoreRecord):
    """What the evaluator measured and on what; immutable, named by its own digest."""

    key: str
    title: str
    candidate: Digest
    train_py: Digest
    config: TrainConfig
    ran_as: TrainConfig | None = None
    """The config that it was given, where its micro-batch was halved for a device's memory."""
    bundle: str
    tokenizer: Digest
    token_bytes_seed: Digest
    token_bytes_exact: Digest
    image: str
    runner: str
    capabilities: dict[str, bool]
    sandboxed: bool
    device: str
    checkpoint: Digest
    evaluator_version: str
    wire: Literal["fp16", "fp32"]
    verdict: Verdict
    reason: str
    audit: AuditRecord
    serve: ServeRecord
    nats_per_target: Digest
    train_cpu_s: float
    train_wall_s: float
    memory_bytes: int
    answer_memory_bytes: int
    cores: int
    budget_s: float
    deadline_s: float
    metered: Literal["cpu", "wall"]
    attempts: int

    def to_bytes(self) -> bytes:
        """Serialise canonically; these are the bytes that the digest names."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def digest(self) -> Digest:
        """SHA-256 of the canonical form."""
        return digest_of(self.to_bytes())
