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
    """Which rows were scored."""
    rows_digest: Digest
    """SHA-256 of those rows' tokens."""
    n_rows: int
    """Rows that were scored."""
    n_targets: int
    """Tokens that were predicted."""
    n_documents: int
    """Documents that the targets come from."""
    nats: float
    """Sum of -log p over the targets, in nats."""
    bytes_seed: int
    """Bytes of the targets by the tutorial's table."""
    bytes_exact: int
    """True bytes of the targets."""
    val_bpb: float
    """The score: nats / (ln 2 x bytes_seed), in bits per byte."""
    val_bpb_exact: float
    """The same over bytes_exact."""
    standard_error: float
    """Of val_bpb, over documents."""
    interval: tuple[float, float]
    """95 % interval of val_bpb, over documents."""


class Stratum(Data):
    """The audits of one kind of cut."""

    audits: int
    """Cuts of this kind."""
    mismatches: int
    """Of them beyond the tolerance."""


class AuditRecord(Data):
    """What the servers B said of the answers, all rounds together: `audits` is rounds times rows.

    Units: nats; bits per byte for the corrected score, which is the score plus what B adds to A at uniform cuts.
    """

    audits: int
    """Cuts that servers B answered."""
    mismatches: int
    """Of them beyond the tolerance."""
    strata: dict[str, Stratum]
    """The cuts by kind."""
    tolerance: float
    """Nats by which a log-probability may differ."""
    max_deviation: float
    """Largest difference that was seen, in nats."""
    signed_mean: float
    """Mean by which A leans to the true token, in nats."""
    signed_error: float
    """Standard error of it."""
    corrected_bpb: float
    """The score with B's answers at the uniform cuts."""
    corrected_error: float
    """Standard error of it."""
    reference: bool
    """Whether gain-weighted cuts had a champion to compare with."""


class ServerTimes(Data):
    """The time of one server.

    Units: seconds of resource time (CPU, or wall where the device is a GPU) from its order to load: for loading,
    for its answers, and `served_s` in all; `wall_s` wall seconds since its container was started.
    """

    load_s: float
    """To load the model."""
    first_s: float
    """Its first answer."""
    median_s: float
    """The median of its answers."""
    longest_s: float
    """The longest of its later answers."""
    served_s: float
    """Loading and all answers."""
    wall_s: float
    """Wall seconds since its container was started."""


class ServeRecord(Data):
    """The serve clock: server A, the servers B in order, and what was charged to the training budget.

    Units: seconds of resource time; `charged_s` of the server B that took longest for its first answers.
    """

    answering: ServerTimes
    """Server A."""
    auditing: tuple[ServerTimes, ...]
    """Servers B, one a round."""
    charged_s: float
    """Seconds charged to the budget of training."""
    allowed_s: float
    """Seconds that it may have charged."""


class Receipt(ScoreRecord):
    """What the evaluator measured and on what; immutable, named by its own digest."""

    key: str
    """Experiment that it was measured for."""
    title: str
    """The agent's name for it."""
    candidate: Digest
    """SHA-256 of train_py and config together."""
    train_py: Digest
    """SHA-256 of train.py."""
    config: TrainConfig
    """What `run_training` was given."""
    ran_as: TrainConfig | None = None
    """The config that it was given, where its micro-batch was halved for a device's memory."""
    bundle: str
    """Digest of the bundle."""
    tokenizer: Digest
    """SHA-256 of the tokenizer."""
    token_bytes_seed: Digest
    """SHA-256 of the tutorial's table of bytes."""
    token_bytes_exact: Digest
    """SHA-256 of the table of true bytes."""
    image: str
    """Id of the trainer image; empty without containers."""
    runner: str
    """What it ran in: `docker`, `bubblewrap`, or `local` for plain processes."""
    capabilities: dict[str, bool]
    """What that runner claims to keep."""
    sandboxed: bool
    """Whether it keeps enough for code of strangers."""
    device: str
    """Device that answers were computed on."""
    checkpoint: Digest
    """SHA-256 of the checkpoint."""
    evaluator_version: str
    """Version of the evaluator."""
    wire: Literal["fp16", "fp32"]
    """How logits came over the wire."""
    verdict: Verdict
    """What the audit says."""
    reason: str
    """Why it was rejected; else empty."""
    audit: AuditRecord
    """What the audit found."""
    serve: ServeRecord
    """The serve clock."""
    nats_per_target: Digest
    """Blob with the nats of each target."""
    train_cpu_s: float
    """CPU seconds of the training."""
    train_wall_s: float
    """Wall seconds of the training."""
    memory_bytes: int
    """Host memory that training was given."""
    answer_memory_bytes: int
    """Host memory that a server was given."""
    cores: int
    """Cores of its slot."""
    budget_s: float
    """Seconds of resource time for training."""
    deadline_s: float
    """Seconds after which it was ended."""
    metered: Literal["cpu", "wall"]
    """Resource time: CPU or wall seconds."""
    attempts: int
    """Attempt that this is, from 1."""

    def to_bytes(self) -> bytes:
        """Serialise canonically; these are the bytes that the digest names."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def digest(self) -> Digest:
        """SHA-256 of the canonical form."""
        return digest_of(self.to_bytes())
