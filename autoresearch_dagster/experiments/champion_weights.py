"""The weights of a session's champions as safetensors, converted once for each checkpoint.

Research never waits for them and never fails with them: what cannot be converted now is told in a sentence, and
tried again by the next projection.  What is the candidate's fault is remembered, and not tried again.
"""

import tempfile
import zipfile
from pathlib import Path

from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.containers.protocol import Runner
from autoresearch_dagster.containers.select import select_runner
from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.core.experiment import Data, Digest, ExperimentKey
from autoresearch_dagster.core.folders import find_folders, remove_tree
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.evaluation.conversion import WEIGHTS, NotConverted, convert
from autoresearch_dagster.experiments.frozen import FrozenModel, frozen_model
from autoresearch_dagster.experiments.laboratory import KEY_LABEL, experiment_lease, scratch_prefix
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.projections import Projections
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.store.store import Store

WEIGHTS_BLOB, REASON_BLOB = "weights", "reason"
"""What the blob is that stands for a checkpoint: its weights, or the sentence why there are none."""


class ChampionWeights(Data):
    """What became of one champion's weights.

    `digest` names their blob; else `why_not` says why there are none, and `settled` that it will stay so.
    """

    key: ExperimentKey
    digest: Digest | None = None
    why_not: str = ""
    settled: bool = True


def champion_weights(settings: Settings, store: Store, state: SessionState) -> list[ChampionWeights]:
    """Return the weights of all champions of a session, converting those that are new.

    Once something is missing on this machine, the rest is left for the next time, too.
    """
    found: list[ChampionWeights] = []
    for key, _since in state.reigns:
        known = _known(store, state.experiments[key])
        missing = next((one for one in found if not one.settled), None)
        if known is None and missing is not None:
            known = missing.model_copy(update={"key": key})
        found.append(known or _converted(settings, store, state, state.experiments[key]))
    return found


def _subject(checkpoint: Digest) -> str:
    return f"weights of {checkpoint}"


def _known(store: Store, experiment: Experiment) -> ChampionWeights | None:
    key, checkpoint = experiment.planned.key, experiment.result.checkpoint if experiment.result else None
    row = Projections(store.engine).get(_subject(checkpoint)) if checkpoint else None
    if row is None or not store.blobs.has(Digest(row[1])):
        return None
    if row[0] == WEIGHTS_BLOB:
        return ChampionWeights(key=key, digest=Digest(row[1]))
    return ChampionWeights(key=key, why_not=store.blobs.get(Digest(row[1])).decode())


def _converted(settings: Settings, store: Store, state: SessionState, experiment: Experiment) -> ChampionWeights:
    key = experiment.planned.key
    job_key = ExperimentKey(f"weights_{key}")
    try:
        model = frozen_model(settings, store, state, experiment, job_key)
        if not zipfile.is_zipfile(model.job.checkpoint):  # looks at its end alone; torch would not take it either
            return _remembered(store, experiment, "the checkpoint is none that torch wrote", None)
        runner = _runner(settings, model)
        if isinstance(runner, str):
            return ChampionWeights(key=key, why_not=runner, settled=False)
        with (
            store.leases.hold(experiment_lease(job_key), this_process()),
            tempfile.TemporaryDirectory(prefix="ar-weights-") as folder,
        ):
            _sweep(settings, runner, job_key)
            target = Path(folder, WEIGHTS)
            failed = convert(model.job, _told(experiment), runner, target)
            return _remembered(store, experiment, failed.reason if isinstance(failed, NotConverted) else "", target)
    except (AutoresearchError, OSError) as fault:
        return ChampionWeights(key=key, why_not=str(fault).rstrip("."), settled=False)


def _sweep(settings: Settings, runner: Runner, job_key: ExperimentKey) -> None:
    """Remove what a dead process left of the same."""
    runner.reap({KEY_LABEL: job_key})
    for left in find_folders(scratch_prefix(settings, job_key)):
        remove_tree(left)


def _runner(settings: Settings, model: FrozenModel) -> Runner | str:
    """Return what the conversion runs in, or why nothing here may: it is no reason to build an image."""
    runner = select_runner(settings).runner
    if not (model.trusted or runner.capabilities.sandboxed or settings.allow_unsandboxed):
        return "code written by a model runs only in a sandbox, and there is none here"
    if isinstance(runner, DockerRunner) and not runner.has_image():
        return "the trainer image is not built here; `autoresearch image` builds it"
    runner.prepare(lambda _line: None)
    return runner


def _told(experiment: Experiment) -> dict[str, str]:
    """Return what the file says of itself; the digests name what it was made from."""
    planned, result = experiment.planned, experiment.result
    checkpoint = result.checkpoint if result is not None and result.checkpoint else ""
    return {"key": planned.key, "candidate": planned.candidate, "checkpoint": checkpoint}


def _remembered(store: Store, experiment: Experiment, reason: str, file: Path | None) -> ChampionWeights:
    result = experiment.result
    assert result is not None
    assert result.checkpoint is not None
    kind = WEIGHTS_BLOB if file is not None and not reason else REASON_BLOB
    digest = store.blobs.put_file(file) if file is not None and not reason else store.blobs.put(reason.encode())
    Projections(store.engine).put(_subject(result.checkpoint), kind, digest)
    key = experiment.planned.key
    return ChampionWeights(key=key, digest=digest) if not reason else ChampionWeights(key=key, why_not=reason)
