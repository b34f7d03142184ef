"""Compares two experiments on the rows and seeds that both were scored on."""

import io

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue, ValidationError

from autoresearch_dagster.agent import history
from autoresearch_dagster.agent.tools.signatures import BlobStore, ToolContext
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import EvaluationFault, StoreUnavailable
from autoresearch_dagster.core.experiment import Digest, Purpose
from autoresearch_dagster.evaluation.receipt import Receipt
from autoresearch_dagster.store.state import Experiment, SessionState

_Scored = dict[tuple[Digest, int], Receipt]
"""Receipts of one candidate, by the rows and the seed."""


def compare_experiments(ctx: ToolContext, title_a: str, title_b: str, memory_key: str = "") -> JsonValue:
    """Two experiments side by side; delta_val_bpb is a minus b, so negative means that a is better.

    paired is the 95 % interval of a minus b over the rows and seeds that both share, or null with a note.  With one
    seed it speaks of these two trained models only, not of what another seed would give.
    """
    a, b = history.latest_run(ctx.state, title_a), history.latest_run(ctx.state, title_b)
    missing: list[JsonValue] = [
        title[: limits.TITLE_SHOWN_CHARS] for title, run in ((title_a, a), (title_b, b)) if run is None
    ]
    score_a, score_b = history.score(a) if a else None, history.score(b) if b else None
    paired = "These titles have not been run; run them first."
    if a is not None and b is not None:
        paired = "No interval: at least one of them has no score."
    if a is not None and b is not None and score_a is not None and score_b is not None:
        paired = _paired(ctx, a, b)
    return {
        "a": history.experiment_row(a) if a else None,
        "b": history.experiment_row(b) if b else None,
        "delta_val_bpb": None if score_a is None or score_b is None else score_a - score_b,
        "paired": None if isinstance(paired, str) else paired,
        "missing": missing,
        "note": paired if isinstance(paired, str) else None,
    }


def _paired(ctx: ToolContext, a: Experiment, b: Experiment) -> history.Row | str:
    """Return the interval, or why there is none."""
    try:
        one, other = _receipts(ctx.state, ctx.blobs, a), _receipts(ctx.state, ctx.blobs, b)
        rows, seeds = _shared(one, other)
        if not seeds:
            return "No interval: they were not scored on the same rows at the same seed."
        return _interval(
            _nats_by_row(ctx.blobs, [one[rows, seed] for seed in seeds]),
            _nats_by_row(ctx.blobs, [other[rows, seed] for seed in seeds]),
            one[rows, seeds[0]],
            seeds,
        )
    except StoreUnavailable:
        return "No interval: their nats are no longer kept."
    except EvaluationFault as fault:
        return f"No interval: {fault}"


def _receipts(state: SessionState, blobs: BlobStore, run: Experiment) -> _Scored:
    """Find a candidate's own receipt and those of its confirmations; other evaluators' cannot be compared."""
    again = (one for one in state.trainings.values() if one.planned.trains == run.planned.key)
    found: _Scored = {}
    for one in [run, *(one for one in again if one.planned.purpose is Purpose.CONFIRMATION)]:
        if one.result is None or not one.result.accepted or one.result.receipt is None:
            continue
        try:
            receipt = Receipt.model_validate_json(blobs.get(one.result.receipt))
        except ValidationError:
            continue
        found[receipt.rows_digest, receipt.config.seed] = receipt
    return found


def _shared(one: _Scored, other: _Scored) -> tuple[Digest, list[int]]:
    """Return the rows on which both were scored at most seeds, and those seeds; of equals, the first rows."""
    seeds: dict[Digest, list[int]] = {}
    for rows, seed in one:
        if (rows, seed) in other and one[rows, seed].evaluator_version == other[rows, seed].evaluator_version:
            seeds.setdefault(rows, []).append(seed)
    return max(seeds.items(), key=lambda item: len(item[1]), default=(Digest(""), list[int]()))


def _nats_by_row(blobs: BlobStore, receipts: list[Receipt]) -> npt.NDArray[np.float64]:
    """Sum the nats of each row, [n_seeds, n_rows]."""
    sums: list[npt.NDArray[np.float64]] = []
    for receipt in receipts:
        nats = np.load(io.BytesIO(blobs.get(receipt.nats_per_target)), allow_pickle=False)
        sums.append(nats.astype(np.float64).sum(axis=1))
    return np.stack(sums)


def _interval(
    a: npt.NDArray[np.float64], b: npt.NDArray[np.float64], scored: Receipt, seeds: list[int]
) -> history.Row:
    """Compare row by row: rows have as many targets each, and their bytes are taken as equal, too.

    The platform's own decisions go by documents and their true bytes, of which the journal keeps no tables.  A row
    is the coarser unit: it holds several documents, and what they have in common is counted as luck, too.

    Raises:
        EvaluationFault: there are too few rows, or their numbers differ.
    """
    from autoresearch_dagster.evaluation.clusters import Arm
    from autoresearch_dagster.evaluation.paired import paired_difference  # scipy: only where scores are compared

    if a.shape != b.shape:
        raise EvaluationFault("Their nats have different shapes; score both again.")
    n_rows = a.shape[1]
    n_bytes, numbers = np.full(n_rows, scored.bytes_seed / n_rows), np.arange(n_rows)
    found = paired_difference(Arm(b, n_bytes, numbers), Arm(a, n_bytes, numbers))
    return {
        "delta_bpb": found.difference_bpb,
        "low_bpb": found.low_bpb,
        "high_bpb": found.high_bpb,
        "level": limits.INTERVAL_LEVEL,
        "rows": scored.rows,
        "n_rows": n_rows,
        "seeds": list(seeds),
    }
