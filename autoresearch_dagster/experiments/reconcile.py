"""Look for what does not agree with the journal: what dead processes left, what MLflow does not show yet.

Looking changes nothing and needs neither MLflow nor a bundle, so that a sensor may do it again and again.  A
session that somebody drives now is left to its driver, and for a while so is what the next driver can go on with.
"""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from autoresearch_dagster.containers.protocol import Runner
from autoresearch_dagster.core.folders import find_folders
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.attempt_record import keys_under_way
from autoresearch_dagster.experiments.laboratory import KEY_LABEL, experiment_lease, scratch_prefix
from autoresearch_dagster.experiments.project import is_behind
from autoresearch_dagster.experiments.session import lease_name
from autoresearch_dagster.store.leases import Lease
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store


class Kind(StrEnum):
    """What is wrong; the values are words for a person."""

    LOST_EXPERIMENT = "lost experiment"
    ORPHANED_JOB = "orphaned job"
    STALE_FOLDER = "stale folder"
    ABANDONED_LEASE = "abandoned lease"
    MLFLOW_BEHIND = "MLflow behind"


@dataclass(frozen=True, slots=True)
class Trouble:
    """One thing to put right.

    `subject` is the key of an experiment, the name of a lease or the id of a session; `said` is a sentence.
    """

    kind: Kind
    subject: str
    said: str

    @property
    def id(self) -> str:
        """Tell one trouble from another, also at the next look."""
        return f"{self.kind}: {self.subject}"


def look(settings: Settings, store: Store, runners: Sequence[Runner]) -> list[Trouble]:
    """Return everything that maintenance would put right now."""
    states = [store.journal.state(session) for session in store.journal.sessions()]
    driven = {state.id for state in states if store.leases.holder(lease_name(state.id)) is not None}
    watched = {str(key) for state in states if state.id in driven for key in state.everything}
    resting = [state for state in states if state.id not in driven]
    planned = {str(one.planned.key) for state in resting for one in state.unfinished}
    under_way = keys_under_way(settings) & planned  # what the next driver goes on with
    found = [
        *_abandoned(store.leases.abandoned(), resting, watched | under_way),
        *_orphans(store, runners, watched, under_way),
        *_folders(settings, store, watched | under_way),
        *_behind(settings, store, resting),
    ]
    return list({trouble.id: trouble for trouble in found}.values())


def _abandoned(leases: list[Lease], resting: list[SessionState], watched: set[str]) -> Iterator[Trouble]:
    for lease in leases:
        key = _key_of(lease)
        if key in watched:
            continue
        lost = next((state for state in resting if key and _is_unfinished(state, key)), None)
        if lost is None:
            yield Trouble(Kind.ABANDONED_LEASE, lease.name, f"{lease.owner} ended without giving it back.")
        else:
            yield Trouble(Kind.LOST_EXPERIMENT, key, f"Its driver {lease.owner} ended before it; {_next(lost)}.")


def _key_of(lease: Lease) -> str:
    prefix = experiment_lease("")
    return lease.name.removeprefix(prefix) if lease.name.startswith(prefix) else ""


def _is_unfinished(state: SessionState, key: str) -> bool:
    return any(experiment.planned.key == key for experiment in state.unfinished)


def _next(state: SessionState) -> str:
    """Say who runs a lost experiment again: the plan stands in the journal, so nobody has to decide anything."""
    resume = f"`autoresearch run --memory-key {state.config.memory_key}`"
    if state.status == "active" and state.driver == "daemon":
        return "the sensor next_batch asks for the dispatch that runs it again"
    if state.status == "active":
        return f"{resume} runs it again"
    return f"it runs again when the {state.status} session is resumed"


def _orphans(store: Store, runners: Sequence[Runner], watched: set[str], under_way: set[str]) -> Iterator[Trouble]:
    for runner in runners:
        kept = watched | under_way if runner.outlives_driver else watched
        for key in sorted(runner.labelled(KEY_LABEL) - kept):
            if store.leases.is_over(experiment_lease(key)):
                yield Trouble(Kind.ORPHANED_JOB, key, f"A {runner.name} job runs or lies about without a driver.")


def _folders(settings: Settings, store: Store, watched: set[str]) -> Iterator[Trouble]:
    prefix = scratch_prefix(settings)
    for folder in find_folders(prefix):
        key = folder.name.removeprefix(prefix).rpartition("-")[0]
        if key and key not in watched and store.leases.is_over(experiment_lease(key)):
            yield Trouble(Kind.STALE_FOLDER, key, f"Temporary folders in {tempfile.gettempdir()} have no driver.")


def _behind(settings: Settings, store: Store, resting: list[SessionState]) -> Iterator[Trouble]:
    for state in resting:
        if is_behind(settings, store, state):
            yield Trouble(Kind.MLFLOW_BEHIND, state.id, "The journal holds more than MLflow shows.")
