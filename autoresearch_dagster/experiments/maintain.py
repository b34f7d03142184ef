"""Put right what `reconcile` finds.

What it decides:

- A lost experiment gets no result.  Its plan stands in the journal, so the session's next dispatch runs it
  again, whoever drives it; maintenance removes what the dead driver left and frees its leases.
- A job or temporary folder is removed only under the lease of its experiment, and only if somebody held that
  lease before and is at work no more.  A job that no lease speaks of is not ours to judge.
- A session that is behind in MLflow is projected; where MLflow refuses, the sentence is reported and the
  sensor asks again later.

Everything may be done twice, beside running sessions, and by two processes at once.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from autoresearch_dagster.containers.protocol import Runner
from autoresearch_dagster.core.errors import AutoresearchError, StoreConflict
from autoresearch_dagster.core.folders import find_folders, remove_tree
from autoresearch_dagster.core.progress import counted
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.laboratory import KEY_LABEL, experiment_lease, scratch_prefix
from autoresearch_dagster.experiments.project import project
from autoresearch_dagster.experiments.reconcile import Kind, Trouble
from autoresearch_dagster.store.leases import this_process
from autoresearch_dagster.store.store import Store

OF_AN_EXPERIMENT = {Kind.LOST_EXPERIMENT, Kind.ORPHANED_JOB, Kind.STALE_FOLDER}


@dataclass(frozen=True, slots=True)
class Deed:
    """What was done about one trouble, in a sentence; `done` is false where it has to be tried again."""

    trouble: Trouble
    done: bool
    said: str


def clear(settings: Settings, store: Store, runners: Sequence[Runner], troubles: Iterable[Trouble]) -> list[Deed]:
    """Remove what dead processes left: jobs and folders first, then the leases that led here."""
    deeds: list[Deed] = []
    cleared: dict[str, Deed] = {}
    for trouble in troubles:
        if trouble.kind in OF_AN_EXPERIMENT:
            deed = cleared.get(trouble.subject) or _clear_experiment(settings, store, runners, trouble)
            cleared[trouble.subject] = deed
            deeds.append(Deed(trouble, deed.done, deed.said))
        elif trouble.kind is Kind.ABANDONED_LEASE:
            deeds.append(_free(settings, store, runners, trouble))
    return deeds


def catch_up(settings: Settings, store: Store, troubles: Iterable[Trouble]) -> list[Deed]:
    """Project the sessions that are behind."""
    deeds: list[Deed] = []
    for trouble in troubles:
        if trouble.kind is Kind.MLFLOW_BEHIND:
            problem = project(settings, store, trouble.subject)
            deeds.append(Deed(trouble, not problem, problem or "MLflow shows the session as the journal has it."))
    return deeds


def _clear_experiment(settings: Settings, store: Store, runners: Sequence[Runner], trouble: Trouble) -> Deed:
    key = trouble.subject
    try:
        with store.leases.hold(experiment_lease(key), this_process()):
            jobs = sum(runner.reap({KEY_LABEL: key}) for runner in runners)
            folders = find_folders(scratch_prefix(settings, key))
            for folder in folders:
                remove_tree(folder)
    except StoreConflict:
        return Deed(trouble, True, "Somebody is at work on it again; left alone.")
    except AutoresearchError as fault:
        return Deed(trouble, False, str(fault))
    removed = f"{counted(jobs, 'job')} and {counted(len(folders), 'folder')}"
    return Deed(trouble, True, f"Removed {removed}; its lease is free.")


def _free(settings: Settings, store: Store, runners: Sequence[Runner], trouble: Trouble) -> Deed:
    key = trouble.subject.removeprefix(experiment_lease(""))
    if key != trouble.subject:  # of an experiment that has its result, or that is in no session
        return _clear_experiment(settings, store, runners, Trouble(trouble.kind, key, trouble.said))
    with suppress(StoreConflict):
        store.leases.release(store.leases.acquire(trouble.subject, this_process()))
    return Deed(trouble, True, "It is free.")
