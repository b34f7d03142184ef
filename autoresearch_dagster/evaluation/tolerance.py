"""How far two fresh servers may differ: measured with an honest model, kept for each device and shape.

Measuring costs no process start.  The first evaluation on a device lets the servers of a candidate answer with a
stand-in, the shipped baseline with fixed random weights, before anything of the candidate is loaded: the same
rows in another order and company, as in the audit.  What it deviates, times a factor, is the tolerance.
"""

import contextlib
from pathlib import Path

from pydantic import ValidationError

from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.core.experiment import Data, canonical_json, digest_of
from autoresearch_dagster.core.folders import write_whole
from autoresearch_dagster.evaluation.channel import Wire
from autoresearch_dagster.evaluation.job import EvaluationJob
from autoresearch_dagster.evaluation.receipt import EVALUATOR_VERSION


class Tolerance(Data):
    """What was measured, and on what.  Units: nats of log-probability."""

    image: str
    device: str
    wire: Wire
    rows: int
    targets: int
    vocab: int
    evaluator_version: str
    deviation: float

    @property
    def nats(self) -> float:
        """The tolerance.

        Raises:
            EvaluationFault: the device repeats itself too badly to tell a leak from its noise.
        """
        found = max(lim.TOLERANCE_MIN_NATS[self.wire], lim.TOLERANCE_FACTOR * self.deviation)
        if found > lim.TOLERANCE_MAX_NATS:
            raise EvaluationFault(
                f"An honest model's answers deviate by {self.deviation:.1e} nats from one process to the next on "
                f"{self.device}, too much for an audit; evaluate on another device."
            )
        return found


def measured(job: EvaluationJob, deviation: float) -> Tolerance:
    """Describe a measurement for this job's image, device and shape."""
    shape = job.shape(single=False)
    return Tolerance(
        image=job.image,
        device=job.device,
        wire=job.wire,
        rows=shape.rows,
        targets=shape.targets,
        vocab=shape.vocab,
        evaluator_version=EVALUATOR_VERSION,
        deviation=deviation,
    )


def find(job: EvaluationJob) -> Tolerance | None:
    """Return what was measured before; None where nothing was, or it cannot be read."""
    path = _path(job)
    if path is None:
        return None
    try:
        found = Tolerance.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
    return found if found == measured(job, found.deviation) else None


def keep(job: EvaluationJob, found: Tolerance) -> None:
    """Write a measurement, whole or not at all; one that cannot be kept is measured again."""
    path = _path(job)
    if path is None:
        return
    with contextlib.suppress(OSError):
        write_whole(path, canonical_json(found.model_dump(mode="json")))


def _path(job: EvaluationJob) -> Path | None:
    if job.tolerances is None:
        return None
    key = measured(job, 0.0).model_dump(mode="json", exclude={"deviation"})
    return job.tolerances / f"{digest_of(canonical_json(key))[:16]}.json"
