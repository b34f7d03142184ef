"""Does a training give the score that a receipt names?  The rule, and what a verification says.

Two trainings at one seed on one machine give the same figure, bit for bit.  On another machine, at another count
of steps or with another order of additions, a training drifts, and how far is what it would drift from seed to
seed at most.  So the allowance is the luck of one pair of seeds, with the luck of these documents.
"""

import math
from typing import Literal

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.core.experiment import Data, Digest, ExperimentResult
from autoresearch_dagster.core.figures import exact
from autoresearch_dagster.core.judgement import NoiseFloor
from autoresearch_dagster.core.limits import INTERVAL_LEVEL
from autoresearch_dagster.evaluation.clusters import arm, document_component
from autoresearch_dagster.evaluation.intervals import Component, half_width
from autoresearch_dagster.evaluation.paired import paired_difference

Nats = npt.NDArray[np.floating]
ReproductionVerdict = Literal["identical", "within the noise", "not reproduced", "no score"]
Finding = Literal["fits", "differs", "missing", "contradiction"]
SEEDS_UNKNOWN = "how far seeds differ here is unknown, because no noise floor is measured"


class Reproduction(Data):
    """What became of a score when it was made again.

    Units: bpb, new minus recorded; None where there are no two scores to compare.
    """

    verdict: ReproductionVerdict
    difference_bpb: float | None = None
    allowed_bpb: float | None = None
    reason: str

    @property
    def reproduced(self) -> bool:
        """Whether the recorded score stands."""
        return self.verdict in ("identical", "within the noise")


class PaperCheck(Data):
    """One thing that a receipt says, held against what is known here."""

    about: str
    finding: Finding
    said: str


class Verification(Data):
    """A receipt that was verified: its paper, both scores, and whether the one gives the other."""

    receipt: Digest
    key: str
    checks: tuple[PaperCheck, ...]
    recorded_bpb: float
    again: ExperimentResult | None
    """What training it again gave; None where the paper already contradicts itself."""
    reproduction: Reproduction


def reproduction(
    recorded: Nats,
    again: Nats,
    documents: npt.NDArray[np.integer],
    n_bytes: npt.NDArray[np.integer],
    floor: NoiseFloor | None,
) -> Reproduction:
    """Compare the nats of a receipt with those of a new training on the same rows.

    With a noise floor, 95 % of honest pairs lie within the allowance.  Its seed part is `sd_bound_bpb`, times
    sqrt(2) for a difference, as if the pair shared nothing: they share the seed, but what makes an honest
    training drift at a fixed seed (another processor, another number of steps) may undo all that this shares,
    and a rule that took sharing for granted would call honest work forged.  The normal quantile is used because
    the bound is already the upper one that few seeds allow.  The document part is that of the paired difference.

    Without a floor the document part stands alone: it says how far these two models differ from document to
    document, and nothing of seeds.

    The receipt's nats are its writer's, and scattered ones must not buy an allowance.  So the document part counts
    no more than the seed part (a score's variance over seeds holds that of its documents already), or without a
    floor no more than the document part of the new score alone, whose nats are ours.

    Shapes: all [n_rows, T]; nats zero at special tokens.

    Raises:
        EvaluationFault: the arrays are not of the same rows.
    """
    one, other = arm([recorded], documents, n_bytes), arm([again], documents, n_bytes)
    if np.array_equal(recorded, again):
        return Reproduction(
            verdict="identical",
            difference_bpb=0.0,
            allowed_bpb=0.0,
            reason="Every answer has the same nats as in the receipt.",
        )
    pair = paired_difference(one, other)
    seeds = _seed_part(floor)
    most = seeds[0].variance if seeds else document_component(other.nats[0], other.n_bytes).variance
    of_documents = Component(min(pair.document_part.variance, most), pair.document_df)
    return _judged(pair.difference_bpb, [*seeds, of_documents], floor)


def reproduction_of_figure(recorded_bpb: float, again_bpb: float, floor: NoiseFloor | None) -> Reproduction:
    """Compare two figures alone, where the nats of the receipt are not here: nothing is known of documents.

    Units: bpb.
    """
    if recorded_bpb == again_bpb:
        reason = "The figure is the same to the last digit; the receipt's nats are not here."
        return Reproduction(verdict="identical", difference_bpb=0.0, allowed_bpb=0.0, reason=reason)
    return _judged(again_bpb - recorded_bpb, _seed_part(floor), floor)


def _seed_part(floor: NoiseFloor | None) -> list[Component]:
    return [] if floor is None or floor.identical else [Component(2 * floor.sd_bound_bpb**2, math.inf)]


def _judged(difference: float, parts: list[Component], floor: NoiseFloor | None) -> Reproduction:
    allowed = half_width(parts, (1 - INTERVAL_LEVEL) / 2)
    within = abs(difference) <= allowed
    better = "lower" if difference < 0 else "higher"
    than = "no more than" if within else "more than"
    seeds = bool(_seed_part(floor))
    known = "seeds and documents" if len(parts) > 1 else "seeds alone" if seeds else "documents alone"
    allowance = f"{exact(allowed)}, from the luck of {known}" if parts else "none"
    unknown = "" if seeds else f"; {SEEDS_UNKNOWN}"
    return Reproduction(
        verdict="within the noise" if within else "not reproduced",
        difference_bpb=difference,
        allowed_bpb=allowed,
        reason=f"The new score is {exact(abs(difference))} bpb {better}, {than} is allowed ({allowance}){unknown}.",
    )
