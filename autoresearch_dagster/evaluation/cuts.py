"""Where each row is cut for the audit, and what follows the cut instead of the truth.

A cut c keeps the tokens before place c; the answer at position c-1 predicts the hidden token at c.  One cut for
each row and each server: a second, longer one would show the token that the first hides.
"""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.evaluation.rows import Tokens


class Kind(StrEnum):
    """How a cut was chosen: a stratum of the audit."""

    UNIFORM = "uniform"
    GAIN = "gain"
    BOS = "bos"


def assign_kinds(rows: Tokens, bos: int, generator: np.random.Generator, *, reference: bool) -> list[Kind]:
    """Say how each row will be cut: half uniform, a quarter by gain, a quarter at a BOS target.

    A row without a BOS target is cut uniformly, and so are all that would be cut by gain where there is no
    champion to compare with.
    """
    n = len(rows)
    uniform = int(np.ceil(lim.AUDIT_UNIFORM_SHARE * n))
    gain = int(lim.AUDIT_GAIN_SHARE * n)
    kinds = [Kind.UNIFORM] * uniform + [Kind.GAIN] * gain + [Kind.BOS] * (n - uniform - gain)
    possible = {
        Kind.UNIFORM: np.ones(n, dtype=np.bool_),
        Kind.GAIN: np.full(n, reference),
        Kind.BOS: (rows[:, 1:-1] == bos).any(axis=1),
    }
    shuffled = [kinds[place] for place in generator.permutation(n)]
    return [kind if possible[kind][row] else Kind.UNIFORM for row, kind in enumerate(shuffled)]


def choose_cut(
    kind: Kind, row: Tokens, bos: int, gain: npt.NDArray[np.floating] | None, generator: np.random.Generator
) -> int:
    """Draw the cut of one row, 1 to T-1: the last target is in no server's input and needs no audit.

    Args:
        kind: how.
        row: tokens uint16 [T+1].
        bos: the token that begins a document.
        gain: champion's nats minus the candidate's, float [T]; None where there is no champion.
        generator: secret.
    """
    last = len(row) - 2
    if kind is Kind.BOS:
        return int(generator.choice(np.flatnonzero(row[1 : last + 1] == bos))) + 1
    if kind is Kind.GAIN and gain is not None:
        weights = np.maximum(gain[:last], 0.0)
        if weights.sum() > 0:
            return int(generator.choice(last, p=weights / weights.sum())) + 1
    return int(generator.integers(1, last + 1))


@dataclass(frozen=True, slots=True)
class Probes:
    """What server B is asked.

    Shapes: tokens uint16 [n, T+1], row i true before cuts[i] and a decoy from there; cuts int [n].
    """

    tokens: Tokens
    cuts: npt.NDArray[np.intp]


def make_probes(
    rows: Tokens, cuts: npt.NDArray[np.intp], decoys: Tokens, bos: int, generator: np.random.Generator
) -> Probes:
    """Replace what follows each cut by natural text of other documents.

    A quarter of the decoys begin with BOS; none begins with the true token at its cut.  Rows that stand together
    in a batch get different decoy rows.

    Raises:
        EvaluationFault: there are fewer decoy rows than a batch has rows, or none that fits.
    """
    size = lim.ANSWER_BATCH_ROWS
    if len(decoys) < size:
        raise EvaluationFault(
            f"The bundle has {counted(len(decoys), 'decoy row')} and {size} are needed; use a larger source."
        )
    hidden = rows[np.arange(len(rows)), cuts]
    with_bos = _with_bos(hidden != bos, generator)
    tokens = rows.copy()
    for start in range(0, len(rows), size):
        free = list(generator.permutation(len(decoys)))
        for at in range(start, min(start + size, len(rows))):
            tokens[at, cuts[at] :] = _decoy(free, decoys, cuts[at], hidden[at], bos, with_bos[at], generator)
    return Probes(tokens, cuts)


def _with_bos(allowed: npt.NDArray[np.bool_], generator: np.random.Generator) -> npt.NDArray[np.bool_]:
    wanted = int(np.ceil(lim.DECOY_BOS_SHARE * len(allowed)))
    chosen = generator.permutation(np.flatnonzero(allowed))[:wanted]
    found = np.zeros(len(allowed), dtype=np.bool_)
    found[chosen] = True
    return found


def _decoy(
    free: list[int],
    decoys: Tokens,
    cut: int,
    hidden: int,
    bos: int,
    with_bos: bool,
    generator: np.random.Generator,
) -> Tokens:
    """Take a decoy row out of `free` and return a stretch of it that is as long as what follows the cut."""
    length = decoys.shape[1] - cut
    for place, number in enumerate(free):
        row = decoys[number]
        begins = row[: cut + 1]
        fits = begins == bos if with_bos else (begins != bos) & (begins != hidden)
        if fits.any():
            del free[place]
            start = int(generator.choice(np.flatnonzero(fits)))
            return row[start : start + length]
    raise EvaluationFault("No decoy row has a stretch that fits a cut; use a larger source.")
