"""The champions of a session as versions of one registered model; the alias `champion` names the one that reigns.

Each version holds train.py, config, receipt and, where they could be converted, the weights.  An agent wrote all of
it: the description of each version says that it is untrusted.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import RESOURCE_DOES_NOT_EXIST, ErrorCode
from mlflow.tracking import MlflowClient

from autoresearch_dagster.core.experiment import ExperimentKey, canonical_json, digest_of
from autoresearch_dagster.core.figures import bpb, exact
from autoresearch_dagster.reports.markdown import code, inside_code
from autoresearch_dagster.store.projections import Projections
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.store.store import Store
from autoresearch_dagster.tracking import describe
from autoresearch_dagster.tracking.files import log_files
from autoresearch_dagster.tracking.shown import Shown

ALIAS = "champion"
FOLDER = "champion"
"""Folder of a run's files that is the source of its model version."""
WEIGHTS_FILE = "model.safetensors"
UNTRUSTED = (
    "**This code is untrusted**: an agent wrote it, and nobody has to have read it. Run it only sealed: "
    '`autoresearch generate {key} "prompt"`.'
)
NOT_YET = "they are not converted yet"


@dataclass(frozen=True, slots=True)
class Weights:
    """What became of a champion's weights: a file, or why there is none."""

    file: Path | None = None
    digest: str = ""
    why_not: str = NOT_YET


class Registry:
    """Writes the versions of one session's champions."""

    def __init__(self, client: MlflowClient, store: Store, state: SessionState) -> None:
        self._client, self._store, self._state = client, store, state
        self._known = Projections(store.engine)
        self._name = model_name(state.config.memory_key)

    def write(self, shown: Shown, weights: Mapping[ExperimentKey, Weights]) -> None:
        """Bring the versions and the alias up to date; nothing is asked for a session without champions."""
        if not self._state.reigns:
            return
        model = self._model()
        versions = self._versions()
        for number, (key, since) in enumerate(self._state.reigns, start=1):
            known = versions.get(self._subject(key))
            run_id = shown.run_of(key)
            if run_id:
                versions[self._subject(key)] = self._write(key, since, number, run_id, weights, known)
        reigning = versions.get(self._subject(self._state.reigns[-1][0]))
        if reigning is not None and str(model.aliases.get(ALIAS, "")) != str(reigning.version):
            self._client.set_registered_model_alias(self._name, ALIAS, str(reigning.version))

    def forget(self) -> None:
        """Delete the versions of this session; the model stays, with versions of other journals perhaps."""
        if not self._state.reigns:
            return
        for version in self._versions().values():
            self._client.delete_model_version(self._name, str(version.version))
        self._known.forget([self._subject(key) for key, _since in self._state.reigns])

    def _write(
        self,
        key: ExperimentKey,
        since: datetime,
        number: int,
        run_id: str,
        weights: Mapping[ExperimentKey, Weights],
        known: ModelVersion | None,
    ) -> ModelVersion:
        item, found = self._state.experiments[key], weights.get(key, Weights())
        tags = self._tags(item, number, found)
        description = describe_version(self._state, item, since, found)
        content = digest_of(canonical_json([run_id, tags, description]))
        if known is not None and self._known.get(self._subject(key)) == (str(known.version), content):
            return known
        log_files(self._client, run_id, self._files(item, found), FOLDER)
        if known is None:
            source = f"{self._client.get_run(run_id).info.artifact_uri}/{FOLDER}"
            known = self._client.create_model_version(
                self._name, source, run_id, tags=tags, description=description, await_creation_for=0
            )
        else:
            self._client.update_model_version(self._name, str(known.version), description)
            for name, text in tags.items():
                if known.tags.get(name) != text:
                    self._client.set_model_version_tag(self._name, str(known.version), name, text)
        self._known.put(self._subject(key), str(known.version), content)
        return known

    def _tags(self, item: Experiment, number: int, weights: Weights) -> dict[str, str]:
        planned, result = item.planned, item.result
        score = result.val_bpb if result is not None else None
        found = {
            "subject": describe.subject(self._state, self._subject(planned.key)),
            "session": self._state.id,
            "key": planned.key,
            "title": planned.title,
            "reign": str(number),
            "val_bpb": exact(score, ""),
            "receipt": (result.receipt if result is not None else None) or "",
            "candidate": planned.candidate,
            "checkpoint": (result.checkpoint if result is not None else None) or "",
            "bundle": self._state.bundle,
            "weights": weights.digest or f"none: {weights.why_not}",
            "untrusted": "true",
        }
        return {describe.TAG + name: text for name, text in found.items() if text}

    def _files(self, item: Experiment, weights: Weights) -> dict[str, bytes | Path]:
        blobs, result = self._store.blobs, item.result
        config = item.planned.config.model_dump(mode="json")
        found: dict[str, bytes | Path] = {
            "train.py": blobs.get(item.planned.train_py),
            "config.json": json.dumps(config, indent=2).encode(),
        }
        if result is not None and result.receipt is not None:
            found["receipt.json"] = blobs.get(result.receipt)
        if weights.file is not None:
            found[WEIGHTS_FILE] = weights.file
        return found

    def _model(self) -> RegisteredModel:
        try:
            return self._client.get_registered_model(self._name)
        except MlflowException as fault:
            if fault.error_code != ErrorCode.Name(RESOURCE_DOES_NOT_EXIST):
                raise
        key = self._state.config.memory_key
        untrusted = UNTRUSTED.format(key=inside_code(key))
        said = f"Champions of the research {code(key)}, one version for each reign. {untrusted}"
        tags = {describe.TAG + "memory_key": key, describe.TAG + "untrusted": "true"}
        return self._client.create_registered_model(self._name, tags, said)

    def _versions(self) -> dict[str, ModelVersion]:
        """Return this session's versions by subject: their tag finds them after a crash, too."""
        begun = f" {self._state.started_at.isoformat()}"
        found = self._client.search_model_versions(f"name = '{self._name}'")
        tagged = {str(version.tags.get(describe.TAG + "subject", "")): version for version in found}
        return {name.removesuffix(begun): version for name, version in tagged.items() if name.endswith(begun)}

    @staticmethod
    def _subject(key: ExperimentKey) -> str:
        return f"reign of {key}"


def model_name(memory_key: str) -> str:
    """Return the name of the registered model of a research: its memory key, where MLflow takes that."""
    plain = re.sub(r"[^\w. -]", "_", memory_key)
    if plain == memory_key and plain.strip(". ") == plain:
        return plain
    return f"{plain.strip('. ')}-{digest_of(memory_key.encode())[:8]}"


def describe_version(state: SessionState, item: Experiment, since: datetime, weights: Weights) -> str:
    """Say what a version is, and that its code is untrusted."""
    score = item.result.val_bpb if item.result is not None else None
    told = f", val_bpb {bpb(score)}" if score is not None else ""
    key = item.planned.key
    parts = [
        f"{key} {code(item.planned.title)}{told}: champion since {since:%Y-%m-%d %H:%M} UTC.",
        UNTRUSTED.format(key=key),
        f"`{WEIGHTS_FILE}` holds the weights; reading it runs nothing. train.py defines the model."
        if weights.file is not None
        else f"It has no weights: {code(weights.why_not)}.",
    ]
    return "\n\n".join(parts)
