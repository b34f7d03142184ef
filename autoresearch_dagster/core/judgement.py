"""What is concluded from scores: a noise floor, a difference, a decision.  How they come about: `evaluation/`."""

from dataclasses import dataclass
from typing import Literal

from autoresearch_dagster.core.experiment import Data


@dataclass(frozen=True, slots=True)
class Component:
    """One part of a variance and the degrees of freedom that it was estimated with."""

    variance: float
    df: float


class ScoreInterval(Data):
    """One training's score on the population of documents that its rows were drawn from, in bpb."""

    val_bpb: float
    standard_error_bpb: float
    low_bpb: float
    high_bpb: float
    df: float
    n_documents: int


class PairedDifference(Data):
    """Candidate minus champion on the same rows, in bpb: below zero is better.

    `low_bpb` and `high_bpb` hold at 95 %, for both kinds of luck.  With one seed the seed part is None and they
    speak of these two trained models only, not of what another seed would give.
    """

    difference_bpb: float
    low_bpb: float
    high_bpb: float
    per_seed_bpb: tuple[float, ...]
    n_documents: int
    document_se_bpb: float
    document_df: float
    seed_se_bpb: float | None
    seed_df: float | None

    @property
    def gain_bpb(self) -> float:
        """How much better the candidate is."""
        return -self.difference_bpb

    @property
    def document_part(self) -> Component:
        """The share of the variance that more rows would shrink."""
        return Component(self.document_se_bpb**2, self.document_df)

    @property
    def seed_part(self) -> Component:
        """The share of the variance that more seeds would shrink, from the pairs alone.

        Raises:
            ValueError: there is one seed only.
        """
        if self.seed_se_bpb is None or self.seed_df is None:
            raise ValueError("One seed says nothing of how seeds differ.")
        return Component(self.seed_se_bpb**2, self.seed_df)


class NoiseFloor(Data):
    """What the baseline's seeds show, in bpb.

    `sd_low_bpb` and `sd_high_bpb` are the 95 % interval of the sd (chi-square); `sd_bound_bpb` is its one-sided
    bound at 80 %, which screening takes for the sd.  `detectable_gain_bpb` is the smallest true gain that passes
    screening and confirmation with 80 % probability if the pairs share no luck; None where there is no noise.
    `identical` marks a baseline that scores alike at every seed: it fixes its own seed, and its sd of zero is
    not used.
    """

    n_seeds: int
    scores_bpb: tuple[float, ...]
    mean_bpb: float
    sd_bpb: float
    sd_low_bpb: float
    sd_high_bpb: float
    sd_bound_bpb: float
    detectable_gain_bpb: float | None
    identical: bool
    reason: str

    @property
    def seed_part(self) -> Component:
        """Variance of one score over seeds."""
        return Component(self.sd_bpb**2, self.n_seeds - 1)


class ScreeningDecision(Data):
    """What one seed says.

    `noise_bpb` is the sd that luck gives the difference: documents from these rows, seeds from the noise floor,
    with the upper bound of its sd and as if the pair shared no luck.
    """

    outcome: Literal["regression", "within_noise", "worth_confirming"]
    reason: str
    gain_bpb: float
    noise_bpb: float
    difference: PairedDifference


PromotionOutcome = Literal["champion", "confirmed", "undecided", "within_noise"]


TransferOutcome = Literal["transfers", "does_not_transfer", "not_scalable", "no_score"]
Dimension = Literal["width", "depth"]


class PromotionDecision(Data):
    """What the seeds so far say.

    `confirmed` if and only if `assured_gain_bpb` is above zero: the gain that is left at the error rate of
    this look.  `undecided` asks for `next_seeds` seeds in each arm.  `p` is comparable with `error_rate`;
    `error_spent` is what this candidate has used up so far; `looks` counts every look of the session at the
    confirmation rows, this one included.  `champion` comes from `choose_champion`.
    """

    outcome: PromotionOutcome
    reason: str
    gain_bpb: float
    assured_gain_bpb: float
    difference: PairedDifference
    p: float
    error_rate: float
    error_spent: float
    number: int
    n_seeds: int
    next_seeds: int | None
    looks: int
    identical: bool
