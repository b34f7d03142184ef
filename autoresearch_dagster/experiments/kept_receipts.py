"""Whether every score of record still rests on the receipt that the evaluator wrote."""

from collections.abc import Iterator

from pydantic import ValidationError

from autoresearch_dagster.core.errors import StoreUnavailable
from autoresearch_dagster.evaluation.receipt import Receipt
from autoresearch_dagster.store.blobs import Blobs
from autoresearch_dagster.store.state import Experiment, SessionState


def receipt_problems(state: SessionState, blobs: Blobs) -> Iterator[str]:
    """Say of each experiment with a score of record what is wrong with its receipt; nothing where all is well."""
    for experiment in state.everything.values():
        if problem := _problem(experiment, blobs):
            yield f"{experiment.planned.key}: {problem}"


def scores_of_record(state: SessionState) -> int:
    """Count the experiments that have one."""
    return sum(one.result is not None and one.result.accepted for one in state.everything.values())


def _problem(experiment: Experiment, blobs: Blobs) -> str:
    result, planned = experiment.result, experiment.planned
    if result is None or not result.accepted:
        return ""
    if result.receipt is None:
        return "it has a score and no receipt"
    try:
        receipt = Receipt.model_validate_json(blobs.get(result.receipt))
    except StoreUnavailable as fault:
        return f"its receipt cannot be read: {fault}"
    except ValidationError:
        return "its receipt is of another version of the evaluator"
    if receipt.train_py != planned.train_py:
        return "its receipt is of another train.py"
    if receipt.val_bpb != result.val_bpb:
        return f"its receipt says {receipt.val_bpb} and the journal {result.val_bpb}"
    return ""
