"""Nats and bytes by document, and how much of a score is the luck of which documents were drawn.

Targets of one document are alike, so the document is the unit of sampling, wherever its targets stand: one row,
several, or none in between.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.core.judgement import Component


@dataclass(frozen=True, slots=True)
class Arm:
    """One candidate at one or more seeds on one set of rows, summed by document.

    Shapes: nats float64 [n_seeds, n_documents]; n_bytes float64 [n_documents]; documents int [n_documents],
    ascending.
    """

    nats: npt.NDArray[np.float64]
    n_bytes: npt.NDArray[np.float64]
    documents: npt.NDArray[np.integer]

    @property
    def n_seeds(self) -> int:
        """Trainings in this arm."""
        return len(self.nats)

    @property
    def scores(self) -> npt.NDArray[np.float64]:
        """Return val_bpb of every training, float64 [n_seeds]."""
        return self.nats.sum(axis=1) / (math.log(2) * self.n_bytes.sum())

    @property
    def identical(self) -> bool:
        """Whether several seeds gave one and the same result, document by document."""
        return self.n_seeds > 1 and bool((self.nats == self.nats[0]).all())


def arm(
    nats: Sequence[npt.NDArray[np.floating]],
    documents: npt.NDArray[np.integer],
    n_bytes: npt.NDArray[np.integer],
) -> Arm:
    """Sum the nats of one candidate's trainings by document.

    Args:
        nats: of each seed, [n_rows, T]; zero at special tokens.
        documents: owner of each target, [n_rows, T].
        n_bytes: bytes of each target, [n_rows, T]; zero for special tokens.

    Raises:
        EvaluationFault: the arrays do not belong together, or hold what no evaluation gives.
    """
    if not nats or any(values.shape != documents.shape for values in nats) or n_bytes.shape != documents.shape:
        raise EvaluationFault(
            "Nats, documents and bytes have different shapes; compare trainings on the same rows."
        )
    if any(not np.isfinite(values).all() for values in nats) or (n_bytes < 0).any() or not n_bytes.any():
        raise EvaluationFault("A set of nats is not finite or has no bytes; delete that receipt and score again.")
    numbers, place = np.unique(documents, return_inverse=True)

    def by_document(values: npt.NDArray[np.number]) -> npt.NDArray[np.float64]:
        totals = np.bincount(place.ravel(), values.ravel().astype(np.float64), minlength=len(numbers))
        return totals.astype(np.float64)

    return Arm(np.stack([by_document(values) for values in nats]), by_document(n_bytes), numbers)


def document_component(nats: npt.NDArray[np.float64], n_bytes: npt.NDArray[np.float64]) -> Component:
    """Estimate the variance that the sample of documents gives to sum(nats) / (ln 2 · sum(bytes)).

    The delete-one-document jackknife of a ratio: it allows for long documents, which pull the ratio towards
    themselves, and errs on the side of more variance.  The degrees of freedom are those of the worst case, in
    which all targets of a document move together (residual ~ bytes): (sum b²)² / sum b⁴, less one; equal
    documents give their number less one.

    Shapes: nats, n_bytes float64 [n_documents]; nats may be differences of two models.
    Units: bpb².
    Source: Cochran, Sampling Techniques, 3rd ed. (1977), 6.17; MacKinnon, Nielsen, Webb, "Cluster-robust
    inference: a guide to empirical practice", J. Econometrics 232 (2023), CV3; Satterthwaite (1946).

    Raises:
        EvaluationFault: fewer than two documents carry weight.
    """
    total = n_bytes.sum()
    squares = n_bytes**2
    df = float(squares.sum() ** 2 / (squares**2).sum()) - 1
    if df < 1:
        raise EvaluationFault("The rows hold too few documents to judge a score by; score more rows.")
    residual = nats - n_bytes * (nats.sum() / total)
    deviations = residual / (math.log(2) * (total - n_bytes))
    count = np.count_nonzero(n_bytes)
    return Component(variance=float((count - 1) / count * (deviations**2).sum()), df=df)
