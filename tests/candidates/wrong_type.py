"""Returns a look-alike of the result."""

from dataclasses import dataclass


@dataclass
class ExperimentResult:
    """Not ours."""

    val_bpb: float = 0.01
    model: object = None


def run_training(config):
    return ExperimentResult()
