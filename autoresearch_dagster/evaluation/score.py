"""From logits to nats, in our own process.  The only module of the package that imports torch."""

import numpy as np
import numpy.typing as npt
import torch

from autoresearch_dagster.core.limits import MIN_LOGIT_ROOM
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
        if not bool((tile < torch.inf).all()):  # false for NaN too
            raise BadLogits("the model answered NaN or infinite logits")
        chosen = tile.gather(1, wanted[start : start + TILE, None]).squeeze(1)
        if not bool((chosen > MIN_LOGIT_ROOM).all()):
            raise BadLogits("the model gave a true next token probability zero")
        nats[start : start + TILE] = (torch.logsumexp(tile, dim=1) - chosen).double().numpy()
    return nats
