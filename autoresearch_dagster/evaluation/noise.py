"""The noise floor: how far one and the same candidate differs from itself, from seed to seed."""

import math

from scipy.special import nctdtr, ndtr, stdtrit

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import EvaluationFault
from autoresearch_dagster.core.figures import bpb, interval
from autoresearch_dagster.core.judgement import NoiseFloor
from autoresearch_dagster.evaluation.clusters import Arm
from autoresearch_dagster.evaluation.intervals import chi_square_quantile, root
from autoresearch_dagster.evaluation.spending import ConfirmationPlan, reading_error_rate


def measure_noise_floor(baseline: Arm, plan: ConfirmationPlan) -> NoiseFloor:
    """Describe the noise of the baseline at several seeds on the selection rows.

    Raises:
        EvaluationFault: there are fewer than two seeds.
    """
    if baseline.n_seeds < 2:
        raise EvaluationFault("A noise floor needs the baseline at two seeds or more; train it again.")
    scores, df = baseline.scores, baseline.n_seeds - 1
    sd = 0.0 if baseline.identical else float(scores.std(ddof=1))
    low, high = _sd_factors(df)
    bound = sd * math.sqrt(df / chi_square_quantile(1 - limits.FLOOR_BOUND_LEVEL, df))
    gain = detectable_gain(sd, bound, df, plan) if sd > 0 else None
    return NoiseFloor(
        n_seeds=baseline.n_seeds,
        scores_bpb=tuple(float(score) for score in scores),
        mean_bpb=float(scores.mean()),
        sd_bpb=sd,
        sd_low_bpb=sd * low,
        sd_high_bpb=sd * high,
        sd_bound_bpb=bound,
        detectable_gain_bpb=gain,
        identical=baseline.identical,
        reason=_reason(baseline, sd, sd * low, sd * high, gain),
    )


def mean_interval(floor: NoiseFloor) -> tuple[float, float]:
    """Return the 95 % t interval of the baseline's expected score over seeds, on these rows."""
    width = -float(stdtrit(floor.n_seeds - 1, (1 - limits.INTERVAL_LEVEL) / 2))
    half = width * floor.sd_bpb / math.sqrt(floor.n_seeds)
    return floor.mean_bpb - half, floor.mean_bpb + half


def _sd_factors(df: int) -> tuple[float, float]:
    tail = (1 - limits.INTERVAL_LEVEL) / 2
    return math.sqrt(df / chi_square_quantile(1 - tail, df)), math.sqrt(df / chi_square_quantile(tail, df))


def _reason(baseline: Arm, sd: float, low: float, high: float, gain: float | None) -> str:
    if baseline.identical:
        return (
            f"All {baseline.n_seeds} seeds gave the same result: the file fixes its own seed, so its noise is "
            "unknown; let it use config.seed."
        )
    detects = f"; a gain of {bpb(gain)} is found in 8 of 10 cases" if gain is not None else ""
    return f"Over {baseline.n_seeds} seeds val_bpb varies with an sd of {bpb(sd)} {interval(low, high)}{detects}."


def detectable_gain(sd: float, bound: float, floor_df: int, plan: ConfirmationPlan) -> float:
    """Return the smallest true gain that is screened, then confirmed at the last look, with 80 % probability.

    For the session's first candidate, with seed noise only and pairs that share no luck.
    """
    n_seeds = plan.seeds[-1]
    df = 2 * (n_seeds - 1) + floor_df
    critical = -float(stdtrit(df, reading_error_rate(plan, 1, len(plan.seeds) - 1)))
    one_pair, mean_of_pairs = sd * math.sqrt(2), sd * math.sqrt(2 / n_seeds)
    band = limits.SCREENING_GAIN_SDS * bound * math.sqrt(2)

    def missing(gain: float) -> float:
        screened = float(ndtr((gain - band) / one_pair))
        confirmed = 1 - float(nctdtr(df, gain / mean_of_pairs, critical))
        return screened * confirmed - limits.POWER

    return root(missing, 0, band + (critical + 10) * one_pair)
