"""The cheat review of a finished experiment, for pages that show it."""

from autoresearch_dagster.core.errors import StoreUnavailable
from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.evaluation.review import Finding
from autoresearch_dagster.experiments.laboratory import BASELINE_FILE
from autoresearch_dagster.store.blobs import Blobs
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.tracking.describe import review_against_parent


def review_of(state: SessionState, key: ExperimentKey, blobs: Blobs) -> tuple[Finding, ...]:
    """Return the new findings in an experiment's train.py; none where its code is not kept any more.

    A result is shown whatever its review says, so nothing is raised for it.
    """
    baseline = BASELINE_FILE.read_text(encoding="utf-8")
    try:
        return review_against_parent(state, state.everything[key], blobs, baseline)
    except StoreUnavailable:
        return ()
