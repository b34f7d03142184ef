"""From nats to a figure with its error, and from audits to a verdict.  Pure functions."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.data.layout import Rows
from autoresearch_dagster.evaluation.cuts import Kind
from autoresearch_dagster.evaluation.receipt import AuditRecord, Rowset, ScoreRecord, Stratum
from autoresearch_dagster.evaluation.rows import rows_digest

Floats = npt.NDArray[np.float64]
LN2 = math.log(2)


def score_record(
    rowset: Rowset,
    rows: Rows,
    nats: Floats,
    seed_bytes: npt.NDArray[np.integer],
    exact_bytes: npt.NDArray[np.integer],
) -> ScoreRecord:
    """Add up nats and bytes.

    Shapes: nats [n, T], zero at special targets; bytes of each target likewise.
    """
    from autoresearch_dagster.evaluation.clusters import arm  # scipy: only where scores are made
    from autoresearch_dagster.evaluation.paired import score_interval

    total, n_exact = float(nats.sum()), int(exact_bytes.sum())
    found = score_interval(arm([nats], rows.documents, seed_bytes))
    return ScoreRecord(
        rows=rowset,
        rows_digest=rows_digest(rows),
        n_rows=len(nats),
        n_targets=nats.size,
        n_documents=found.n_documents,
        nats=total,
        bytes_seed=int(seed_bytes.sum()),
        bytes_exact=n_exact,
        val_bpb=found.val_bpb,
        val_bpb_exact=total / (LN2 * n_exact),
        standard_error=found.standard_error_bpb,
        interval=(found.low_bpb, found.high_bpb),
    )


@dataclass(frozen=True, slots=True)
class Audits:
    """What A and B answered at every cut.

    Shapes: kinds and each array [K].  Units: nats; `deviation` is the largest difference of log-probability over
    the vocabulary, `signed` A's minus B's log-probability of the true token (positive: A knew more), `counted`
    whether that token has bytes, so that its nats are part of the score.
    """

    kinds: list[Kind]
    deviation: Floats
    signed: Floats
    counted: npt.NDArray[np.bool_]

    @classmethod
    def together(cls, rounds: "Sequence[Audits]") -> "Audits":
        """Put the audits of several rounds into one."""
        return cls(
            kinds=[kind for found in rounds for kind in found.kinds],
            deviation=np.concatenate([found.deviation for found in rounds]),
            signed=np.concatenate([found.signed for found in rounds]),
            counted=np.concatenate([found.counted for found in rounds]),
        )


def audit_record(audits: Audits, tolerance: float, score: ScoreRecord, *, reference: bool) -> AuditRecord:
    """Count mismatches and lean, and correct the score by what B says at uniform cuts."""
    wrong = audits.deviation > tolerance
    strata = {
        kind.value: Stratum(
            audits=sum(k is kind for k in audits.kinds), mismatches=_count(audits.kinds, kind, wrong)
        )
        for kind in Kind
    }
    uniform = np.array([kind is Kind.UNIFORM for kind in audits.kinds])
    lost, lost_error = _mean(np.where(audits.counted, audits.signed, 0.0)[uniform])
    per_target = score.n_rows * (score.n_targets // score.n_rows - 1) / (LN2 * score.bytes_seed)
    mean, error = _mean(audits.signed)
    return AuditRecord(
        audits=len(audits.kinds),
        mismatches=int(wrong.sum()),
        strata=strata,
        tolerance=tolerance,
        max_deviation=float(audits.deviation.max(initial=0.0)),
        signed_mean=mean,
        signed_error=error,
        corrected_bpb=score.val_bpb + lost * per_target,
        corrected_error=lost_error * per_target,
        reference=reference,
    )


def _count(kinds: list[Kind], kind: Kind, wrong: npt.NDArray[np.bool_]) -> int:
    return sum(bool(bad) for found, bad in zip(kinds, wrong, strict=True) if found is kind)


def _mean(values: Floats) -> tuple[float, float]:
    """Return mean and standard error; 0 for fewer than two."""
    if len(values) < 2:
        return float(values.sum()), 0.0
    return float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))


def rejection(audit: AuditRecord) -> str:
    """Say why a score is rejected, in one sentence that holds nothing of a row, or ''."""
    if audit.mismatches:
        where = ", ".join(f"{name} {s.mismatches} of {s.audits}" for name, s in audit.strata.items() if s.audits)
        return (
            f"{audit.mismatches} of {audit.audits} audited answers are not those of a fresh process that could not "
            f"see the following tokens ({where}): the model looks ahead, remembers rows, or is not deterministic."
        )
    if audit.audits > 1 and abs(audit.signed_mean) > lim.SIGNED_TEST_ERRORS * audit.signed_error:
        return (
            f"Its answers lean towards the true next token by {audit.signed_mean:.1e} nats "
            f"(standard error {audit.signed_error:.1e}), which a fresh process does not repeat."
        )
    return ""
