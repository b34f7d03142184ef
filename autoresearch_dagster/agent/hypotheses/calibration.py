"""How well predictions came true: for each candidate its hypothesis beside what was measured, and for each axis."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from autoresearch_dagster.agent.axes.judge import Axis
from autoresearch_dagster.agent.hypotheses.effects import Effect, parse_effect
from autoresearch_dagster.agent.rules import edit_rules
from autoresearch_dagster.agent.rules.plateau import confirmed
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import ExperimentKey, title_key
from autoresearch_dagster.core.figures import change
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.leaderboard import score
from autoresearch_dagster.store.state import Edit, Experiment, SessionState

Claim = tuple[ev.HypothesisRecorded, datetime]
"""A hypothesis and when it was written."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One decided candidate: what was predicted, and what came.

    Units: bpb, negative is better.  `direction_right` is None where no direction was predicted, `within` where no
    size was; both allow for the noise.  `kept`: it was confirmed against the champion.
    """

    title: str
    axes: frozenset[Axis]
    predicted: Effect
    measured_bpb: float
    direction_right: bool | None
    within: bool | None
    kept: bool
    claim: ev.HypothesisRecorded
    """The hypothesis itself."""


@dataclass(frozen=True, slots=True)
class AxisCalibration:
    """The candidates of one axis; one that touches two axes counts for both.

    `n` candidates, of which `directed` predicted a direction and `direction_right` the right one.  Means in bpb:
    the predicted one over those that gave a size (None: nobody did), the measured one over all.
    """

    axis: Axis
    n: int
    directed: int
    direction_right: int
    mean_predicted_bpb: float | None
    mean_measured_bpb: float
    kept: int


def calibration(state: SessionState) -> list[AxisCalibration]:
    """Return how predictions came true on each axis that was tried, the most tried first."""
    return by_axis(list(scores_by_key(state).values()))


def by_axis(scored: Sequence[Scored]) -> list[AxisCalibration]:
    """Sum candidates up by axis, the most tried first."""
    found = [_of_axis(axis, [one for one in scored if axis in one.axes]) for axis in Axis]
    return sorted((row for row in found if row is not None), key=lambda row: -row.n)


def scores_by_key(state: SessionState) -> dict[ExperimentKey, Scored]:
    """Return every decided candidate that has a hypothesis and something to be compared with, in planned order."""
    claims: dict[str, list[Claim]] = {}
    for claim, at in state.hypotheses:
        claims.setdefault(title_key(claim.title), []).append((claim, at))
    edits = {one.saved.revision_key: one for one in reversed(state.edits)}
    found: dict[ExperimentKey, Scored] = {}
    for key, experiment in state.experiments.items():
        title = title_key(experiment.planned.title)
        edit = edits.get(experiment.planned.revision_key)
        scored = _scored(state, experiment, _before(experiment, claims.get(title, ())), edit)
        if scored is not None:
            found[key] = scored
    return found


def hypothesis_of(state: SessionState, experiment: Experiment) -> ev.HypothesisRecorded | None:
    """Return the last claim for a title from before it was planned: what is written afterwards predicts nothing."""
    wanted = title_key(experiment.planned.title)
    return _before(experiment, [one for one in state.hypotheses if title_key(one[0].title) == wanted])


def _before(experiment: Experiment, claims: Sequence[Claim]) -> ev.HypothesisRecorded | None:
    return next((claim for claim, at in reversed(claims) if at <= experiment.planned_at), None)


def table(rows: Sequence[AxisCalibration]) -> str:
    """Return the calibration as Markdown; '' where nothing was scored."""
    if not rows:
        return ""
    lines = [
        "| axis | tried | direction right | mean predicted bpb | mean measured bpb | kept |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for row in rows:
        predicted = change(row.mean_predicted_bpb)
        right = f"{row.direction_right} of {row.directed}" if row.directed else "–"
        lines.append(
            f"| {row.axis.value} | {row.n} | {right} | {predicted} | {change(row.mean_measured_bpb)} | {row.kept} |"
        )
    return "\n".join(lines)


def _of_axis(axis: Axis, scored: Sequence[Scored]) -> AxisCalibration | None:
    if not scored:
        return None
    sizes = [one.predicted.middle_bpb for one in scored if one.predicted.middle_bpb is not None]
    return AxisCalibration(
        axis=axis,
        n=len(scored),
        directed=sum(one.direction_right is not None for one in scored),
        direction_right=sum(one.direction_right is True for one in scored),
        mean_predicted_bpb=sum(sizes) / len(sizes) if sizes else None,
        mean_measured_bpb=sum(one.measured_bpb for one in scored) / len(scored),
        kept=sum(one.kept for one in scored),
    )


def _scored(
    state: SessionState, experiment: Experiment, claim: ev.HypothesisRecorded | None, edit: Edit | None
) -> Scored | None:
    value = score(experiment)
    if claim is None or value is None or experiment.undecided:
        return None
    reference = _reference(state, experiment)
    decision = experiment.decision
    if decision is None and reference is None:
        return None
    measured = -decision.gain_bpb if decision is not None else value - (reference or 0.0)
    noise = experiment.screening.noise_bpb if experiment.screening is not None else limits.PLATEAU_GAIN
    same = decision.outcome == "within_noise" if decision is not None else abs(measured) <= noise
    predicted = parse_effect(claim.expected_effect, relative_to=reference)
    came = "same" if same else "better" if measured < 0 else "worse"
    return Scored(
        title=experiment.planned.title,
        axes=edit_rules.axes_of_edit(edit) if edit else frozenset(),
        predicted=predicted,
        measured_bpb=measured,
        direction_right=None if predicted.direction is None else predicted.direction == came,
        within=_within(predicted, measured, noise),
        kept=_kept(state, experiment, came),
        claim=claim,
    )


def _within(predicted: Effect, measured: float, noise: float) -> bool | None:
    if predicted.low is None and predicted.high is None:
        return None
    above = predicted.low is None or measured >= predicted.low - noise
    return above and (predicted.high is None or measured <= predicted.high + noise)


def _kept(state: SessionState, experiment: Experiment, came: str) -> bool:
    """Whether it was confirmed; a session without a noise floor confirms nothing and keeps what is better."""
    if state.floor is None:
        return came == "better"
    return confirmed(state, experiment)


def _reference(state: SessionState, experiment: Experiment) -> float | None:
    """Return the score to beat when an experiment was planned: champion, baseline or, without a floor, the best."""
    at = experiment.planned_at
    champions = [key for key, since in state.reigns if since <= at]
    if champions:
        return score(state.experiments[champions[-1]])
    if state.floor is not None:
        return state.floor.floor.scores_bpb[0]
    before = [one for one in state.experiments.values() if one.finished_at is not None and one.finished_at <= at]
    return min((value for one in before if (value := score(one)) is not None), default=None)
