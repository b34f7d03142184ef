"""The two readings of a gain at a look, which differ in where the seed noise is known from.

- By the pairs: what the differences between the arms vary by from seed to seed.  It assumes nothing of the
  arms' noise and is sharp where they share their luck (the same data order, another learning rate); with two
  seeds it is nearly blind.
- By the pool: the variance of one training, pooled over both arms and the noise floor, twice, as if a pair shared
  nothing.  It has more degrees of freedom, which is what makes two seeds worth anything, and it assumes that
  the candidate is about as noisy as the others and that a pair does not have opposite luck.  Where the pairs
  show more variance than that, theirs is taken.

Which one is sharper is not known beforehand, so each gets half of the error rate and either suffices.  Both add
the luck of the documents.
"""

from dataclasses import dataclass

from autoresearch_dagster.core.judgement import Component, NoiseFloor, PairedDifference
from autoresearch_dagster.evaluation.clusters import Arm
from autoresearch_dagster.evaluation.intervals import half_width, one_sided_p
from autoresearch_dagster.evaluation.spending import READINGS


@dataclass(frozen=True, slots=True)
class Reading:
    """The two parts of the variance of a gain, and how many degrees of freedom a further seed would add."""

    documents: Component
    seeds: Component
    df_per_seed: int

    def after(self, now: int, then: int) -> "Reading":
        """Return what it would be with more seeds, if they vary as they did so far."""
        variance, df = self.seeds.variance * now / then, self.seeds.df + self.df_per_seed * (then - now)
        return Reading(self.documents, Component(variance, df), self.df_per_seed)


def readings(champion: Arm, candidate: Arm, floor: NoiseFloor, difference: PairedDifference) -> tuple[Reading, ...]:
    """Read a difference of two seeds or more; by the pairs alone where no arm shows any seed noise."""
    by_pairs = difference.seed_part
    found = [Reading(difference.document_part, by_pairs, 1)]
    varying = [one for one in (champion, candidate) if not one.identical]
    known = [Component(float(one.scores.var(ddof=1)), one.n_seeds - 1) for one in varying]
    if not floor.identical:
        known.append(floor.seed_part)
    df = sum(part.df for part in known)
    if df > 0:
        of_one = sum(part.df * part.variance for part in known) / df
        variance = max(2 * of_one / candidate.n_seeds, by_pairs.variance)
        found.append(Reading(difference.document_part, Component(variance, df), len(varying)))
    return tuple(found)


def needed_gain(found: tuple[Reading, ...], error_rate: float) -> float:
    """Return the smallest gain that one of the readings is sure of, at this error rate of both together."""
    return min(half_width([one.documents, one.seeds], error_rate / READINGS) for one in found)


def p_value(gain: float, found: tuple[Reading, ...]) -> float:
    """Return the error rate of both readings together at which one of them would be sure of this gain."""
    return min(1.0, READINGS * min(one_sided_p(gain, [one.documents, one.seeds]) for one in found))
