"""Whether research gets on: batches in a row without a gain."""

from collections.abc import Sequence

from autoresearch_dagster.core import limits
from autoresearch_dagster.store.leaderboard import score
from autoresearch_dagster.store.state import Experiment, SessionState


def plateau_of(state: SessionState) -> int:
    """Return how many finished batches in a row brought no gain, up to now; a batch is what one turn launched.

    A gain is a candidate that was confirmed against the champion.  A session without a noise floor confirms
    nothing: there it is a score that is lower than all before by more than PLATEAU_GAIN; the first score counts.
    """
    without = 0
    best: float | None = None
    for batch in _finished_batches(state):
        scores = [value for one in batch if (value := score(one)) is not None]
        gained = _beats(scores, best) if state.floor is None else any(_confirmed(state, one) for one in batch)
        without = 0 if gained else without + 1
        before = [] if best is None else [best]
        best = min([*scores, *before], default=None)
    return without


def _finished_batches(state: SessionState) -> list[list[Experiment]]:
    """Return the experiments of each turn that launched some, where nothing of it is under way."""
    found: list[list[Experiment]] = []
    for number, turn in enumerate(state.turns, start=1):
        batch = [one for one in state.experiments.values() if one.turn == turn.number]
        over = turn.finished is not None or number < len(state.turns)
        if batch and over and all(one.result is not None and not one.undecided for one in batch):
            found.append(batch)
    return found


def _confirmed(state: SessionState, experiment: Experiment) -> bool:
    reigned = any(key == experiment.planned.key for key, _ in state.reigns)
    decided = experiment.promotion is not None and experiment.promotion.outcome in ("confirmed", "champion")
    return reigned or (decided and not experiment.refused)


def _beats(scores: Sequence[float], best: float | None) -> bool:
    return bool(scores) and (best is None or min(scores) < best - limits.PLATEAU_GAIN)
