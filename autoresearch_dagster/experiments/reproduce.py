"""Train a recorded experiment once more, for information: its own receipt, never the score of record."""

from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import CurvePoint, ExperimentKey, ExperimentResult, Label
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.run_one import Attempt, run_planned
from autoresearch_dagster.experiments.session import laboratory_of
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.store import open_store


def _silent(_point: CurvePoint | None, _used_s: float, _left_s: float) -> None:
    """Nobody watches."""


def reproduce(settings: Settings, key: str, report: Report) -> tuple[ExperimentResult, ExperimentResult]:
    """Return the recorded result of an experiment and that of training it again.

    Raises:
        UserError: no session has an experiment of that key with a result.
    """
    store = open_store(settings)
    for session in store.journal.sessions():
        state = store.journal.state(session)
        experiment = state.experiments.get(ExperimentKey(key))
        if experiment is not None and experiment.result is not None:
            break
    else:
        raise UserError(f"No finished experiment has the key {key!r}; `autoresearch leaderboard` lists them.")
    lab = laboratory_of(state, settings, report)
    planned = experiment.planned.model_copy(update={"key": ExperimentKey(f"x{key}")})
    with store.slots.slot(this_process(), lambda: False) as core:
        attempt = Attempt(number=1, core=core, labels=(Label.REPRODUCTION,))
        again = run_planned(planned, lab, attempt, _silent, report, lambda: False)
    return experiment.result, again
