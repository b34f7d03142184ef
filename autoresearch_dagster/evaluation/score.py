"""From logits to nats, in our own process.  The only module of the package that imports torch."""

import numpy as np
import numpy.typing as npt
import torch

from autoresearch_dagster.core.limits import AUDIT_FLOOR_NATS, MIN_LOGIT_ROOM
from autoresearch_dagster.evaluation.failures import BadLogits

TILE = 128  # positions of one softmax: 128 x 8,192 fp32 logits are 4 MB, which stays in a core's cache


def row_nats(logits: npt.NDArray[np.floating], targets: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Return -log p(target) of every position of one row.

    Shapes: logits float [T, V] (−inf allowed except at the target); targets int [T]; result float64 [T].
    Units: nats.

    Raises:
        BadLogits: a NaN, +inf, or a target of probability zero.
    """
    torch.set_num_threads(1)  # of this thread only; two waited for each other: 10 times the CPU on a busy machine
    scores = torch.from_numpy(np.ascontiguousarray(logits))
    wanted = torch.from_numpy(np.ascontiguousarray(targets, dtype=np.int64))
    nats = np.empty(len(wanted), dtype=np.float64)
    for start in range(0, len(wanted), TILE):
        tile = scores[start : start + TILE].float()
        tile = tile - _top(tile)  # a new tensor: the answer stays as it is
        chosen = tile.gather(1, wanted[start : start + TILE, None]).squeeze(1)
        if not bool((chosen > MIN_LOGIT_ROOM).all()):  # false for NaN too: a row of nothing but -inf
            raise BadLogits("the model gave a true next token probability zero")
        nats[start : start + TILE] = (tile.exp_().sum(dim=1).log_() - chosen).double().numpy()
    return nats


def _top(tile: torch.Tensor) -> torch.Tensor:
    """Return the largest logit of each position, [n, 1], which shows a NaN or +inf anywhere."""
    top = tile.amax(dim=1, keepdim=True)
    if not bool((top < torch.inf).all()):  # false for NaN too
        raise BadLogits("the model answered NaN or infinite logits")
    return top


def log_probabilities(logits: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the log-probability of every token, none below the audit's floor.

    Two distributions are compared above the floor only: below it an honest model's own rounding is large, and
    nothing can be gained there (docs/trust.md).

    Shapes: logits float [n, V]; result float64 [n, V].

    Raises:
        BadLogits: a NaN, +inf, or nothing but −inf.
    """
    torch.set_num_threads(1)
    scores = torch.from_numpy(np.ascontiguousarray(logits)).double()
    if bool((_top(scores) == -torch.inf).any()):
        raise BadLogits("the model gave every token probability zero")
    return scores.log_softmax(dim=1).clamp_(min=-AUDIT_FLOOR_NATS).numpy()


def deviations(one: npt.NDArray[np.floating], other: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    """Return the largest difference of log-probability at each position of two answers.

    Shapes: logits float [n, V], twice; result float64 [n].  Units: nats.

    Raises:
        BadLogits: see `log_probabilities`.
    """
    found = np.zeros(len(one), dtype=np.float64)
    for start in range(0, len(one), TILE):
        tile = slice(start, start + TILE)
        if not np.array_equal(one[tile], other[tile]):  # equal bits need no softmax: the honest case on a CPU
            found[tile] = np.abs(log_probabilities(one[tile]) - log_probabilities(other[tile])).max(axis=1)
    return found
