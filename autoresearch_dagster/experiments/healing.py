"""What an experiment that ran out of memory is given next, and what the next of like shape starts with.

Evidence is the kernel's word, or the exception's type on a leased device (`training/run.py`); a word in a log is
none.  Host memory is doubled; on a device the micro-batch is halved and accumulation doubled, so that a step sees
as many rows as before.
"""

import ast
from collections.abc import Iterable
from dataclasses import dataclass, replace

import psutil

from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.experiment import ExperimentResult, Label, Outcome, TrainConfig
from autoresearch_dagster.store.state import Experiment


@dataclass(frozen=True, slots=True)
class Provision:
    """What one try is given.

    Units: bytes of host memory, rows of a micro-batch, micro-batches of an optimiser step.
    """

    memory_bytes: int
    device_batch_size: int
    grad_accum_steps: int

    def applied_to(self, config: TrainConfig) -> TrainConfig:
        """Return the config that the training is given."""
        sizes = {"device_batch_size": self.device_batch_size, "grad_accum_steps": self.grad_accum_steps}
        return config.model_copy(update=sizes)


def first_provision(
    config: TrainConfig, earlier: Iterable[Experiment], floor_bytes: int, ceiling_bytes: int
) -> Provision:
    """Start where the last experiment of like shape ended, or at the floor.

    Like shape: the same layers, heads, width and batch; code may differ, and a wrong guess is healed.
    """
    plain = Provision(floor_bytes, config.device_batch_size, config.grad_accum_steps)
    alike = [one for one in earlier if one.result is not None and _shape(one.planned.config) == _shape(config)]
    last = max(alike, key=_ended, default=None)
    if last is None or last.result is None:
        return plain
    result = last.result
    needed = min(max(floor_bytes, _memory_needed(result, floor_bytes)), ceiling_bytes)
    if result.ran_as is None:
        return replace(plain, memory_bytes=needed)
    return Provision(needed, result.ran_as.device_batch_size, result.ran_as.grad_accum_steps)


def _ended(experiment: Experiment) -> float:
    return experiment.finished_at.timestamp() if experiment.finished_at else 0.0


def _shape(config: TrainConfig) -> tuple[int, ...]:
    return config.n_layer, config.n_head, config.n_embd, config.device_batch_size, config.grad_accum_steps


def _memory_needed(result: ExperimentResult, floor_bytes: int) -> int:
    """Return the smallest step from the floor that its peak fits in with room; all it had if it failed."""
    if result.outcome is Outcome.HOST_OOM:
        return result.memory_bytes
    step = floor_bytes
    while step < result.memory_bytes and step < result.peak_memory_bytes * lim.MEMORY_ROOM:
        step = _more(step)
    return step


def healed(tried: Provision, outcome: Outcome, retries: int, ceiling_bytes: int) -> Provision | None:
    """Return what the next try is given; None where there is nothing to give.

    Args:
        tried: what it had.
        outcome: how that ended.
        retries: how often it was tried again already.
        ceiling_bytes: the most host memory that it may have.
    """
    if retries >= lim.OOM_RETRIES:
        return None
    if outcome is Outcome.HOST_OOM and tried.memory_bytes < ceiling_bytes:
        return replace(tried, memory_bytes=min(_more(tried.memory_bytes), ceiling_bytes))
    if outcome is Outcome.DEVICE_OOM and tried.device_batch_size > 1:
        rows = tried.device_batch_size * tried.grad_accum_steps
        smaller = next(size for size in range(tried.device_batch_size // 2, 0, -1) if rows % size == 0)
        return replace(tried, device_batch_size=smaller, grad_accum_steps=rows // smaller)
    return None


def _more(memory_bytes: int) -> int:
    return max(2 * memory_bytes, memory_bytes + lim.MEMORY_STEP_BYTES)


def memory_ceiling(floor_bytes: int, slots: int) -> int:
    """Return what one experiment may have while every other slot keeps the floor; at least the floor."""
    spare = psutil.virtual_memory().total - lim.MEMORY_OF_OURS_BYTES - (slots - 1) * floor_bytes
    return max(floor_bytes, min(lim.MEMORY_CEILING_BYTES, spare))


def changed_recipe(result: ExperimentResult, train_py: bytes) -> bool:
    """Whether a smaller micro-batch made it train otherwise than planned: a file that does not accumulate."""
    return Label.HEALED in result.labels and not honours_accumulation(train_py)


def honours_accumulation(train_py: bytes) -> bool:
    """Whether a train.py reads `grad_accum_steps`; one that cannot be parsed does not."""
    try:
        tree = ast.parse(train_py)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(
        isinstance(node, ast.Attribute) and node.attr == "grad_accum_steps" and isinstance(node.ctx, ast.Load)
        for node in ast.walk(tree)
    )
