"""Run one candidate outside any session: a key of its own, a slot leased, nothing in the journal."""

import dataclasses
import uuid
from collections.abc import Callable

from autoresearch_dagster.containers.machine_slots import still_in
from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult, PlannedExperiment
from autoresearch_dagster.experiments.laboratory import Laboratory, experiment_lease
from autoresearch_dagster.experiments.run_one import run_planned
from autoresearch_dagster.experiments.scoring import Attempt
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.slots import OUTSIDE
from autoresearch_dagster.training.job import Halt, OnProgress

KEY_CHARS = 12  # random ones; two at once share no container and no folder


def outside_key(of: str = "") -> ExperimentKey:
    """Make a key that no session allots; `of` is the experiment that is run again."""
    return ExperimentKey(f"x_{f'{of}_' if of else ''}{uuid.uuid4().hex[:KEY_CHARS]}")


def run_outside(
    planned: PlannedExperiment,
    lab: Laboratory,
    attempt: Attempt,
    on_progress: OnProgress,
    on_stage: Callable[[str], None],
) -> ExperimentResult:
    """Train and score a candidate under a key of `outside_key`, as `attempt` says but on a slot that is free.

    Raises:
        NoSlot: this machine has nothing to run it on.
        AutoresearchError: a fault of ours; it may be tried again.
    """
    owner, slots = this_process(), lab.slots()
    with (
        lab.store.leases.hold(experiment_lease(planned.key), owner),
        lab.store.slots.slot(OUTSIDE, owner, lambda: still_in(lab.settings, slots), lambda: False) as slot,
    ):
        attempt = dataclasses.replace(attempt, slot=slot, n_slots=len(slots))
        try:
            return run_planned(planned, lab, attempt, on_progress, on_stage, lambda: Halt.NO)
        finally:
            lab.sweep(planned.key)
