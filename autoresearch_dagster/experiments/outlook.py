"""How long a session will still take, from what its own trainings took."""

from datetime import datetime
from statistics import median

from autoresearch_dagster.experiments.estimate import rounds
from autoresearch_dagster.store.state import Experiment, SessionState


def time_left_s(state: SessionState, now: datetime, slots: int) -> float | None:
    """Estimate the wall seconds until the experiments of this launch are trained; None: nothing was trained yet.

    What a session thinks of next (confirmations, the model's own time) is not in it.
    """
    took = [found for one in state.everything.values() if (found := _took_s(one)) is not None]
    if not took:
        return None
    each, slots = median(took), max(1, min(slots, state.config.concurrency))
    running = [one for one in state.unfinished if one.started_at is not None]
    spent = sum(min(each, (now - one.started_at).total_seconds()) for one in running if one.started_at)
    under_way = max(0.0, each * len(state.unfinished) - spent) / slots
    return under_way + each * rounds(state.remaining, state.config.batch_size, slots)


def _took_s(experiment: Experiment) -> float | None:
    begun, ended = experiment.started_at, experiment.finished_at
    if begun is None or ended is None or experiment.result is None or not experiment.result.accepted:
        return None
    return (ended - begun).total_seconds()
