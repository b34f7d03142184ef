"""Confirmation: fresh seeds in both arms, on rows that screening never used, until a gain is sure or hopeless.

Seeds and rows must be fresh because what screening let through was selected for its luck there.  Stopping early for
success costs error rate, which `spending` divides; stopping early for futility costs none.  The whole is one-sided:
the chance that a candidate which is not better in expectation is ever confirmed is at most
`candidate_error_rate(number)`.
"""

from collections.abc import Iterable
from typing import assert_never

from autoresearch_dagster.core.figures import bpb
from autoresearch_dagster.core.judgement import NoiseFloor, PromotionDecision, PromotionOutcome
from autoresearch_dagster.core.limits import FUTILITY_SHARE
from autoresearch_dagster.evaluation.clusters import Arm
from autoresearch_dagster.evaluation.paired import paired_difference
from autoresearch_dagster.evaluation.readings import needed_gain, p_value, readings
from autoresearch_dagster.evaluation.spending import ConfirmationPlan, candidate_error_rate, look_error_rate


def confirm(
    champion: Arm, candidate: Arm, floor: NoiseFloor, plan: ConfirmationPlan, *, number: int, looks: int
) -> PromotionDecision:
    """Look once at a candidate.

    Args:
        champion: its trainings on the confirmation rows; the same ones may serve several candidates.
        candidate: its trainings at the same seeds, on the same rows.
        floor: the session's noise floor, measured on no more rows than these.
        plan: when to look.
        number: which candidate of the session this is, counting those that reached confirmation, from 1.
        looks: looks of the session at the confirmation rows so far.

    Raises:
        EvaluationFault: the arms have other rows or seeds.
        ValueError: the plan has no look at this number of seeds.
    """
    seeds, last = candidate.n_seeds, plan.seeds[-1]
    if seeds not in plan.seeds:
        raise ValueError(f"The plan looks at {plan.seeds} seeds, not at {seeds}.")
    look = plan.seeds.index(seeds)
    difference = paired_difference(champion, candidate)
    found = readings(champion, candidate, floor, difference)
    rate, last_rate = (look_error_rate(plan, number, place) for place in (look, len(plan.seeds) - 1))
    gain, p = difference.gain_bpb, p_value(difference.gain_bpb, found)
    assured = gain - needed_gain(found, rate)
    needed_at_last = needed_gain(tuple(one.after(seeds, last) for one in found), last_rate)
    outcome = "within_noise"
    if assured > 0 and not candidate.identical:
        outcome = "confirmed"
    elif seeds < last and gain > FUTILITY_SHARE * needed_at_last and not candidate.identical:
        outcome = "undecided"
    following = plan.seeds[look + 1] if outcome == "undecided" else None
    return PromotionDecision(
        outcome=outcome,
        reason=_reason(outcome, candidate, gain, assured, p, rate, following),
        gain_bpb=gain,
        assured_gain_bpb=assured,
        difference=difference,
        p=p,
        error_rate=rate,
        error_spent=candidate_error_rate(number) * sum(plan.shares[: look + 1]),
        number=number,
        n_seeds=seeds,
        next_seeds=following,
        looks=looks + 1,
        identical=candidate.identical,
    )


def choose_champion(decisions: Iterable[PromotionDecision]) -> tuple[PromotionDecision, ...]:
    """Crown the confirmed candidate with the largest gain, the first of equals; the others stay as they are.

    All must have been compared with one champion.  This adds no error: each of them is better at its rate.
    """
    listed = tuple(decisions)
    confirmed = [decision for decision in listed if decision.outcome == "confirmed"]
    if not confirmed:
        return listed
    best = max(confirmed, key=lambda decision: decision.gain_bpb)
    crowned = best.model_copy(update={"outcome": "champion", "reason": f"{best.reason} It is the new champion."})
    return tuple(crowned if decision is best else decision for decision in listed)


def _reason(
    outcome: PromotionOutcome,
    candidate: Arm,
    gain: float,
    assured: float,
    p: float,
    rate: float,
    following: int | None,
) -> str:
    seeds = candidate.n_seeds
    if candidate.identical:
        return (
            f"All {seeds} seeds gave the same result: the file fixes its own seed, so nobody can say what another "
            "would give; let it use config.seed."
        )
    if gain <= 0:
        return f"Not better than the champion over {seeds} fresh seeds (worse by {bpb(-gain)} bpb)."
    found = f"Better by {bpb(gain)} bpb over {seeds} fresh seeds"
    match outcome:
        case "confirmed" | "champion":
            return f"{found}, by {bpb(assured)} or more at an error rate of {rate:.2g}."
        case "undecided":
            return f"{found}, not sure yet (p = {p:.2g}, needed {rate:.2g}): {following} seeds will say more."
        case "within_noise":
            return f"{found}, which luck can explain (p = {p:.2g}, needed {rate:.2g})."
        case _:
            assert_never(outcome)
