"""Train a recorded experiment once more, for information: its own receipt, never the score of record."""

import dataclasses
import difflib
from collections.abc import Callable

from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import CurvePoint, ExperimentKey, ExperimentResult, Label
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import NO_SLOT
from autoresearch_dagster.experiments.outside import outside_key, run_outside
from autoresearch_dagster.experiments.scoring import attempt_of
from autoresearch_dagster.experiments.session import laboratory_of
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.store.store import Store, open_store
from autoresearch_dagster.training.job import OnProgress


def _silent(_point: CurvePoint | None, _used_s: float, _left_s: float) -> None:
    """Nobody watches."""


def reproduce(
    settings: Settings,
    key: str,
    report: Report,
    on_progress: OnProgress = _silent,
    on_stage: Callable[[str], None] | None = None,
) -> tuple[ExperimentResult, ExperimentResult]:
    """Return the recorded result of an experiment and that of training it again.

    Nothing is written to the journal.  Every call has a key of its own, so that two at once share no container
    and no folder.

    Raises:
        UserError: no session has an experiment of that key with a result, or its bundle is not here any more.
    """
    state, experiment, recorded = find_experiment(open_store(settings), key)
    lab = laboratory_of(state, settings, report)
    if lab.bundle.digest != state.bundle:
        raise UserError(
            f"{key} was trained on the bundle {state.bundle[:16]}, and source {state.config.source} gives "
            f"{lab.bundle.digest[:16]} on this machine now; a comparison would mean nothing, restore that bundle."
        )
    planned = experiment.planned.model_copy(update={"key": outside_key(key)})
    attempt = attempt_of(state, planned, lab, 1, NO_SLOT, len(lab.slots()))
    attempt = dataclasses.replace(attempt, labels=(Label.REPRODUCTION,))
    again = run_outside(planned, lab, attempt, on_progress, on_stage or report)
    return recorded, again


def find_experiment(store: Store, key: str) -> tuple[SessionState, Experiment, ExperimentResult]:
    """Find a finished experiment by its key, in an archived session too.

    Raises:
        UserError: no session has an experiment of that key with a result.
    """
    known: list[str] = []
    for session in store.journal.sessions():
        state = store.journal.state(session)
        known += state.everything
        experiment = state.everything.get(ExperimentKey(key))
        if experiment is None:
            continue
        if experiment.result is None:
            raise UserError(f"{key} has no result yet; wait until `autoresearch leaderboard` shows one.")
        return state, experiment, experiment.result
    near = difflib.get_close_matches(key, known)
    hint = f"did you mean {' or '.join(near)}?" if near else "`autoresearch leaderboard` lists them."
    raise UserError(f"No experiment has the key {key!r}; {hint}")
