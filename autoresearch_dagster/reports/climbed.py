"""The gain of a session's champion over its baseline: as figures, and in words."""

from typing import TYPE_CHECKING

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.figures import change, change_interval
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.store.state import SessionState

if TYPE_CHECKING:
    from autoresearch_dagster.evaluation.climb import Climb


def climbed(state: SessionState) -> "Climb | None":
    """Return how far the champion is from the baseline; None while the baseline is the best that is confirmed."""
    if not state.steps:
        return None
    from autoresearch_dagster.evaluation.climb import climb  # imports scipy: half a second

    return climb(state.steps)


def gain_figures(state: SessionState) -> dict[str, float]:
    """Return it in bpb, for a sink of numbers: zero while a measured baseline reigns, nothing before."""
    found = climbed(state)
    if found is None:
        return {"gain_over_baseline_bpb": 0.0} if state.floor is not None else {}
    return {
        "gain_over_baseline_bpb": found.gain_bpb,
        "gain_low_bpb": found.low_bpb,
        "gain_high_bpb": found.high_bpb,
        "assured_gain_bpb": found.assured_bpb,
    }


def how_sure(found: "Climb", n_seeds: int) -> str:
    """Say how sure it is; `n_seeds` are those of the confirmation, where there was one only."""
    steps = f"{found.n_steps} confirmed steps added up" if found.n_steps > 1 else counted(n_seeds, "fresh seed")
    certain = f"{100 * (1 - limits.SESSION_ERROR_RATE):.0f} %"
    return (
        f"95 %: {change_interval(found.low_bpb, found.high_bpb)}, from {steps}; "
        f"{change(found.assured_bpb)} or more, sure to {certain} over all that was tried"
    )


def climb_sentence(state: SessionState) -> str:
    """Say what several champions gained together; '' for one, whose own comparison says it."""
    found = climbed(state)
    if found is None or found.n_steps == 1:
        return ""
    return f"Over the baseline: {change(found.gain_bpb)} bpb ({how_sure(found, 0)})."
