"""How a session's error rate is divided: over candidates as they arrive, then over the looks at each.

A session may promote falsely with a chance of 5 %, over all its candidates together.  They arrive one after the
other, nobody knows how many, and all are confirmed on the same rows against the same trainings of the champion.
So the k-th candidate that reaches confirmation is held to 5 % times a fixed series that sums to one, and each
look at it to a fixed share of that.  Every rate is fixed before a result is seen and the rates add up: by the
union bound the total holds whatever the looks have in common (rows, documents, the champion's luck).

The series is 1 / k^1.5.  1 / k² leaves the twentieth candidate a third of what this does; an even split over
200 takes from the first what no session of ten candidates uses.  Rules that win rates back with each promotion
(LORD, alpha-investing) bound the share of false ones among promotions, not their presence, and suppose that
earlier results say nothing of later ones, which a shared champion's arm does not grant.

Source: Foster and Stine, "Alpha-investing", JRSS B 70 (2008); Tian and Ramdas, "Online control of the familywise
error rate", Stat. Methods Med. Res. 30 (2021), for spending over arrivals; Lan and DeMets, Biometrika 70
(1983), for spending over looks.
"""

from dataclasses import dataclass

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.presets import PresetName

READINGS = 2
"""Each look reads the gain twice, by the pairs and by the pool (`readings`), with half of its rate each."""


@dataclass(frozen=True, slots=True)
class ConfirmationPlan:
    """Seeds in each arm when a candidate is looked at, and the share of its error rate spent at each look."""

    seeds: tuple[int, ...]
    shares: tuple[float, ...]

    def __post_init__(self) -> None:
        rising = list(self.seeds) == sorted(set(self.seeds))
        if not self.seeds or len(self.seeds) != len(self.shares) or not rising or self.seeds[0] < 2:
            raise ValueError("A plan has rising numbers of seeds, from 2, and as many shares.")
        if min(self.shares) <= 0 or sum(self.shares) > 1 + 1e-9:
            raise ValueError("The shares of a plan are above zero and add up to one at most.")


FULL_PLAN = ConfirmationPlan(limits.CONFIRMATION_SEEDS, limits.CONFIRMATION_SHARES)
PLANS: dict[PresetName, ConfirmationPlan] = {
    "demo": ConfirmationPlan(limits.CONFIRMATION_SEEDS_SMALL, limits.CONFIRMATION_SHARES_SMALL),
    "workshop": FULL_PLAN,
    "gpu": FULL_PLAN,
}
FLOOR_SEEDS: dict[PresetName, int] = {
    "demo": limits.FLOOR_SEEDS_SMALL,
    "workshop": limits.FLOOR_SEEDS_SMALL,
    "gpu": limits.FLOOR_SEEDS,
}


def candidate_error_rate(number: int) -> float:
    """Return the error rate of the session's `number`-th confirmed candidate, from 1."""
    if number < 1:
        raise ValueError("Candidates are counted from 1.")
    from scipy.special import zeta  # imports half a second; the plans are needed without it

    return limits.SESSION_ERROR_RATE / float(zeta(limits.SPENDING_EXPONENT)) / number**limits.SPENDING_EXPONENT


def look_error_rate(plan: ConfirmationPlan, number: int, look: int) -> float:
    """Return the error rate of one look, from 0, at the session's `number`-th confirmed candidate."""
    return candidate_error_rate(number) * plan.shares[look]


def reading_error_rate(plan: ConfirmationPlan, number: int, look: int) -> float:
    """Return the error rate of one of the readings at a look."""
    return look_error_rate(plan, number, look) / READINGS
