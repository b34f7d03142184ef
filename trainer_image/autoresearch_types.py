"""The contract between a train.py and the harness: what `run_training` is given and what it returns.

The names and defaults are those of the parallelized-autoresearch tutorial, so that a train.py written for it
runs here unmodified; `seed`, `grad_accum_steps` and `model` are new.
"""

from dataclasses import dataclass

MAX_N_LAYER = 6
MAX_N_EMBD = 256
MAX_N_HEAD = 8
MAX_DEVICE_BATCH_SIZE = 4
DEFAULT_MAX_STEPS = 100
MAX_MAX_STEPS = 500


@dataclass
class ExperimentConfig:
    """One experiment.  `time_budget_sec` is enforced from outside; `seed` also orders the rows."""

    title: str = "baseline"
    n_layer: int = 3
    n_head: int = 4
    n_embd: int = 128
    dropout: float = 0.0
    device_batch_size: int = 2
    learning_rate: float = 3e-4
    time_budget_sec: int = 45
    max_steps: int = DEFAULT_MAX_STEPS
    seed: int = 0
    grad_accum_steps: int = 1


@dataclass
class ExperimentResult:
    """What a training says of itself.  Only `model` counts: it is what the evaluator scores."""

    title: str
    val_bpb: float
    model_name: str
    n_params: int
    steps: int
    device: str
    config: ExperimentConfig
    notes: str = ""
    model: object = None
    """The trained module; where it is not set, the model last given to `prepare.evaluate_bpb` is taken."""
