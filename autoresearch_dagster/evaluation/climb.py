"""How far a session's champion is from its baseline, when it got there over several champions.

Each champion was compared with the one before it, at fresh seeds of both arms.  So the gains add up to an estimate
of the whole: the expected scores of the champions in between cancel.  The interval adds what each step is unsure
of.  Seeds are fresh at every step, so their variances add, each with its own degrees of freedom (`intervals`).
The documents are the same ones at every step, so their luck may be shared: their standard errors add, which is
the most that it can come to, with the fewest degrees of freedom of them.  One step keeps the interval that it has.

The interval says nothing of selection: a champion was crowned because it looked good.  `assured_bpb` does.  It adds
what each look was sure of at its own error rate, and all rates of a session add up to 5 % (`spending`): with a
chance of 95 % every step, and so the whole, gained at least that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from autoresearch_dagster.core.judgement import Component, PromotionDecision
from autoresearch_dagster.core.limits import INTERVAL_LEVEL
from autoresearch_dagster.evaluation.intervals import half_width


@dataclass(frozen=True, slots=True)
class Climb:
    """Gain of the champion over the baseline in bpb, its 95 % interval, and what the whole session is sure of."""

    gain_bpb: float
    low_bpb: float
    high_bpb: float
    assured_bpb: float
    n_steps: int


def climb(steps: Sequence[PromotionDecision]) -> Climb:
    """Add up the decisions that made the champions: one at least, each over two seeds or more."""
    found = [one.difference for one in steps]
    documents = Component(
        math.fsum(one.document_se_bpb for one in found) ** 2, min(one.document_df for one in found)
    )
    gain = math.fsum(one.gain_bpb for one in found)
    width = half_width([documents, *(one.seed_part for one in found)], (1 - INTERVAL_LEVEL) / 2)
    assured = math.fsum(one.assured_gain_bpb for one in steps)
    return Climb(gain, gain - width, gain + width, assured, len(steps))
