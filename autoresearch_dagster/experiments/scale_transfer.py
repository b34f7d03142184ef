"""Does a champion's gain hold at twice the size?  Told to agent and person; it takes nobody's crown.

The new champion and the one before are trained at twice the width, or at twice the depth where the file honours
that alone, and compared by the rule of a confirmation.  Whether a file honours an override is not a claim: a model
of twice the width must leave a larger checkpoint, whose size the host measures and whose content it never reads.
One training of the new champion shows that before the others are spent.  A file that pads its checkpoint gets a
comparison in which it does not grow, and wins nothing by it; one that shares its blocks cannot be seen to honour
depth.

The error budget is the session's, so that everything it tells, promotions and transfers together, is wrong with a
chance of 5 % at most: a comparison takes the next number of its series as one more candidate would, all of its
rate is spent at its only look, and that counts as a look at the confirmation rows.  What is assumed beyond a
confirmation: that twice the size is about as noisy as the session's noise floor, where the pairs do not show more.
"""

from collections.abc import Sequence
from dataclasses import replace

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import ExperimentKey, PlannedExperiment, Purpose, TrainConfig
from autoresearch_dagster.core.figures import bpb
from autoresearch_dagster.core.judgement import Dimension, PromotionDecision
from autoresearch_dagster.evaluation.spending import PLANS, ConfirmationPlan
from autoresearch_dagster.experiments.arms import arm_of
from autoresearch_dagster.experiments.confirmations import (
    Contender,
    baseline_of,
    contender,
    how_it_ended,
    seeds_of,
    trained_at,
    unscored,
)
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.store import promotion_events as pe
from autoresearch_dagster.store.leaderboard import BASELINE
from autoresearch_dagster.store.state import Experiment, SessionState

FIELDS: dict[Dimension, str] = {"width": "n_embd", "depth": "n_layer"}
"""What is doubled, in the order in which it is tried; heads stay as many."""
BUDGET_TIMES: dict[Dimension, int] = {"width": limits.WIDTH_BUDGET_TIMES, "depth": limits.DEPTH_BUDGET_TIMES}


def transfer_events(state: SessionState, lab: Laboratory) -> list[pe.TransferPlanned | pe.TransferJudged]:
    """Return what comes next for the present champion, whose trainings are finished; nothing unless asked for.

    Raises:
        EvaluationFault: trainings cannot be compared.
        StoreUnavailable: a receipt or its nats are missing or damaged.
    """
    champion = state.champion
    if not state.config.scale_transfer or champion is None or champion.transfer is not None:
        return []
    planned = [one for one in state.transfers if one.key == champion.planned.key]
    if not planned:
        return [_plan(state, lab, "width", probe=True)]
    last = planned[-1]
    return [_after_probe(state, lab, last) if last.probe else _look(state, lab, last)]


def scaled(who: Contender, dimension: Dimension) -> Contender:
    """Return a contender at twice the width or depth, with the time that takes."""
    config, name = who.config, FIELDS[dimension]
    grown = {
        name: getattr(config, name) * limits.SCALE_FACTOR,
        "time_budget_sec": config.time_budget_sec * BUDGET_TIMES[dimension],
    }
    return replace(who, config=config.model_copy(update=grown), purpose=Purpose.SCALE_TRANSFER)


def least_growth(config: TrainConfig, dimension: Dimension) -> int:
    """Return the bytes by which a checkpoint must grow at least if a file honours the override.

    Args:
        config: of the model as it was.
        dimension: what is doubled.
    """
    matrix = limits.HONOURED_MATRICES * config.n_embd**2 * config.n_layer * limits.PARAMETER_BYTES
    return matrix * (limits.SCALE_FACTOR**2 - 1 if dimension == "width" else limits.SCALE_FACTOR - 1)


def _plan(state: SessionState, lab: Laboratory, dimension: Dimension, *, probe: bool) -> pe.TransferPlanned:
    champion, before = _pair(state)
    seeds = _seeds(state, lab)[: 1 if probe else None]
    wanted = [
        (scaled(who, dimension), seed) for who in ((champion,) if probe else (before, champion)) for seed in seeds
    ]
    there = [one.planned for one in state.trainings.values() if one.planned.purpose is Purpose.SCALE_TRANSFER]
    trained = {(one.trains, one.candidate) for one in there}
    planned: list[PlannedExperiment] = []
    for who, seed in wanted:
        number = len(there) + len(planned) + 1
        one = who.at(seed, ExperimentKey(f"s{state.number:02d}_d{state.dispatches:02d}_t{number:02d}"))
        if (one.trains, one.candidate) not in trained:
            planned.append(one)
    return pe.TransferPlanned(
        dispatch=state.dispatches,
        key=_key(champion),
        against=before.key,
        dimension=dimension,
        probe=probe,
        seeds=seeds,
        planned=tuple(planned),
    )


def _pair(state: SessionState) -> tuple[Contender, Contender]:
    """Return the champion and the one before, as they are."""
    assert state.champion is not None
    before = contender(state.experiments[state.reigns[-2][0]]) if len(state.reigns) > 1 else baseline_of(state)
    return contender(state.champion), before


