"""Which trainings a confirmation takes: who deserves one, at which seeds, and whether the session can afford it."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import (
    Digest,
    ExperimentKey,
    PlannedExperiment,
    Purpose,
    TrainConfig,
)
from autoresearch_dagster.core.presets import Preset
from autoresearch_dagster.evaluation.spending import PLANS
from autoresearch_dagster.store import promotion_events as pe
from autoresearch_dagster.store.leaderboard import BASELINE
from autoresearch_dagster.store.state import Experiment, SessionState


@dataclass(frozen=True, slots=True)
class Contender:
    """A candidate, or the baseline (no key), as it is trained at any seed."""

    key: ExperimentKey | None
    title: str
    revision: int
    train_py: Digest
    config: TrainConfig
    purpose: Purpose = Purpose.CONFIRMATION

    def at(self, seed: int, key: ExperimentKey) -> PlannedExperiment:
        """Plan its training at a seed."""
        return PlannedExperiment(
            key=key,
            title=self.title,
            revision=self.revision,
            train_py=self.train_py,
            config=self.config.model_copy(update={"seed": seed}),
            parent_title=self.title if self.key else None,
            purpose=self.purpose,
            trains=self.key,
        )


def contender(experiment: Experiment) -> Contender:
    """Return a candidate as a contender."""
    planned = experiment.planned
    return Contender(planned.key, planned.title, planned.revision, planned.train_py, planned.config)


def champion_of(state: SessionState) -> Contender:
    """Return what candidates are compared with."""
    return contender(state.champion) if state.champion is not None else baseline_of(state)


def baseline_of(state: SessionState) -> Contender:
    """Return what research started from, at the session's budget."""
    assert state.floor is not None
    planned = state.floor.trainings[0].planned
    config = planned.config.model_copy(update={"time_budget_sec": state.floor.budget_s})
    return Contender(None, BASELINE, planned.revision, planned.train_py, config)


def trained_at(state: SessionState, who: Contender, seeds: Iterable[int]) -> list[Experiment]:
    """Return the trainings of a contender at these seeds, as far as they were planned, in their order."""
    found = {
        one.planned.candidate: one
        for one in state.trainings.values()
        if one.planned.purpose is who.purpose and one.planned.trains == who.key
    }
    wanted = (who.at(seed, ExperimentKey("")).candidate for seed in seeds)
    return [found[candidate] for candidate in wanted if candidate in found]


def unscored(trained: Iterable[Experiment]) -> Experiment | None:
    """Return the first training without a score of record, if there is one."""
    return next((one for one in trained if one.result is None or not one.result.accepted), None)


def how_it_ended(experiment: Experiment) -> str:
    """Say how a training without a score ended; `agent.history` fences a candidate's words by this form."""
    result = experiment.result
    return f"{result.ending}: {result.error}" if result is not None else "no result"


def seeds_of(state: SessionState, n_seeds: int) -> tuple[int, ...]:
    """Return the first seeds at which candidates are compared with this champion."""
    first = limits.FIRST_CONFIRMATION_SEED + limits.SEEDS_OF_A_REIGN * len(state.reigns)
    return tuple(range(first, first + n_seeds))


def longest_times(purpose: Purpose) -> int:
    """Say how many times the preset's budget a training may take."""
    return limits.WIDTH_BUDGET_TIMES if purpose is Purpose.SCALE_TRANSFER else 1


def granted(preset: Preset, allotted: int) -> int:
    """Count the trainings that confirmations may take in all; one whole confirmation is always granted."""
    return max(2 * PLANS[preset.name].seeds[0], math.floor(preset.confirmation_share * allotted))


def spent(state: SessionState) -> int:
    """Count the trainings that confirmations have taken."""
    return sum(one.planned.purpose is Purpose.CONFIRMATION for one in state.trainings.values())


@dataclass(slots=True)
class _Plan:
    """Trainings as they are added, under keys that follow on those of the session; the first has this number."""

    prefix: str
    first: int
    planned: list[PlannedExperiment] = field(default_factory=list[PlannedExperiment])

    def missing(self, state: SessionState, who: Contender, seeds: Sequence[int]) -> list[PlannedExperiment]:
        """Return what is neither trained nor planned here."""
        there = {one.planned.candidate for one in trained_at(state, who, seeds)}
        there |= {one.candidate for one in self.planned if one.trains == who.key}
        found: list[PlannedExperiment] = []
        for seed in seeds:
            key = ExperimentKey(f"{self.prefix}_c{self.first + len(self.planned) + len(found):02d}")
            if who.at(seed, key).candidate not in there:
                found.append(who.at(seed, key))
        return found


def plan_confirmation(
    state: SessionState, preset: Preset, waiting: Sequence[Experiment], n_seeds: int
) -> pe.ConfirmationPlanned:
    """Plan as many candidates as the session can afford, those with the largest gains first."""
    seeds, left = seeds_of(state, n_seeds), granted(preset, state.allotted) - spent(state)
    plan = _Plan(f"s{state.number:02d}_d{state.dispatches:02d}", spent(state) + 1)
    champion = champion_of(state)
    chosen: list[ExperimentKey] = []
    left_out: list[ExperimentKey] = []
    for one in sorted(waiting, key=_gain, reverse=True):
        start = len(plan.planned)
        for who in (champion, contender(one)):
            plan.planned += plan.missing(state, who, seeds)
        if len(plan.planned) > left:
            del plan.planned[start:]
            left_out.append(one.planned.key)
        else:
            chosen.append(one.planned.key)
    return pe.ConfirmationPlanned(
        dispatch=state.dispatches,
        against=champion.key,
        candidates=tuple(chosen),
        left_out=tuple(left_out),
        seeds=seeds,
        planned=tuple(plan.planned),
    )


def _gain(experiment: Experiment) -> float:
    return experiment.decision.gain_bpb if experiment.decision else 0.0
