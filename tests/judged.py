"""Decisions with made-up figures, for tests of what is done with them."""

from typing import Literal

from autoresearch_dagster.core.experiment import ExperimentResult, PlannedExperiment, digest_of
from autoresearch_dagster.core.judgement import (
    NoiseFloor,
    PairedDifference,
    PromotionDecision,
    PromotionOutcome,
    ScreeningDecision,
)
from autoresearch_dagster.store import promotion_events as pe


def difference(gain: float, *seeds: float) -> PairedDifference:
    """A paired difference about a gain in bpb; with seeds, of parts that give about this interval."""
    return PairedDifference(
        difference_bpb=-gain,
        low_bpb=-gain - 0.01,
        high_bpb=-gain + 0.01,
        per_seed_bpb=seeds or (-gain,),
        n_documents=40,
        document_se_bpb=0.003,
        document_df=39.0,
        seed_se_bpb=0.000_626 if len(seeds) > 1 else None,
        seed_df=len(seeds) - 1.0 if len(seeds) > 1 else None,
    )


def screening(
    outcome: Literal["regression", "within_noise", "worth_confirming"], gain: float = 0.1
) -> ScreeningDecision:
    """What one seed said."""
    reason = f"Screened: {outcome}."
    return ScreeningDecision(
        outcome=outcome, reason=reason, gain_bpb=gain, noise_bpb=0.02, difference=difference(gain)
    )


def promotion(outcome: PromotionOutcome, gain: float = 0.1, *, looks: int = 1) -> PromotionDecision:
    """What a look at two seeds said."""
    return PromotionDecision(
        outcome=outcome,
        reason=f"Confirmation: {outcome}.",
        gain_bpb=gain,
        assured_gain_bpb=gain / 2 if outcome == "confirmed" else -gain,
        difference=difference(gain, -gain, -gain),
        p=0.001,
        error_rate=0.019,
        error_spent=0.019,
        number=1,
        n_seeds=2,
        next_seeds=None,
        looks=looks,
        identical=False,
    )


def noise_floor(*scores: float) -> NoiseFloor:
    """A floor of these scores."""
    return NoiseFloor(
        n_seeds=len(scores),
        scores_bpb=scores,
        mean_bpb=sum(scores) / len(scores),
        sd_bpb=0.01,
        sd_low_bpb=0.005,
        sd_high_bpb=0.06,
        sd_bound_bpb=0.02,
        detectable_gain_bpb=0.07,
        identical=False,
        reason="Over 3 seeds val_bpb varies with an sd of 0.0100.",
    )


def measured(
    trainings: list[tuple[PlannedExperiment, ExperimentResult]], floor: NoiseFloor, *, budget_s: int = 10
) -> pe.FloorMeasured:
    """The event that says so."""
    return pe.FloorMeasured(
        floor=floor,
        budget_s=budget_s,
        trainings=tuple(pe.FloorTraining(planned=planned, result=result) for planned, result in trainings),
        terms=digest_of(b"terms"),
    )
