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

BASELINE = "baseline"
"""Title of the train.py that research starts from."""


class Row(Data):
    """One candidate.

    Units: bpb.  `delta_vs_best` is 0 for the lowest score, None without a score of record; `gain_bpb` is what it
    is better than the champion that it was last compared with, on the same rows and seeds; `judgement` is the
    sentence that explains its standing.
    """

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
    gain_bpb: float | None
    judgement: str
    error: str
    receipt: Digest | None
    planned_at: datetime


def leaderboard(state: SessionState) -> list[Row]:
    """Rank by val_bpb, lower first; experiments without a score of record follow in planned order."""
    items = list(state.experiments.values())
    return [row_of(items[place.index], place) for place in places([score(item) for item in items])]


@dataclass(frozen=True, slots=True)
class Leader:
    """What candidates are compared with; `experiment` is None for the baseline."""

    title: str
    val_bpb: float
    experiment: Experiment | None


def leader(state: SessionState) -> Leader | None:
    """Return the champion, or the baseline while nothing was confirmed against it.

    A session that has no noise floor (it is older than they are, or has only begun) has its lowest score instead.
    """
    champion = state.champion
    if champion is None and state.floor is not None:
        return Leader(BASELINE, state.floor.floor.scores_bpb[0], None)
    champion = champion or lowest(state)
    value = score(champion) if champion is not None else None
    return Leader(champion.planned.title, value, champion) if champion is not None and value is not None else None


def lowest(state: SessionState) -> Experiment | None:
    """Return the candidate with the lowest score of record, lucky or not; of equals, the one planned first."""
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
    decided = experiment.decision
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
        gain_bpb=decided.gain_bpb if decided else None,
        judgement=experiment.judgement,
        error=result.error if result else "",
        receipt=result.receipt if result else None,
        planned_at=experiment.planned_at,
    )
