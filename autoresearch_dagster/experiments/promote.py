"""What follows from the results so far: the noise floor, who deserves more seeds, who is champion.

Each step is computed from the journal and written to it in one transaction, so that a driver which dies anywhere
is followed by one that goes on at the same place.  The rule itself stands in `evaluation/`.
"""

from collections.abc import Sequence

from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult, Verdict
from autoresearch_dagster.evaluation.spending import PLANS
from autoresearch_dagster.experiments.arms import arm_of, receipt_at
from autoresearch_dagster.experiments.confirmations import (
    champion_of,
    contender,
    how_it_ended,
    plan_confirmation,
    trained_at,
    unscored,
)
from autoresearch_dagster.experiments.healing import changed_recipe
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.experiments.noise_floor import floor_events
from autoresearch_dagster.experiments.scale_transfer import transfer_events
from autoresearch_dagster.store import events as ev, promotion_events as pe
from autoresearch_dagster.store.state import Experiment, SessionState

CHANGED_RECIPE = (
    "It ran out of device memory and was trained with a smaller micro-batch, which it does not make up for by "
    "`config.grad_accum_steps`: another recipe than planned, not promoted."
)


def following(state: SessionState, lab: Laboratory) -> list[ev.Event]:
    """Return the events that come next by themselves; none while trainings are unfinished.

    Raises:
        EvaluationFault: trainings cannot be compared.
        StoreUnavailable: a receipt or its nats are missing or damaged.
    """
    if state.status != "active" or state.unfinished:
        return []
    if state.floor is None:
        return floor_events(state, lab)
    screened = [_screened(state, lab, state.floor, one) for one in state.experiments.values() if _unscreened(one)]
    if screened:
        return screened
    if waiting := state.undecided:
        return [] if state.deferring else _confirming(state, lab, waiting)
    return _coronation(state) or [*transfer_events(state, lab)]


def _unscreened(experiment: Experiment) -> bool:
    result = experiment.result
    return result is not None and result.accepted and experiment.screening is None and not experiment.refused


def _screened(state: SessionState, lab: Laboratory, floor: pe.FloorMeasured, candidate: Experiment) -> ev.Event:
    from autoresearch_dagster.evaluation.screening import screen  # imports scipy: half a second

    key, result = candidate.planned.key, candidate.result
    assert result is not None
    if result.receipt is None or receipt_at(lab, result.receipt) is None:
        reason = "It was scored by another version of the evaluator and cannot be compared; run it again."
        return pe.PromotionRefused(key=key, reason=reason, rejected=False)
    if changed_recipe(result, lab.store.blobs.get(candidate.planned.train_py)):
        return pe.PromotionRefused(key=key, reason=CHANGED_RECIPE, rejected=False)
    champion = _screening_result(state, floor, candidate.planned.config.seed)
    decision = screen(arm_of([champion], lab), arm_of([result], lab), floor.floor)
    return pe.CandidateScreened(key=key, against=champion_of(state).key, decision=decision)


def _screening_result(state: SessionState, floor: pe.FloorMeasured, seed: int) -> ExperimentResult:
    """Return the champion's result on the selection rows: the baseline's at the same seed where it has one."""
    if state.champion is not None and state.champion.result is not None:
        return state.champion.result
    paired = [one for one in floor.trainings if one.planned.config.seed == seed]
    return (paired or list(floor.trainings))[0].result


def _confirming(state: SessionState, lab: Laboratory, waiting: Sequence[Experiment]) -> list[ev.Event]:
    """Look at those whose trainings are there; plan trainings for the others."""
    last = state.confirmations[-1] if state.confirmations else None
    if last is not None:
        due = [one for one in waiting if one.planned.key in last.candidates and _seeds(one) < len(last.seeds)]
        if due:
            looks = state.looks
            news: list[ev.Event] = []
            for one in due:
                news.append(_look(state, lab, last, one, looks))
                looks += isinstance(news[-1], pe.PromotionJudged)
            return news
    following_seeds = [one.promotion.next_seeds for one in waiting if one.promotion is not None]
    n_seeds = max([seeds for seeds in following_seeds if seeds], default=PLANS[lab.preset.name].seeds[0])
    return [plan_confirmation(state, lab.preset, waiting, n_seeds)]


def _seeds(experiment: Experiment) -> int:
    return experiment.promotion.n_seeds if experiment.promotion is not None else 0


def _look(
    state: SessionState, lab: Laboratory, planned: pe.ConfirmationPlanned, candidate: Experiment, looks: int
) -> ev.Event:
    from autoresearch_dagster.evaluation.promotion import confirm

    assert state.floor is not None
    key = candidate.planned.key
    ours = trained_at(state, champion_of(state), planned.seeds)
    theirs = trained_at(state, contender(candidate), planned.seeds)
    for arm, whose in ((theirs, "it"), (ours, "the champion")):
        if failed := unscored(arm):
            return _refused(key, failed, whose)
    decision = confirm(
        arm_of([one.result for one in ours if one.result], lab),
        arm_of([one.result for one in theirs if one.result], lab),
        state.floor.floor,
        PLANS[lab.preset.name],
        number=state.numbers[key],
        looks=looks,
    )
    return pe.PromotionJudged(key=key, decision=decision)


def _refused(key: ExperimentKey, failed: Experiment, whose: str) -> pe.PromotionRefused:
    """A candidate that fails at one seed is not promoted on the others: failing may be its way of being lucky."""
    result, seed = failed.result, failed.planned.config.seed
    rejected = whose == "it" and result is not None and result.verdict is Verdict.REJECTED
    verb = "The audit rejected it" if rejected else f"There is no score of {whose}"
    return pe.PromotionRefused(
        key=key,
        reason=f"{verb} at seed {seed} of its confirmation ({how_it_ended(failed)}); it is not promoted.",
        rejected=rejected,
    )


def _coronation(state: SessionState) -> list[ev.Event]:
    """Crown the best of those that were confirmed against the present champion."""
    from autoresearch_dagster.evaluation.promotion import choose_champion

    reigning = champion_of(state).key
    against = {key: planned.against for planned in state.confirmations for key in planned.candidates}
    confirmed = [
        (key, decision)
        for key, whom in against.items()
        if whom == reigning
        and (decision := state.experiments[key].promotion) is not None
        and decision.outcome == "confirmed"
        and not state.experiments[key].refused
    ]
    if not confirmed:
        return []
    decided = choose_champion([decision for _, decision in confirmed])
    place = next(place for place, decision in enumerate(decided) if decision.outcome == "champion")
    return [pe.ChampionChosen(key=confirmed[place][0], reason=decided[place].reason)]
