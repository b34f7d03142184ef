"""Hypotheses beside what was measured, as the page shows them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from autoresearch_dagster.agent.hypotheses.calibration import Scored
from autoresearch_dagster.agent.hypotheses.effects import Effect
from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.core.figures import NONE, change
from autoresearch_dagster.reports.page.markup import short
from autoresearch_dagster.store.state import SessionState

TRUTH = {True: "right", False: "wrong", None: NONE}


@dataclass(frozen=True, slots=True)
class Prediction:
    """One claim and what came of it.  Units: bpb, negative is better."""

    key: ExperimentKey
    title: str
    axes: tuple[str, ...]
    claim: str
    expected: str
    predicted: str
    predicted_bpb: float | None
    measured_bpb: float
    direction: str
    size: str
    kept: bool
    refuted: bool
    """A direction was foretold, and another came, beyond the noise."""
    unclear: bool
    """What was measured may be luck."""

    @property
    def measured(self) -> str:
        """The change as it was measured."""
        return change(self.measured_bpb)


def predictions(state: SessionState, scores: Mapping[ExperimentKey, Scored]) -> Iterator[Prediction]:
    """Tell each decided candidate that had a hypothesis, in planned order."""
    for key, scored in scores.items():
        decision = state.experiments[key].decision
        unclear = decision is not None and decision.outcome == "within_noise"
        yield Prediction(
            key=key,
            title=short(scored.title),
            axes=tuple(sorted(axis.value.replace("_", " ") for axis in scored.axes)),
            claim=short(scored.claim.hypothesis),
            expected=short(scored.claim.expected_effect),
            predicted=told(scored.predicted),
            predicted_bpb=scored.predicted.middle_bpb,
            measured_bpb=scored.measured_bpb,
            direction=TRUTH[scored.direction_right],
            size=TRUTH[scored.within],
            kept=scored.kept,
            refuted=scored.direction_right is False and not scored.kept and not unclear,
            unclear=unclear,
        )


def told(effect: Effect) -> str:
    """Write what was understood of a predicted effect."""
    if effect.low is None and effect.high is None:
        return effect.direction or "no change in bpb stated"
    if effect.low == effect.high:
        return change(effect.low)
    ends = (
        change(effect.low) if effect.low is not None else "",
        change(effect.high) if effect.high is not None else "",
    )
    return " to ".join(ends) if all(ends) else f"{ends[0]} or more" if ends[0] else f"{ends[1]} or less"
