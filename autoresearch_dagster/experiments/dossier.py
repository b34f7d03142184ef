"""What a page shows of an experiment beside its result: what was changed, why, and how it trained."""

from dataclasses import dataclass, replace

from autoresearch_dagster.agent.hypotheses.calibration import hypothesis_of
from autoresearch_dagster.core.errors import StoreUnavailable
from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.evaluation.review import Finding
from autoresearch_dagster.experiments.laboratory import BASELINE_FILE
from autoresearch_dagster.store.blobs import Blobs
from autoresearch_dagster.store.curves import Curve, kept_curve
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.tracking.describe import diff_against_parent, review_against_parent


@dataclass(frozen=True, slots=True)
class Dossier:
    """Empty where nothing is known, or its code is not kept any more: a result is shown all the same."""

    hypothesis: str = ""
    expected_effect: str = ""
    diff: str = ""
    """Of train.py, against the parent's, or the baseline's."""
    findings: tuple[Finding, ...] = ()
    """What a person should look at in the new lines; it decides nothing."""
    curve: Curve | None = ()
    """Train loss, as the candidate reported it; None: it cannot be read any more."""


def dossier_of(state: SessionState, key: ExperimentKey, blobs: Blobs) -> Dossier:
    """Put together what is known of an experiment."""
    experiment, baseline = state.everything[key], BASELINE_FILE.read_text(encoding="utf-8")
    claim = hypothesis_of(state, experiment)
    said = Dossier(claim.hypothesis, claim.expected_effect) if claim else Dossier()
    try:
        return replace(
            said,
            diff=diff_against_parent(state, experiment, blobs, baseline),
            findings=review_against_parent(state, experiment, blobs, baseline),
            curve=kept_curve(experiment.result, blobs.get),
        )
    except StoreUnavailable:
        return said
