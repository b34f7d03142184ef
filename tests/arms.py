"""Arms with chosen noise, for the tests of promotion."""

import math

import numpy as np

from autoresearch_dagster.evaluation.clusters import Arm


def made_arm(
    seed: int, n_seeds: int = 3, *, documents: int = 40, gain: float = 0.0, sd: float = 0.01, own: float = 0.03
) -> Arm:
    """Return an arm about 2.5 − gain bpb; documents are the same for every `seed`."""
    fixed = np.random.default_rng(99)
    n_bytes = fixed.integers(200, 1500, documents).astype(float)
    level = fixed.normal(2.5, 0.4, documents)
    rng = np.random.default_rng(seed)
    bits = level - gain + sd * rng.normal(size=(n_seeds, 1)) + own * rng.normal(size=(n_seeds, documents))
    return Arm(math.log(2) * bits * n_bytes, n_bytes, np.arange(documents))


def better_by(arm: Arm, gain: float) -> Arm:
    """Return the same arm with another level and exactly the same noise."""
    return Arm(arm.nats - gain * math.log(2) * arm.n_bytes, arm.n_bytes, arm.documents)
