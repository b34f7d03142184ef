"""Screening: one seed of a candidate beside the champion's same seed: are more seeds worth their time?

A filter, not a proof: what it lets through is tested again, on other seeds and other rows, so an error here
costs a few trainings or a small gain and never a false promotion.  That is why the band is narrow for gains and
wide for losses, which are final.
"""

import math

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.figures import bpb
from autoresearch_dagster.core.judgement import NoiseFloor, ScreeningDecision
from autoresearch_dagster.evaluation.clusters import Arm
from autoresearch_dagster.evaluation.paired import paired_difference


def screen(champion: Arm, candidate: Arm, floor: NoiseFloor) -> ScreeningDecision:
    """Judge a candidate on one seed, paired with the champion's same seed and rows.

    Raises:
        EvaluationFault: the arms have other rows or seeds.
    """
    difference = paired_difference(champion, candidate)
    if len(difference.per_seed_bpb) != 1:
        raise ValueError("Screening compares one seed; several seeds are a confirmation.")
    gain = difference.gain_bpb
    noise = math.sqrt(difference.document_part.variance + 2 * floor.sd_bound_bpb**2)
    if gain > limits.SCREENING_GAIN_SDS * noise:
        outcome = "worth_confirming"
        reason = f"Better by {bpb(gain)} bpb where luck alone makes about {bpb(noise)}: worth more seeds."
    elif gain < -limits.SCREENING_LOSS_SDS * noise:
        outcome = "regression"
        reason = f"Worse by {bpb(-gain)} bpb where luck alone makes about {bpb(noise)}."
    else:
        outcome = "within_noise"
        way = "Better" if gain > 0 else "Worse"
        reason = (
            f"{way} by {bpb(abs(gain))} bpb, and luck alone makes about {bpb(noise)}: no difference to speak of."
        )
        if gain == 0:
            reason = "The score is exactly the champion's."
    return ScreeningDecision(outcome=outcome, reason=reason, gain_bpb=gain, noise_bpb=noise, difference=difference)
