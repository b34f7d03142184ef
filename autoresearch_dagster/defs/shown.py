"""Where Dagster's own record is behind the journal: runs without a worker, results without a partition."""

from collections.abc import Callable, Iterator

import dagster as dg

from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.defs.experiments import partition_event
from autoresearch_dagster.defs.partitions import experiment_partitions
from autoresearch_dagster.experiments.session import lease_name
from autoresearch_dagster.store.leases import is_dead, this_process
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store

WORKER_TAG = "autoresearch/worker"
UNDER_WAY = [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.CANCELING]


def tag_worker(instance: dg.DagsterInstance, run_id: str, **tags: str) -> None:
    """Write on a run which process works on it, so that its death can be told even after a restart."""
    instance.add_run_tags(run_id, {WORKER_TAG: this_process(), **tags})


def lost_runs(instance: dg.DagsterInstance) -> list[dg.DagsterRun]:
    """Return the runs that Dagster holds for running and whose worker is known to have died."""
    under_way = instance.get_runs(dg.RunsFilter(statuses=UNDER_WAY))
    return [run for run in under_way if WORKER_TAG in run.tags and is_dead(run.tags[WORKER_TAG])]


def end_lost_runs(instance: dg.DagsterInstance) -> list[str]:
    """Mark lost runs as failed: their sessions wait for that.  Return a line for each."""
    ended: list[str] = []
    for run in lost_runs(instance):
        instance.report_run_failed(run, f"Its worker {run.tags[WORKER_TAG]} died; the next run goes on.")
        ended.append(f"lost run: {run.run_id}: its worker {run.tags[WORKER_TAG]} died; marked as failed.")
    return ended


def unshown(instance: dg.DagsterInstance, store: Store) -> dict[str, SessionState]:
    """Return the keys of results whose partitions are not filled, of sessions that nobody drives now."""
    filled = instance.get_materialized_partitions(dg.AssetKey("experiment"))
    missing: dict[str, SessionState] = {}
    for found in store.journal.summaries():
        if found.archived or not found.trained or store.leases.holder(lease_name(found.session)) is not None:
            continue
        # A count needs no folding of the session, which is needed only where something is missing.
        if sum(key.startswith(f"{found.session}_") for key in filled) < found.trained:
            state = store.journal.state(found.session)
            keys = (key for key, one in state.everything.items() if one.result is not None)
            missing |= {key: state for key in keys if key not in filled}
    return missing


def show_results(
    instance: dg.DagsterInstance, store: Store, emit: Callable[[dg.AssetMaterialization], None]
) -> Iterator[str]:
    """Fill the partitions of results that a dead worker did not show; yield a line for each."""
    missing = unshown(instance, store)
    instance.add_dynamic_partitions(experiment_partitions.name or "experiment", list(missing))
    for name, state in missing.items():
        key = ExperimentKey(name)
        emit(partition_event(state, key, store.blobs))
        yield f"result not shown: {key}: its partition is filled from the journal."
