"""Train a recorded experiment once more, for information: its own receipt, never the score of record."""

import uuid

from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import CurvePoint, ExperimentKey, ExperimentResult, Label
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.laboratory import experiment_lease
from autoresearch_dagster.experiments.run_one import Attempt, run_planned
from autoresearch_dagster.experiments.session import laboratory_of
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.store.store import Store, open_store


def _silent(_point: CurvePoint | None, _used_s: float, _left_s: float) -> None:
    """Nobody watches."""


def reproduce(settings: Settings, key: str, report: Report) -> tuple[Experiment, ExperimentResult]:
    """Return a recorded experiment and the result of training it again.

    The journal is only read.  Each reproduction has a key of its own, so that several run side by side.

    Raises:
        UserError: no session has an experiment of that key with a result.
    """
    store = open_store(settings)
    state, experiment = _finished(store, key)
    lab = laboratory_of(state, settings, report)
    again = ExperimentKey(f"x{key}_{uuid.uuid4().hex[:8]}")
    planned = experiment.planned.model_copy(update={"key": again})
    owner = this_process()
    report(f"{key} {planned.title}: trained again as {again}; {lab.runner_note}")
    with (
        store.leases.hold(experiment_lease(again), owner),
        store.slots.slot(owner, lambda: False) as core,
    ):
        attempt = Attempt(number=1, core=core, labels=(Label.REPRODUCTION,))
        return experiment, run_planned(planned, lab, attempt, _silent, report, lambda: False)


def _finished(store: Store, key: str) -> tuple[SessionState, Experiment]:
    for session in store.journal.sessions():
        state = store.journal.state(session)
        experiment = state.experiments.get(ExperimentKey(key))
        if experiment is None:
            continue
        if experiment.result is None:
            raise UserError(f"The experiment {key} has no result yet; reproduce it when it has one.")
        return state, experiment
    raise UserError(f"No experiment has the key {key!r}; `autoresearch leaderboard` lists them.")
