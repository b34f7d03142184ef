"""The leaderboard: a session's experiments, ranked."""

from datetime import datetime

from autoresearch_dagster.core.experiment import (
    Data,
    Digest,
    ExperimentKey,
    Label,
    Outcome,
    Standing,
    Verdict,
)
from autoresearch_dagster.store.state import Experiment, SessionState


class Row(Data):
    """One experiment; `delta_vs_best` is in bpb, 0 for the best, None without a score of record."""

    rank: int
    key: ExperimentKey
    title: str
    val_bpb: float | None
    val_bpb_exact: float | None
    outcome: Outcome | None
    verdict: Verdict
    standing: Standing | None
    labels: tuple[Label, ...]
    steps: int | None
    n_params: int | None
    model_name: str
    parent_title: str | None
    duration_sec: float
    delta_vs_best: float | None
    error: str
    receipt: Digest | None
    planned_at: datetime


def leaderboard(state: SessionState) -> list[Row]:
    """Rank by val_bpb, lower first; experiments without a score of record follow in planned order."""
    scored = [item for item in state.experiments.values() if item.result is not None and item.result.accepted]
    scored.sort(key=_score)
    others = [item for item in state.experiments.values() if item.result is None or not item.result.accepted]
    top = _score(scored[0]) if scored else None
    return [_row(rank, item, top) for rank, item in enumerate([*scored, *others], start=1)]


def best(state: SessionState) -> Row | None:
    """Return the first row if it has a score of record."""
    rows = leaderboard(state)
    return rows[0] if rows and rows[0].delta_vs_best is not None else None


def _score(experiment: Experiment) -> float:
    result = experiment.result
    if result is None or result.val_bpb is None:
        raise ValueError("Only experiments with a score of record are ranked by it.")
    return result.val_bpb


def _row(rank: int, experiment: Experiment, top: float | None) -> Row:
    planned, result = experiment.planned, experiment.result
    accepted = result is not None and result.accepted
    claims = result.claims if result else None
    return Row(
        rank=rank,
        key=planned.key,
        title=planned.title,
        val_bpb=result.val_bpb if result and accepted else None,
        val_bpb_exact=result.val_bpb_exact if result and accepted else None,
        outcome=result.outcome if result else None,
        verdict=result.verdict if result else Verdict.UNAUDITED,
        standing=result.standing if result else None,
        labels=result.labels if result else (),
        steps=claims.steps if claims else None,
        n_params=claims.n_params if claims else None,
        model_name=claims.model_name if claims else "",
        parent_title=planned.parent_title,
        duration_sec=result.duration_sec if result else 0.0,
        delta_vs_best=_score(experiment) - top if accepted and top is not None else None,
        error=result.error if result else "",
        receipt=result.receipt if result else None,
        planned_at=experiment.planned_at,
    )
