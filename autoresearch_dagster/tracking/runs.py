"""The runs of a session: one for itself, and below it one for each training that has a result."""

import json
from collections.abc import Mapping
from datetime import datetime

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric
from mlflow.tracking import MlflowClient

from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult, canonical_json, digest_of
from autoresearch_dagster.reports.climbed import gain_figures
from autoresearch_dagster.reports.markdown import indented
from autoresearch_dagster.store.curves import UNREADABLE, Curve, kept_curve
from autoresearch_dagster.store.leaderboard import leader
from autoresearch_dagster.store.projections import Projections
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.store.store import Store
from autoresearch_dagster.tracking import describe
from autoresearch_dagster.tracking.batches import log_all, milliseconds
from autoresearch_dagster.tracking.files import files_of, log_files
from autoresearch_dagster.tracking.shown import Shown

VIEW = 2
"""Version of what is shown of one and the same result; a newer one writes every run again, once."""
STATUS = {"active": "RUNNING", "paused": "SCHEDULED", "finished": "FINISHED"}
DIGEST_CHARS = 16  # of a dataset's digest; MLflow takes 36


class Runs:
    """Writes the runs of one session into one MLflow experiment."""

    def __init__(
        self, client: MlflowClient, store: Store, state: SessionState, experiment: str, shown: Shown, baseline: str
    ) -> None:
        self._client, self._store, self._state = client, store, state
        self._experiment, self._shown, self._baseline = experiment, shown, baseline
        self._known = Projections(store.engine)
        self._parents: Mapping[ExperimentKey, ExperimentKey] = describe.parent_keys(state)

    def write(self) -> tuple[str, int]:
        """Bring all of them up to date; return the session's own run, and how many were written."""
        session_run, written = self._session()
        for item in self._state.everything.values():
            if item.result is not None:
                written += self._training(item, item.result, session_run)
        return session_run, written

    def _session(self) -> tuple[str, int]:
        state = self._state
        top = leader(state)
        tags = {
            describe.TAG + "subject": describe.subject(state, state.id),
            describe.TAG + "session": state.id,
            describe.TAG + "status": state.status,
            describe.TAG + "bundle": state.bundle,
            describe.TAG + "best_title": top.title if top else "",
            describe.TAG + "champion": state.reigns[-1][0] if state.reigns else "",
            "mlflow.runName": f"session {state.id} {state.config.memory_key}",
            "mlflow.note.content": indented(state.summary),
        }
        last = milliseconds(state.ended_at or state.updated_at or state.started_at)
        summed = describe.floor_metrics(state) | gain_figures(state) | describe.cost_metrics(state)
        reigns = describe.reigns(state)
        figures = [
            *(Metric("best_val_bpb", score, milliseconds(at), count) for at, count, score in reigns),
            *(Metric(name, value, last, 0) for name, value in summed.items()),
        ]
        run_id = self._shown.run_of(state.id)
        content = _content([tags, [[item.key, item.step, item.value] for item in figures]])
        if self._shown.is_current(state.id, content):
            return run_id, 0
        made = not run_id
        run_id = run_id or self._create(state.id, state.started_at, tags)
        log_all(self._client, run_id, figures, self._new_parameters(run_id), None if made else tags)
        if state.status == "finished":
            self._client.set_terminated(run_id, STATUS[state.status], end_time=last)
        else:
            self._client.update_run(run_id, status=STATUS[state.status])
        self._known.put(state.id, run_id, content)
        return run_id, 1

    def _new_parameters(self, run_id: str) -> dict[str, str]:
        """Parameters that the run lacks; MLflow lets none change, and a resumed session has other ones."""
        known = self._client.get_run(run_id).data.params
        config = self._state.config.model_dump(mode="json")
        return {name: str(value) for name, value in config.items() if name not in known and value is not None}

    def _training(self, item: Experiment, result: ExperimentResult, session_run: str) -> int:
        key = item.planned.key
        parent = self._parents.get(key)
        fork_run = self._shown.run_of(parent) if parent else ""
        tags = describe.tags(self._state, item, session_run, fork_run, self._parents)
        content = _content([tags, result.model_dump(mode="json")])
        if self._shown.is_current(key, content):
            return 0
        # Not among the tags that say whether a run is current: it follows from the code, and takes reading it.
        findings = describe.review_against_parent(self._state, item, self._store.blobs, self._baseline)
        files = files_of(self._state, item, findings, self._store.blobs, self._baseline)
        tags[describe.TAG + "review"] = str(len(findings))
        curve = kept_curve(result, self._store.blobs.get)
        if curve is None:
            tags[describe.TAG + "curve"] = UNREADABLE
        figures, params = _metrics(item, result, curve or ()), describe.parameters(item)
        # A run that was left half written is written again: MLflow keeps one of what is equal.
        run_id = self._shown.run_of(key)
        made = not run_id
        run_id = run_id or self._create(key, item.started_at or item.planned_at, tags)
        log_all(self._client, run_id, figures, params, None if made else tags)
        self._client.log_inputs(run_id, datasets_of(self._state, files.get("receipt.json")))
        log_files(self._client, run_id, files)
        ended = "FINISHED" if result.accepted else "FAILED"
        self._client.set_terminated(run_id, ended, end_time=milliseconds(item.finished_at or item.planned_at))
        self._known.put(key, run_id, content)
        return 1

    def _create(self, subject: str, at: datetime, tags: dict[str, str]) -> str:
        """Make a run with all its tags: they cost nothing there, and by one of them it is found again."""
        name = tags["mlflow.runName"]
        run = self._client.create_run(self._experiment, start_time=milliseconds(at), tags=tags, run_name=name)
        self._shown.put(subject, run.info.run_id)
        return run.info.run_id


def _metrics(item: Experiment, result: ExperimentResult, curve: Curve) -> list[Metric]:
    begun = milliseconds(item.started_at or item.planned_at)
    ended = milliseconds(item.finished_at or item.planned_at)
    figures = [Metric(name, value, ended, 0) for name, value in describe.metrics(item, result).items()]
    losses = [Metric("train_loss", point.loss, begun + int(point.elapsed_s * 1000), point.step) for point in curve]
    return [*figures, *losses]


def _content(shown: object) -> str:
    return digest_of(canonical_json([VIEW, shown]))


def datasets_of(state: SessionState, receipt: bytes | None) -> list[DatasetInput]:
    """Return the rows that a training read, and those that its score is of."""
    config = state.config
    source = json.dumps({"source": config.source, "num_shards": config.num_shards})
    found = [_dataset(f"{config.source} packed rows", state.bundle, source, "training")]
    told = json.loads(receipt) if receipt else {}
    if told.get("rows_digest"):
        name = f"{config.source} {told.get('rows')} rows"
        found.append(_dataset(name, str(told["rows_digest"]), source, "validation"))
    return found


def _dataset(name: str, digest: str, source: str, context: str) -> DatasetInput:
    dataset = Dataset(name=name, digest=digest[:DIGEST_CHARS], source_type="local", source=source)
    return DatasetInput(dataset, [InputTag("mlflow.data.context", context)])
