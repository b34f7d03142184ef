"""From receipts to what is compared: the nats of one candidate's trainings, by document."""

from collections.abc import Sequence

import numpy as np
from pydantic import ValidationError

from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.core.experiment import Digest, ExperimentResult
from autoresearch_dagster.evaluation.clusters import Arm, arm
from autoresearch_dagster.evaluation.receipt import Receipt
from autoresearch_dagster.evaluation.rows import choose_rows, rows_digest
from autoresearch_dagster.experiments.laboratory import Laboratory


def receipt_at(lab: Laboratory, digest: Digest) -> Receipt | None:
    """Read a receipt; None where an evaluator of another version wrote it.

    Raises:
        StoreUnavailable: it is missing or damaged.
    """
    try:
        return Receipt.model_validate_json(lab.store.blobs.get(digest))
    except ValidationError:
        return None


def arm_of(results: Sequence[ExperimentResult], lab: Laboratory) -> Arm:
    """Sum up trainings of one candidate that were scored on the same rows.

    Raises:
        EvaluationFault: one has no receipt of this evaluator, or they were scored on other rows.
        StoreUnavailable: a receipt or its nats are missing or damaged.
    """
    receipts = [receipt_at(lab, result.receipt) for result in results if result.receipt is not None]
    found = [receipt for receipt in receipts if receipt is not None]
    if len(found) != len(results) or not found:
        raise EvaluationFault("A training has no receipt of this evaluator; start a session of another memory_key.")
    rows = choose_rows(lab.bundle, found[0].rows, found[0].n_rows)
    if {receipt.rows_digest for receipt in found} != {rows_digest(rows)}:
        raise EvaluationFault("Trainings were scored on other rows than this bundle has; restore that bundle.")
    nats = [
        np.load(lab.store.blobs.require(receipt.nats_per_target), allow_pickle=False).astype(np.float64)
        for receipt in found
    ]
    n_bytes = lab.bundle.token_bytes("seed")[rows.tokens[:, 1:]]
    return arm(nats, rows.documents, n_bytes)
