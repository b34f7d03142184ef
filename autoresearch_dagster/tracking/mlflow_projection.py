"""The projector: brings MLflow to what the journal says.  Running it twice changes nothing."""

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from mlflow.entities import Experiment as MlflowExperiment, Metric
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import (
    INVALID_PARAMETER_VALUE,
    INVALID_STATE,
    RESOURCE_DOES_NOT_EXIST,
    ErrorCode,
)
from mlflow.tracing.client import TracingClient
from mlflow.tracking import MlflowClient

from autoresearch_dagster.core.experiment import ExperimentKey, digest_of
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.projections import Projections
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store
from autoresearch_dagster.tracking.batches import log_all, milliseconds
from autoresearch_dagster.tracking.files import log_files
from autoresearch_dagster.tracking.pages import KIND
from autoresearch_dagster.tracking.registry import Registry, Weights
from autoresearch_dagster.tracking.runs import Runs
from autoresearch_dagster.tracking.shown import Shown
from autoresearch_dagster.tracking.traces import Traces
from autoresearch_dagster.tracking.turns import TurnShown

LEASE = "mlflow"
GONE = tuple(map(ErrorCode.Name, (RESOURCE_DOES_NOT_EXIST, INVALID_PARAMETER_VALUE, INVALID_STATE)))
"""What MLflow says of a run that somebody deleted: then every run of the session is looked at."""
REPORT = "report.html"


class Projector:
    """Projects sessions into one MLflow database; one projector at a time, by a lease."""

    def __init__(self, settings: Settings, store: Store, baseline: str) -> None:
        """Use `mlruns/mlflow.db`; `baseline` is the train.py that diffs without a parent are taken against."""
        root = settings.mlruns.resolve()
        (root / "artifacts").mkdir(parents=True, exist_ok=True)
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        address = f"sqlite:///{root / 'mlflow.db'}"
        self._client = MlflowClient(tracking_uri=address)
        self._tracing = TracingClient(address)
        self._artifacts = root / "artifacts"
        self._store = store
        self._known = Projections(store.engine)
        self._baseline = baseline

    def project(
        self,
        session: str,
        *,
        thorough: bool = False,
        report: Callable[[], Path] | None = None,
        weights: Mapping[ExperimentKey, Weights] | None = None,
    ) -> int:
        """Bring a session up to date; return how many runs were written.

        Args:
            session: its id.
            thorough: look at every run of the session in MLflow, so that one that was deleted there comes back.
            report: writes the session's report and says where it is; it becomes a file of the session's run.
            weights: what became of the weights of its champions; one that is not named has none yet.

        Raises:
            StoreConflict: another projector is at work.
            MlflowException: the tracking store refused.
        """
        with self._store.leases.hold(LEASE, this_process()):
            state = self._store.journal.state(session)
            experiment = self._experiment(state)
            try:
                return self._project(state, experiment, report, weights or {}, thorough=thorough)
            except MlflowException as fault:
                if thorough or fault.error_code not in GONE:
                    raise
                return self._project(state, experiment, report, weights or {}, thorough=True)

    def _project(
        self,
        state: SessionState,
        experiment: str,
        report: Callable[[], Path] | None,
        weights: Mapping[ExperimentKey, Weights],
        *,
        thorough: bool,
    ) -> int:
        shown = Shown(self._client, self._known, state, experiment, thorough=thorough)
        session_run, written = Runs(self._client, self._store, state, experiment, shown, self._baseline).write()
        self._log_turns(session_run, Traces(self._tracing, self._store, state, experiment).write(session_run))
        Registry(self._client, self._store, state).write(shown, weights)
        if report is not None:
            self._log_report(state, session_run, report())
        return written

    def forget(self, session: str) -> int:
        """Mark the runs that show a session as deleted; return how many.  The next `project` makes new ones.

        Its traces and the versions of its champions are deleted.  Cut short anywhere it can be called again: a run
        is either deleted, or still shown and found.

        Raises:
            StoreConflict: another projector is at work.
            MlflowException: the tracking store refused.
        """
        with self._store.leases.hold(LEASE, this_process()):
            state = self._store.journal.state(session)
            experiment = self._experiment(state)
            shown = Shown(self._client, self._known, state, experiment, thorough=True).everything()
            Registry(self._client, self._store, state).forget()
            Traces(self._tracing, self._store, state, experiment).forget()
            for run_id in shown.values():
                self._client.delete_run(run_id)
            self._known.forget([state.id, *state.everything])
            return len(shown)

    def _experiment(self, state: SessionState) -> str:
        name = state.config.memory_key
        found: MlflowExperiment | None = self._client.get_experiment_by_name(name)
        if found is None:
            location = (self._artifacts / state.id).as_uri()
            return self._client.create_experiment(name, artifact_location=location, tags=KIND)
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return found.experiment_id

    def _log_turns(self, session_run: str, news: list[TurnShown]) -> None:
        """Log what each finished turn cost; a turn that asked no model has no point."""
        points = [
            Metric("usd_of_turn", float(turn.usd), milliseconds(turn.root.ended), turn.number)
            for turn in news
            if turn.finished and turn.root.ended is not None and turn.read_tokens
        ]
        log_all(self._client, session_run, points)

    def _log_report(self, state: SessionState, session_run: str, path: Path) -> None:
        subject, content = f"report of {state.id}", digest_of(path.read_bytes())
        if self._known.get(subject) != (session_run, content):
            log_files(self._client, session_run, {REPORT: path})
            self._known.put(subject, session_run, content)
