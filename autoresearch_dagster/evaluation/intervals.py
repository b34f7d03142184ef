"""Intervals of an estimate whose variance is a sum of parts, each known from a few observations.

Half-width at a one-sided error rate a: sqrt(sum t_a(df_i)² V_i).  It never errs more often than a, whatever
the true parts are, provided that the estimate is normal and each V_i is unbiased, of chi-square kind and
independent of the estimate (not of one another).  Proof: with F the distribution of chi-square with one degree
of freedom, concave, and w_i the true share of part i, P(miss less than half-width) = E F(sum w_i t_i² U_i)
>= sum w_i E F(t_i² U_i) = 1 - 2a, the last because t_i was chosen for part i alone.

Satterthwaite's single t with fitted degrees of freedom is shorter and not used here: when a part known from
two seeds comes out small by chance, it takes the many degrees of freedom of the other part for granted, and
errs far more often than stated at the small rates that a session of many candidates needs.

Source: Banerjee, "On confidence interval for two-means problem based on separate estimates of variances and
tabulated values of t-table", Sankhyā A 23 (1961) 359-378.
"""

import math
from collections.abc import Callable, Sequence

from scipy.special import gammaincinv, stdtrit

from autoresearch_dagster.core.judgement import Component
from autoresearch_dagster.core.limits import SMALLEST_P

HALVINGS = 50
"""Of a bracket; leaves about 15 digits."""


def half_width(components: Sequence[Component], error_rate: float) -> float:
    """Return the distance that the estimate exceeds by chance with at most this probability, on one side."""
    return math.sqrt(sum(float(stdtrit(part.df, error_rate)) ** 2 * part.variance for part in components))


def one_sided_p(gain: float, components: Sequence[Component]) -> float:
    """Return the smallest error rate at which `gain` would count as more than zero; 0.5 for no gain."""
    if gain <= 0:
        return 1 - one_sided_p(-gain, components) if gain < 0 else 0.5
    if half_width(components, SMALLEST_P) <= gain:
        return SMALLEST_P

    def beyond(exponent: float) -> float:
        return half_width(components, math.exp(exponent)) - gain

    return math.exp(root(beyond, math.log(SMALLEST_P), math.log(0.5)))


def root(function: Callable[[float], float], low: float, high: float) -> float:
    """Return where a function crosses zero between two places of opposite sign, by halving.

    scipy.optimize has better ways and costs a second to import.
    """
    sign = math.copysign(1.0, function(low))
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if function(middle) * sign > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def chi_square_quantile(probability: float, df: float) -> float:
    """Return the value below which a chi-square variable falls with this probability."""
    return 2 * float(gammaincinv(df / 2, probability))
