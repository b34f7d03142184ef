"""The leaderboard: a session's experiments, ranked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
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
    items = list(state.experiments.values())
    return [row_of(items[place.index], place) for place in places([score(item) for item in items])]


def best(state: SessionState) -> Row | None:
    """Return the first row if it has a score of record."""
    top = best_experiment(state)
    return row_of(top, Place(0, 1, 0.0)) if top is not None else None


def best_experiment(state: SessionState) -> Experiment | None:
    """Return the experiment that leads; of equals, the one that was planned first."""
    scored = ((value, item) for item in state.experiments.values() if (value := score(item)) is not None)
    return min(scored, key=lambda found: found[0], default=(0.0, None))[1]


def score(experiment: Experiment) -> float | None:
    """Return the score of record in bpb, if there is one."""
    result = experiment.result
    if result is None or result.val_bpb is None or not result.accepted:
        return None
    return result.val_bpb if math.isfinite(result.val_bpb) else None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an experiment stands: its index in planned order, its rank, its distance to the best in bpb."""

    index: int
    rank: int
    delta_vs_best: float | None


def places(scores: Sequence[float | None]) -> list[Place]:
    """Rank scores of record, given in planned order; the only place where the order is decided."""
    scored = sorted((value, index) for index, value in enumerate(scores) if value is not None)
    placed = [(index, value - scored[0][0]) for value, index in scored]
    others = [(index, None) for index, value in enumerate(scores) if value is None]
    return [Place(index, rank, delta) for rank, (index, delta) in enumerate([*placed, *others], start=1)]


def row_of(experiment: Experiment, place: Place) -> Row:
    """Return the row of an experiment at its place."""
    planned, result = experiment.planned, experiment.result
    accepted = result is not None and result.accepted
    claims = result.claims if result else None
    return Row(
        rank=place.rank,
        key=planned.key,
        title=planned.title,
        val_bpb=score(experiment),
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
        delta_vs_best=place.delta_vs_best,
        error=result.error if result else "",
        receipt=result.receipt if result else None,
        planned_at=experiment.planned_at,
    )
