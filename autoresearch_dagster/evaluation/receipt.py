"""The receipt: everything that a score rests on, under one digest."""

from typing import Literal

from autoresearch_dagster.core.experiment import Data, Digest, TrainConfig, canonical_json, digest_of

EVALUATOR_VERSION = "1"
"""Changes when the same checkpoint could get another score."""
Rowset = Literal["selection", "upstream"]


class Receipt(Data):
    """What the evaluator measured and on what; immutable, named by its own digest."""

    key: str
    title: str
    candidate: Digest
    train_py: Digest
    config: TrainConfig
    bundle: str
    image: str
    runner: str
    sandboxed: bool
    device: str
    checkpoint: Digest
    rows: Rowset
    n_rows: int
    n_targets: int
    evaluator_version: str
    wire: Literal["fp16", "fp32"]
    nats: float
    bytes_seed: int
    bytes_exact: int
    val_bpb: float
    val_bpb_exact: float
    nats_per_target: Digest
    train_cpu_s: float
    train_wall_s: float
    budget_s: float
    metered: Literal["cpu", "wall"]
    attempts: int

    def to_bytes(self) -> bytes:
        """Serialise canonically; these are the bytes that the digest names."""
        return canonical_json(self.model_dump(mode="json"))

    @property
    def digest(self) -> Digest:
        """SHA-256 of the canonical form."""
        return digest_of(self.to_bytes())
