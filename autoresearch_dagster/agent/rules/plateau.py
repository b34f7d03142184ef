"""Whether research gets on: batches in a row without a gain."""

from collections.abc import Sequence

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import Label, Outcome
from autoresearch_dagster.store.leaderboard import score
from autoresearch_dagster.store.state import Experiment, SessionState


def plateau_of(state: SessionState) -> int:
    """Return how many finished batches in a row brought no gain, up to now; a batch is what one turn launched.

    A gain is a candidate that was confirmed against the champion.  A session without a noise floor confirms
    nothing: there it is a score that is lower than all before by more than PLATEAU_GAIN; the first score counts.
    """
    without = 0
    best: float | None = None
    left_out = {key for planned in state.confirmations for key in planned.left_out}
    for batch in _finished_batches(state):
        scores = [value for one in batch if (value := score(one)) is not None]
        gained = _beats(scores, best) if state.floor is None else any(confirmed(state, one) for one in batch)
        # A gain that the session could not afford to confirm is neither a gain nor a failure.
        if gained or not any(one.planned.key in left_out for one in batch):
            without = 0 if gained else without + 1
        before = [] if best is None else [best]
        best = min([*scores, *before], default=None)
    return without


def confirmed(state: SessionState, experiment: Experiment) -> bool:
    """Whether an experiment was confirmed against the champion of its time."""
    reigned = any(key == experiment.planned.key for key, _ in state.reigns)
    decided = experiment.promotion is not None and experiment.promotion.outcome in ("confirmed", "champion")
    return reigned or (decided and not experiment.refused)


def _finished_batches(state: SessionState) -> list[list[Experiment]]:
    """Return the experiments of each turn that launched some, where nothing of it is under way.

    A batch of which the platform lost or stopped everything says nothing of its ideas and is left out.
    """
    found: list[list[Experiment]] = []
    for number, turn in enumerate(state.turns, start=1):
        batch = [one for one in state.experiments.values() if one.turn == turn.number]
        over = turn.finished is not None or number < len(state.turns)
        decided = all(one.result is not None and not one.undecided for one in batch)
        if batch and over and decided and not all(_taken_away(one) for one in batch):
            found.append(batch)
    return found


def _taken_away(experiment: Experiment) -> bool:
    result = experiment.result
    if result is None or Label.EARLY_STOPPED in result.labels:
        return False
    return result.outcome in (Outcome.LOST, Outcome.STOPPED)


def _beats(scores: Sequence[float], best: float | None) -> bool:
    return bool(scores) and (best is None or min(scores) < best - limits.PLATEAU_GAIN)
