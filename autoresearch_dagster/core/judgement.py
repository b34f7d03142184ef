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
    """The score."""
    standard_error_bpb: float
    """Its standard error over documents."""
    low_bpb: float
    """Lower end of its 95 % interval."""
    high_bpb: float
    """Upper end of its 95 % interval."""
    df: float
    """Degrees of freedom of the standard error."""
    n_documents: int
    """Documents that the rows come from."""


class PairedDifference(Data):
    """Candidate minus champion on the same rows, in bpb: below zero is better.

    `low_bpb` and `high_bpb` hold at 95 %, for both kinds of luck.  With one seed there is no seed part and they
    speak of these two trained models only, not of what another seed would give.
    """

    difference_bpb: float
    """Mean difference over seeds."""
    low_bpb: float
    """Lower end of its 95 % interval."""
    high_bpb: float
    """Upper end of its 95 % interval."""
    per_seed_bpb: tuple[float, ...]
    """Difference at each seed, in order."""
    n_documents: int
    """Documents that the rows come from."""
    document_se_bpb: float
    """Standard error over documents."""
    document_df: float
    """Degrees of freedom of it."""
    seed_se_bpb: float | None
    """Standard error over seeds; null: there is one seed."""
    seed_df: float | None
    """Degrees of freedom of it; null: there is one seed."""

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
    """What the baseline's seeds show, in bpb."""

    n_seeds: int
    """Seeds that it rests on."""
    scores_bpb: tuple[float, ...]
    """The baseline's score at each seed, in order."""
    mean_bpb: float
    """Mean of the scores."""
    sd_bpb: float
    """Sigma: standard deviation of the scores."""
    sd_low_bpb: float
    """Lower end of its 95 % interval (chi-square)."""
    sd_high_bpb: float
    """Upper end of its 95 % interval (chi-square)."""
    sd_bound_bpb: float
    """Its one-sided upper bound at 80 %, which screening takes for the sd."""
    detectable_gain_bpb: float | None
    """Smallest true gain that passes screening and confirmation with 80 % probability if the pairs share no
    luck; null: there is no noise."""
    identical: bool
    """Whether all seeds scored alike: such a baseline fixes its own seed, and its sd of zero is not used."""
    reason: str
    """The same as a sentence."""

    @property
    def seed_part(self) -> Component:
        """Variance of one score over seeds."""
        return Component(self.sd_bpb**2, self.n_seeds - 1)


class ScreeningDecision(Data):
    """What one seed says."""

    outcome: Literal["regression", "within_noise", "worth_confirming"]
    """What follows."""
    reason: str
    """Why, as a sentence."""
    gain_bpb: float
    """How much better the candidate is; below zero: worse."""
    noise_bpb: float
    """Sd that luck gives the difference: documents from these rows, seeds from the upper bound of the noise
    floor's sd, as if the pair shared no luck."""
    difference: PairedDifference
    """The comparison."""


PromotionOutcome = Literal["champion", "confirmed", "undecided", "within_noise"]


TransferOutcome = Literal["transfers", "does_not_transfer", "not_scalable", "no_score"]
Dimension = Literal["width", "depth"]


class PromotionDecision(Data):
    """What the seeds so far say; `champion` is the best of those that one look confirmed."""

    outcome: PromotionOutcome
    """What follows."""
    reason: str
    """Why, as a sentence."""
    gain_bpb: float
    """How much better the candidate is over these seeds; below zero: worse."""
    assured_gain_bpb: float
    """The gain that is left at the error rate of this look; above zero where it is confirmed."""
    difference: PairedDifference
    """The comparison."""
    p: float
    """Smallest error rate at which it would be confirmed; to be compared with `error_rate`."""
    error_rate: float
    """Probability of a false confirmation that this look may have."""
    error_spent: float
    """What this candidate has used of the session's error budget so far, this look included."""
    number: int
    """Place of the candidate among those of the session that reached confirmation, from 1."""
    n_seeds: int
    """Seeds in each arm."""
    next_seeds: int | None
    """Seeds in each arm that the next look asks for; null: there is none."""
    looks: int
    """Looks of the session at the confirmation rows so far, this one included."""
    identical: bool
    """Whether all its seeds gave the same result: it fixes its own seed and cannot be confirmed."""
