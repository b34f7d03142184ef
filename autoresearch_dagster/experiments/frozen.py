"""The frozen model of an experiment, ready to be loaded in a sealed job: for its weights, or for text."""

from dataclasses import dataclass

from autoresearch_dagster.containers.protocol import JobLimits
from autoresearch_dagster.core.errors import BundleError, UserError
from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.core.limits import ANSWER_MEMORY_BYTES
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.data.build import find_bundle
from autoresearch_dagster.evaluation.job import EvaluationJob
from autoresearch_dagster.experiments.laboratory import KEY_LABEL, scratch_prefix
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.store.store import Store

SHORT = 12  # characters of a digest in a sentence


@dataclass(frozen=True, slots=True)
class FrozenModel:
    """A checkpoint with its code and its tokenizer; `trusted` as the session's own experiments were."""

    job: EvaluationJob
    trusted: bool


def frozen_model(
    settings: Settings, store: Store, state: SessionState, experiment: Experiment, job_key: ExperimentKey
) -> FrozenModel:
    """Find what a finished experiment left.

    It is loaded on a processor, without a slot of its own: some seconds, and none of them on anybody's clock.

    Args:
        settings: of this machine.
        store: the journal and its blobs.
        state: the session.
        experiment: one of its experiments.
        job_key: what the job and its folders are found by afterwards, if its driver dies; whoever runs it holds the
            lease of that name.

    Raises:
        UserError: it handed no model over, or its bundle is not on this machine.
        StoreUnavailable: its checkpoint is not kept any more; the text says why.
    """
    planned, result = experiment.planned, experiment.result
    if result is None or result.checkpoint is None:
        ended = f"it ended as {result.ending}" if result is not None else "it has no result yet"
        raise UserError(f"{planned.key} has no model: {ended}.")
    checkpoint = store.blobs.require(result.checkpoint)
    try:
        bundle = find_bundle(state.bundle, settings.bundles)
    except BundleError:
        raise UserError(
            f"{planned.key} was trained on the bundle {state.bundle[:SHORT]}, which is not in {settings.bundles}; "
            "its tokenizer is needed: copy bundles/ from where it was trained."
        ) from None
    job = EvaluationJob(
        key=job_key,
        checkpoint=checkpoint,
        train_py=store.blobs.get(planned.train_py),
        bundle=bundle,
        limits=JobLimits(max(result.memory_bytes, ANSWER_MEMORY_BYTES), Slot((settings.cores[-1],))),
        labels={KEY_LABEL: job_key},
        scratch_prefix=scratch_prefix(settings, job_key),
    )
    return FrozenModel(job, trusted=state.config.researcher == "scripted" and not state.imported)
