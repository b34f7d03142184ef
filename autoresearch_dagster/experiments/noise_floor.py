"""The noise floor of a session: the baseline at several seeds, before the agent plans anything.

It is kept for the next session on the same terms.  From it follows the budget, too: what the baseline needed for
its steps on this machine, times `BASELINE_TIMES`.
"""

import contextlib
import math
import platform
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import StoreUnavailable
from autoresearch_dagster.core.experiment import (
    Data,
    Digest,
    ExperimentKey,
    Label,
    PlannedExperiment,
    Purpose,
    TrainConfig,
    canonical_json,
    digest_of,
)
from autoresearch_dagster.core.folders import write_whole
from autoresearch_dagster.core.judgement import NoiseFloor
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.evaluation.receipt import EVALUATOR_VERSION, Receipt
from autoresearch_dagster.evaluation.spending import FLOOR_SEEDS, PLANS
from autoresearch_dagster.experiments.arms import arm_of
from autoresearch_dagster.experiments.laboratory import Laboratory
from autoresearch_dagster.store import events as ev, promotion_events as pe
from autoresearch_dagster.store.leaderboard import BASELINE
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.store.store import Store


class Terms(Data):
    """What a noise floor holds for; another one of any of these is measured anew."""

    bundle: str
    preset: str
    scored_rows: int
    train_py: Digest
    config: TrainConfig
    n_seeds: int
    image: str
    runner: str
    machine: str
    evaluator: str

    @property
    def digest(self) -> Digest:
        """Name the terms by their content."""
        return digest_of(canonical_json(self.model_dump(mode="json")))


def terms_of(state: SessionState, lab: Laboratory) -> Terms:
    """Say what the noise floor of a session holds for."""
    budget = min(state.config.time_budget_sec, lab.preset.config.time_budget_sec)
    return Terms(
        bundle=lab.bundle.digest,
        preset=lab.preset.name,
        scored_rows=lab.preset.scored_rows,
        train_py=digest_of(lab.baseline),
        config=lab.preset.config.model_copy(update={"time_budget_sec": budget}),
        n_seeds=FLOOR_SEEDS[lab.preset.name],
        image=lab.image,
        runner=lab.runner.name,
        machine=" ".join([platform.node(), platform.machine(), *lab.accelerators()]),
        evaluator=EVALUATOR_VERSION,
    )


def floor_events(state: SessionState, lab: Laboratory) -> list[ev.Event]:
    """Return what comes next for a session without a noise floor: none of its trainings is unfinished.

    Raises:
        EvaluationFault: the trainings cannot be compared.
    """
    terms = terms_of(state, lab)
    trained = [one for one in state.trainings.values() if one.planned.purpose is Purpose.NOISE_FLOOR]
    known = find_floor(terms, lab) if not trained else None
    if known is not None:
        return [known.model_copy(update={"cached": True})]
    scored = [one for one in trained if one.result is not None and one.result.accepted]
    tried_enough = state.floor_tries >= limits.FLOOR_TRIES
    if len(scored) >= terms.n_seeds or (tried_enough and len(scored) > 1):
        return [_measured(scored, terms, lab)]
    if tried_enough:
        return [ev.SessionPaused(reason=_why(trained), trouble=True)]
    return [pe.FloorPlanned(planned=tuple(_plan(state, terms, lab, len(trained), terms.n_seeds - len(scored))))]


def _plan(
    state: SessionState, terms: Terms, lab: Laboratory, first_seed: int, n_seeds: int
) -> Sequence[PlannedExperiment]:
    code = lab.store.blobs.put(lab.baseline)
    return [
        PlannedExperiment(
            key=ExperimentKey(f"s{state.number:02d}_d00_n{seed + 1:02d}"),
            title=BASELINE,
            revision=0,
            train_py=code,
            config=terms.config.model_copy(update={"seed": seed}),
            purpose=Purpose.NOISE_FLOOR,
        )
        for seed in range(first_seed, first_seed + n_seeds)
    ]


def _why(trained: Sequence[Experiment]) -> str:
    errors = [one.result.error for one in trained if one.result is not None and not one.result.accepted]
    return (
        f"the baseline has a score at too few seeds to measure the noise ({errors[0] if errors else 'no result'}); "
        "put that right and resume"
    )


def _measured(scored: Sequence[Experiment], terms: Terms, lab: Laboratory) -> pe.FloorMeasured:
    from autoresearch_dagster.evaluation.noise import measure_noise_floor

    results = [one.result for one in scored if one.result is not None]
    found = pe.FloorMeasured(
        floor=measure_noise_floor(arm_of(results, lab), PLANS[lab.preset.name]),
        budget_s=_budget_s(scored, terms.config.time_budget_sec, cpu_metered=lab.preset.cpu_metered),
        trainings=tuple(
            pe.FloorTraining(planned=one.planned, result=one.result) for one in scored if one.result is not None
        ),
        terms=terms.digest,
    )
    with contextlib.suppress(OSError):  # what cannot be kept is measured again
        write_whole(_path(terms, lab), canonical_json(found.model_dump(mode="json")))
    return found


def _budget_s(scored: Sequence[Experiment], asked_s: int, *, cpu_metered: bool) -> int:
    """Return the seconds that every experiment may train; all that was asked for if the baseline was starved."""
    results = [one.result for one in scored if one.result is not None]
    if any(Label.STARVED in result.labels for result in results):
        return asked_s
    needed = max(result.cpu_sec if cpu_metered else result.duration_sec for result in results)
    return max(1, min(asked_s, math.ceil(limits.BASELINE_TIMES * needed)))


def find_floor(terms: Terms, lab: Laboratory) -> pe.FloorMeasured | None:
    """Return what an earlier session measured on these terms; None if nothing is kept or it cannot be used."""
    try:
        found = pe.FloorMeasured.model_validate_json(_path(terms, lab).read_bytes())
        for training in found.trainings:
            if training.result.receipt is not None:
                lab.store.blobs.require(training.result.receipt)
    except (OSError, ValidationError, StoreUnavailable):
        return None
    return found if found.terms == terms.digest else None


def floor_for(receipt: Receipt, settings: Settings, store: Store) -> NoiseFloor | None:
    """Return a noise floor that a score may be judged by: same bundle, as many steps, on no more rows."""
    for path in sorted(_folder(settings).glob("*.json")):
        with contextlib.suppress(OSError, ValidationError, StoreUnavailable):
            found = pe.FloorMeasured.model_validate_json(path.read_bytes())
            first = found.trainings[0].result.receipt
            theirs = Receipt.model_validate_json(store.blobs.get(first)) if first else None
            if theirs is None or theirs.n_rows > receipt.n_rows:
                continue
            if (theirs.bundle, theirs.config.max_steps) == (receipt.bundle, receipt.config.max_steps):
                return found.floor
    return None


def _path(terms: Terms, lab: Laboratory) -> Path:
    return _folder(lab.settings) / f"{terms.digest[:16]}.json"


def _folder(settings: Settings) -> Path:
    return settings.home.resolve() / "floors"
