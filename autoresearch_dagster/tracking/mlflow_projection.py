"""The projector: brings MLflow to what the journal says.  Running it twice changes nothing."""

import json
import logging
import os
import tempfile
from datetime import datetime
from pathlib import Path

from mlflow.entities import (
    Dataset,
    DatasetInput,
    InputTag,
    Metric,
    Param,
    RunTag,
)
from mlflow.entities import (
    Experiment as MlflowExperiment,
)
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from autoresearch_dagster.core.experiment import canonical_json, digest_of
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store.leaderboard import best
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.projections import Projections
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.store.store import Store
from autoresearch_dagster.tracking import describe

LEASE = "mlflow"
STATUS = {"active": "RUNNING", "paused": "SCHEDULED", "finished": "FINISHED"}


def _ms(at: datetime) -> int:
    return int(at.timestamp() * 1000)


class Projector:
    """Projects sessions into one MLflow database; one projector at a time, by a lease."""

    def __init__(self, settings: Settings, store: Store, baseline: str) -> None:
        """Use `mlruns/mlflow.db`; `baseline` is the train.py that diffs without a parent are taken against."""
        root = settings.mlruns.resolve()
        (root / "artifacts").mkdir(parents=True, exist_ok=True)
        for name in ("mlflow", "alembic"):
            logging.getLogger(name).setLevel(logging.ERROR)
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
        self._client = MlflowClient(tracking_uri=f"sqlite:///{root / 'mlflow.db'}")
        self._artifacts = root / "artifacts"
        self._store = store
        self._known = Projections(store.engine)
        self._baseline = baseline

    def project(self, session: str) -> int:
        """Bring a session up to date; return how many runs were written.

        Raises:
            StoreConflict: another projector is at work.
            MlflowException: the tracking store refused.
        """
        with self._store.leases.hold(LEASE, this_process()):
            state = self._store.journal.state(session)
            experiment = self._experiment(state)
            parent, written = self._session_run(state, experiment)
            for item in state.experiments.values():
                if item.result is not None:
                    written += self._experiment_run(state, item, experiment, parent)
            return written

    def _experiment(self, state: SessionState) -> str:
        name = state.config.memory_key
        found: MlflowExperiment | None = self._client.get_experiment_by_name(name)
        if found is not None:
            return found.experiment_id
        location = (self._artifacts / state.id).as_uri()
        return self._client.create_experiment(name, artifact_location=location)

    def _run_of(self, subject: str, experiment: str, content: str) -> tuple[str, bool]:
        """Return (run id or '', whether it shows `content` already)."""
        known = self._known.get(subject)
        if known is not None and self._exists(known[0]):
            return known[0], known[1] == content
        # A crash between creating a run and remembering it leaves a run that only its tag names.
        found = self._client.search_runs([experiment], f"tags.`{describe.TAG}subject` = '{subject}'")
        return (found[0].info.run_id, False) if found else ("", False)

    def _exists(self, run_id: str) -> bool:
        try:
            return self._client.get_run(run_id).info.lifecycle_stage == "active"
        except MlflowException:
            return False

    def _session_run(self, state: SessionState, experiment: str) -> tuple[str, int]:
        top = best(state)
        tags = {
            describe.TAG + "subject": state.id,
            describe.TAG + "status": state.status,
            describe.TAG + "bundle": state.bundle,
            describe.TAG + "best_title": top.title if top else "",
            "mlflow.runName": f"session {state.id} {state.config.memory_key}",
            "mlflow.note.content": state.summary,
        }
        figures = {"best_val_bpb": top.val_bpb} if top and top.val_bpb is not None else {}
        content = digest_of(canonical_json([tags, figures]))
        run_id, current = self._run_of(state.id, experiment, content)
        if current:
            return run_id, 0
        if not run_id:
            run_id = self._create(experiment, state.started_at, tags)
            config = state.config.model_dump(mode="json")
            params = [Param(name, str(value)) for name, value in config.items()]
            self._client.log_batch(run_id, params=params)
        stamp = _ms(state.started_at)
        self._client.log_batch(
            run_id,
            metrics=[Metric(name, value, stamp, len(state.experiments)) for name, value in figures.items()],
            tags=[RunTag(name, value) for name, value in tags.items()],
        )
        self._client.set_terminated(run_id, STATUS[state.status], end_time=stamp)
        self._known.put(state.id, run_id, content)
        return run_id, 1

    def _experiment_run(self, state: SessionState, item: Experiment, experiment: str, parent: str) -> int:
        result = item.result
        if result is None:
            return 0
        key = item.planned.key
        tags = {**describe.tags(state, item, parent), describe.TAG + "subject": key}
        content = digest_of(canonical_json([tags, result.model_dump(mode="json")]))
        run_id, current = self._run_of(key, experiment, content)
        if current:
            return 0
        if run_id:  # half written: a run is written whole or again
            self._client.delete_run(run_id)
        run_id = self._create(experiment, item.planned_at, tags)
        self._fill(run_id, state, item)
        ended = "FINISHED" if result.accepted else "FAILED"
        self._client.set_terminated(run_id, ended, end_time=_ms(item.finished_at or item.planned_at))
        self._known.put(key, run_id, content)
        return 1

    def _create(self, experiment: str, at: datetime, tags: dict[str, str]) -> str:
        run = self._client.create_run(experiment, start_time=_ms(at), tags=tags, run_name=tags["mlflow.runName"])
        return run.info.run_id

    def _fill(self, run_id: str, state: SessionState, item: Experiment) -> None:
        result = item.result
        if result is None:
            return
        begun, ended = _ms(item.planned_at), _ms(item.finished_at or item.planned_at)
        figures = [Metric(name, value, ended, 0) for name, value in describe.metrics(result).items()]
        curve = [
            Metric("train_loss", point.loss, begun + int(point.elapsed_s * 1000), point.step)
            for point in describe.curve(result, self._store.blobs)
        ]
        params = [Param(name, value) for name, value in describe.parameters(item).items()]
        self._client.log_batch(run_id, metrics=[*figures, *curve], params=params)
        self._client.log_inputs(run_id, [self._dataset(state)])
        self._log_files(run_id, state, item)

    def _dataset(self, state: SessionState) -> DatasetInput:
        dataset = Dataset(
            name=f"{state.config.source} packed rows",
            digest=state.bundle[:16],
            source_type="local",
            source=json.dumps({"source": state.config.source, "num_shards": state.config.num_shards}),
        )
        return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])

    def _log_files(self, run_id: str, state: SessionState, item: Experiment) -> None:
        blobs, result = self._store.blobs, item.result
        with tempfile.TemporaryDirectory(prefix="ar-mlflow-") as name:
            folder = Path(name)
            (folder / "train.py").write_bytes(blobs.get(item.planned.train_py))
            diff = describe.diff_against_parent(state, item, blobs, self._baseline)
            (folder / "train.py.diff").write_text(diff, encoding="utf-8")
            if result is not None and result.receipt is not None:
                (folder / "receipt.json").write_bytes(blobs.get(result.receipt))
            if result is not None and result.log_tail:
                (folder / "log_tail.txt").write_text(result.log_tail, encoding="utf-8")
            self._client.log_artifacts(run_id, str(folder))