def _key(champion: Contender) -> ExperimentKey:
    assert champion.key is not None
    return champion.key


def _seeds(state: SessionState, lab: Laboratory) -> tuple[int, ...]:
    """Return seeds that nothing else of the session uses."""
    n_seeds = PLANS[lab.preset.name].seeds[0]
    return tuple(seed + limits.TRANSFER_SEED_OFFSET for seed in seeds_of(state, n_seeds))


def _after_probe(
    state: SessionState, lab: Laboratory, probe: pe.TransferPlanned
) -> pe.TransferPlanned | pe.TransferJudged:
    champion, _ = _pair(state)
    trained = trained_at(state, scaled(champion, probe.dimension), probe.seeds)
    if failed := unscored(trained):
        return _no_score(state, probe.dimension, "it", failed)
    honours = _honours(state, champion, probe.dimension, trained)
    if honours is None:
        return _unknown(state, champion)
    if honours:
        return _plan(state, lab, probe.dimension, probe=False)
    if probe.dimension == "width":
        return _plan(state, lab, "depth", probe=True)
    return _judged(
        state,
        "not_scalable",
        "Neither twice n_embd nor twice n_layer makes its checkpoint as much larger as it must.",
    )


def _look(state: SessionState, lab: Laboratory, planned: pe.TransferPlanned) -> pe.TransferJudged:
    from autoresearch_dagster.evaluation.promotion import confirm

    assert state.floor is not None
    dimension, (champion, before) = planned.dimension, _pair(state)
    ours = trained_at(state, scaled(champion, dimension), planned.seeds)
    theirs = trained_at(state, scaled(before, dimension), planned.seeds)
    for arm, whose in ((ours, "it"), (theirs, _named(before))):
        if failed := unscored(arm):
            return _no_score(state, dimension, whose, failed)
    honours = _honours(state, before, dimension, theirs)
    if honours is None:
        return _unknown(state, before)
    if not honours:
        reason = f"{_named(before)} does not honour {FIELDS[dimension]}, so there is nothing to compare it with."
        return _judged(state, "not_scalable", reason[:1].upper() + reason[1:])
    decision = confirm(
        arm_of([one.result for one in theirs if one.result], lab),
        arm_of([one.result for one in ours if one.result], lab),
        state.floor.floor,
        ConfirmationPlan((len(planned.seeds),), (1.0,)),
        number=state.numbers[planned.planned[0].key],
        looks=state.looks,
    )
    told = _judged(
        state,
        "transfers" if decision.outcome == "confirmed" else "does_not_transfer",
        _reason(decision, dimension, _named(before)),
    )
    return told.model_copy(update={"dimension": dimension, "decision": decision})


def _reason(decision: PromotionDecision, dimension: Dimension, before: str) -> str:
    opening, gain, seeds = f"At twice the {dimension}", decision.gain_bpb, decision.n_seeds
    if decision.identical:
        return f"{opening}, {decision.reason[:1].lower()}{decision.reason[1:]}"
    if gain <= 0:
        return f"{opening} it is not better than {before} over {seeds} fresh seeds (worse by {bpb(-gain)} bpb)."
    found = f"{opening} it is better than {before} by {bpb(gain)} bpb over {seeds} fresh seeds"
    if decision.outcome == "confirmed":
        return (
            f"{found}, by {bpb(decision.assured_gain_bpb)} or more at an error rate of {decision.error_rate:.2g}."
        )
    return f"{found}, which luck can explain (p = {decision.p:.2g}, needed {decision.error_rate:.2g})."


def _honours(
    state: SessionState, who: Contender, dimension: Dimension, trained: Sequence[Experiment]
) -> bool | None:
    """Say whether all scaled checkpoints are larger by what they must; None: the unscaled size is not known."""
    base = max(
        (
            one.result.checkpoint_bytes
            for one in state.everything.values()
            if one.result is not None
            and (
                one.planned.key == who.key
                or (one.planned.purpose is Purpose.CONFIRMATION and one.planned.trains == who.key)
            )
        ),
        default=0,
    )
    if base == 0:
        return None
    sizes = [one.result.checkpoint_bytes for one in trained if one.result is not None]
    return min(sizes) - base >= least_growth(who.config, dimension)


def _no_score(state: SessionState, dimension: Dimension, whose: str, failed: Experiment) -> pe.TransferJudged:
    told, seed = how_it_ended(failed), failed.planned.config.seed
    return _judged(
        state, "no_score", f"There is no score of {whose} at twice the {dimension}, seed {seed} ({told})."
    )


def _unknown(state: SessionState, who: Contender) -> pe.TransferJudged:
    reason = (
        f"The checkpoints of {_named(who)} were recorded without their size, so nothing can be said of its growth."
    )
    return _judged(state, "no_score", reason)


def _named(who: Contender) -> str:
    return f"the {BASELINE}" if who.key is None else who.key


def _judged(state: SessionState, outcome: pe.TransferOutcome, reason: str) -> pe.TransferJudged:
    champion, before = _pair(state)
    return pe.TransferJudged(key=_key(champion), against=before.key, outcome=outcome, reason=reason)
