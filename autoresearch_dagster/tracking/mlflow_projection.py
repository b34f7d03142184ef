"""The projector: brings MLflow to what the journal says.  Running it twice changes nothing."""

import json
import logging
import tempfile
from datetime import datetime
from pathlib import Path

from mlflow.entities import (
    Dataset,
    DatasetInput,
    Experiment as MlflowExperiment,
    InputTag,
    Metric,
    Param,
    RunTag,
)
from mlflow.tracking import MlflowClient

from autoresearch_dagster.core.experiment import canonical_json, digest_of
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.evaluation.review import Finding
from autoresearch_dagster.reports.review import review_markdown
from autoresearch_dagster.store.leaderboard import leader
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.projections import Projections
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.store.store import Store
from autoresearch_dagster.tracking import describe

LEASE = "mlflow"
SEARCH_RUNS = 1000  # of one page of a search
STATUS = {"active": "RUNNING", "paused": "SCHEDULED", "finished": "FINISHED"}


def _run_tags(tags: dict[str, str]) -> list[RunTag]:
    return [RunTag(name, value) for name, value in tags.items()]


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
            shown = self._shown(state, experiment)
            parent, written = self._session_run(state, experiment, shown)
            for item in state.everything.values():
                if item.result is not None:
                    written += self._experiment_run(state, item, experiment, parent, shown)
            return written

    def forget(self, session: str) -> int:
        """Mark the runs that show a session as deleted; return how many.  The next `project` makes new ones.

        Cut short anywhere it can be called again: a run is either deleted, or still shown and found.

        Raises:
            StoreConflict: another projector is at work.
            MlflowException: the tracking store refused.
        """
        with self._store.leases.hold(LEASE, this_process()):
            state = self._store.journal.state(session)
            shown = self._shown(state, self._experiment(state))
            for run_id in shown.values():
                self._client.delete_run(run_id)
            self._known.forget([state.id, *state.everything])
            return len(shown)

    def _experiment(self, state: SessionState) -> str:
        name = state.config.memory_key
        found: MlflowExperiment | None = self._client.get_experiment_by_name(name)
        if found is None:
            location = (self._artifacts / state.id).as_uri()
            return self._client.create_experiment(name, artifact_location=location)
        if found.lifecycle_stage == "deleted":
            self._client.restore_experiment(found.experiment_id)
        return found.experiment_id

    def _shown(self, state: SessionState, experiment: str) -> dict[str, str]:
        """Return the run of each subject of a session.

        MLflow is asked, not only our table: a crash between creating a run and remembering it leaves a run
        that only its tag names, and a database that was deleted leaves ids that name nothing.
        """
        begun = state.started_at.isoformat()
        filter_string = f"tags.`{describe.TAG}subject` LIKE '% {begun}'"
        shown: dict[str, str] = {}
        token: str | None = None
        while True:
            page = self._client.search_runs([experiment], filter_string, max_results=SEARCH_RUNS, page_token=token)
            for run in page:
                shown[run.data.tags[describe.TAG + "subject"].removesuffix(f" {begun}")] = run.info.run_id
            token = page.token
            if not token:
                return shown

    def _is_current(self, name: str, run_id: str, content: str) -> bool:
        return bool(run_id) and self._known.get(name) == (run_id, content)

    def _session_run(self, state: SessionState, experiment: str, shown: dict[str, str]) -> tuple[str, int]:
        top = leader(state)
        tags = {
            describe.TAG + "subject": describe.subject(state, state.id),
            describe.TAG + "status": state.status,
            describe.TAG + "bundle": state.bundle,
            describe.TAG + "best_title": top.title if top else "",
            "mlflow.runName": f"session {state.id} {state.config.memory_key}",
            "mlflow.note.content": state.summary,
        }
        last = _ms(state.updated_at or state.started_at)
        figures = [
            *(Metric("best_val_bpb", score, _ms(at), count) for at, count, score in describe.reigns(state)),
            *(Metric(name, value, last, 0) for name, value in describe.floor_metrics(state).items()),
        ]
        run_id = shown.get(state.id, "")
        content = digest_of(canonical_json([tags, [[item.key, item.step, item.value] for item in figures]]))
        if self._is_current(state.id, run_id, content):
            return run_id, 0
        run_id = run_id or self._create(experiment, state.started_at, tags)
        self._client.log_batch(run_id, metrics=figures, tags=_run_tags(tags), params=self._new(run_id, state))
        if state.status == "finished":
            ended = state.updated_at or state.started_at
            self._client.set_terminated(run_id, STATUS[state.status], end_time=_ms(ended))
        else:
            self._client.update_run(run_id, status=STATUS[state.status])
        self._known.put(state.id, run_id, content)
        return run_id, 1

    def _new(self, run_id: str, state: SessionState) -> list[Param]:
        """Parameters that the run lacks; MLflow lets none change, and a resumed session has other ones."""
        known = self._client.get_run(run_id).data.params
        config = state.config.model_dump(mode="json")
        return [Param(name, str(value)) for name, value in config.items() if name not in known]

    def _experiment_run(
        self, state: SessionState, item: Experiment, experiment: str, parent: str, shown: dict[str, str]
    ) -> int:
        result = item.result
        if result is None:
            return 0
        key = item.planned.key
        tags = describe.tags(state, item, parent, shown.get(describe.parent_key(state, item) or "", ""))
        content = digest_of(canonical_json([tags, result.model_dump(mode="json")]))
        run_id = shown.get(key, "")
        if self._is_current(key, run_id, content):
            return 0
        # A run that was left half written is written again: MLflow keeps one of what is equal.
        run_id = shown[key] = run_id or self._create(experiment, item.started_at or item.planned_at, tags)
        self._fill(run_id, state, item, tags)
        ended = "FINISHED" if result.accepted else "FAILED"
        self._client.set_terminated(run_id, ended, end_time=_ms(item.finished_at or item.planned_at))
        self._known.put(key, run_id, content)
        return 1

    def _create(self, experiment: str, at: datetime, tags: dict[str, str]) -> str:
        run = self._client.create_run(experiment, start_time=_ms(at), tags=tags, run_name=tags["mlflow.runName"])
        return run.info.run_id

    def _fill(self, run_id: str, state: SessionState, item: Experiment, tags: dict[str, str]) -> None:
        result = item.result
        if result is None:
            return
        begun, ended = _ms(item.started_at or item.planned_at), _ms(item.finished_at or item.planned_at)
        figures = [Metric(name, value, ended, 0) for name, value in describe.metrics(item, result).items()]
        curve = [
            Metric("train_loss", point.loss, begun + int(point.elapsed_s * 1000), point.step)
            for point in describe.curve(result, self._store.blobs)
        ]
        params = [Param(name, value) for name, value in describe.parameters(item).items()]
        # Not among the tags that say whether a run is current: it follows from the code, and takes reading it.
        findings = describe.review_against_parent(state, item, self._store.blobs, self._baseline)
        tags = {**tags, describe.TAG + "review": str(len(findings))}
        self._client.log_batch(run_id, metrics=[*figures, *curve], params=params, tags=_run_tags(tags))
        self._client.log_inputs(run_id, [self._dataset(state)])
        self._log_files(run_id, state, item, findings)

    def _dataset(self, state: SessionState) -> DatasetInput:
        dataset = Dataset(
            name=f"{state.config.source} packed rows",
            digest=state.bundle[:16],
            source_type="local",
            source=json.dumps({"source": state.config.source, "num_shards": state.config.num_shards}),
        )
        return DatasetInput(dataset, [InputTag("mlflow.data.context", "training")])

    def _log_files(self, run_id: str, state: SessionState, item: Experiment, findings: tuple[Finding, ...]) -> None:
        blobs, result = self._store.blobs, item.result
        with tempfile.TemporaryDirectory(prefix="ar-mlflow-") as name:
            folder = Path(name)
            (folder / "train.py").write_bytes(blobs.get(item.planned.train_py))
            diff = describe.diff_against_parent(state, item, blobs, self._baseline)
            (folder / "train.py.diff").write_text(diff, encoding="utf-8")
            if findings:
                (folder / "review.md").write_text(review_markdown(findings), encoding="utf-8")
            if result is not None and result.receipt is not None:
                (folder / "receipt.json").write_bytes(blobs.get(result.receipt))
            if result is not None and result.log_tail:
                (folder / "log_tail.txt").write_text(result.log_tail, encoding="utf-8")
            self._client.log_artifacts(run_id, str(folder))
