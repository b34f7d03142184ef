"""The `maintenance` job and the sensor `reconcile` that asks for it."""

import time
from datetime import UTC, datetime, timedelta

import dagster as dg

from autoresearch_dagster.containers.select import every_runner
from autoresearch_dagster.core.limits import MAINTENANCE_AGAIN_MAX_S, RECONCILE_EVERY_S
from autoresearch_dagster.core.resources import AGENT
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.defs.shown import end_lost_runs, lost_runs, show_results, unshown
from autoresearch_dagster.defs.tables import table
from autoresearch_dagster.defs.tags import resource_tags
from autoresearch_dagster.experiments.backoff import due, recall, retain
from autoresearch_dagster.experiments.maintain import Deed, catch_up, clear
from autoresearch_dagster.experiments.reconcile import Trouble, look
from autoresearch_dagster.store.store import open_store

NOT_ENDED = [
    status
    for status in dg.DagsterRunStatus
    if status not in (dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED)
]
COLUMNS = ("what", "which", "done")


def _tell(context: dg.OpExecutionContext, deeds: list[Deed]) -> None:
    for deed in deeds:
        say = context.log.info if deed.done else context.log.warning
        say(f"{deed.trouble.id}: {deed.trouble.said} {deed.said}")
    if not deeds:
        context.log.info("Nothing to do.")
    context.add_output_metadata(
        {
            "found": len(deeds),
            "left": sum(not deed.done for deed in deeds),
            "deeds": table(COLUMNS, ((str(deed.trouble.kind), deed.trouble.subject, deed.said) for deed in deeds)),
        }
    )


@dg.op(
    out=dg.Out(dg.Nothing),
    tags=resource_tags(AGENT),
    description="Removes the jobs, temporary folders and leases that dead processes left.",
)
def clear_what_died(context: dg.OpExecutionContext) -> None:
    """Clear first: what comes after may take long."""
    settings = load_settings()
    store, runners = open_store(settings), every_runner(settings)
    _tell(context, clear(settings, store, runners, look(settings, store, runners)))


@dg.op(
    ins={"before": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
    tags=resource_tags(AGENT),
    description="Ends runs whose worker is gone and fills partitions of results that Dagster does not show.",
)
def show_what_is_missing(context: dg.OpExecutionContext) -> None:
    """Make Dagster's own record follow the journal."""
    store = open_store(load_settings())
    ended = end_lost_runs(context.instance)
    shown = list(show_results(context.instance, store, context.log_event))
    for what in (*ended, *shown):
        context.log.info(what)
    context.add_output_metadata({"runs_ended": len(ended), "partitions_filled": len(shown)})


@dg.op(
    ins={"before": dg.In(dg.Nothing)},
    out=dg.Out(dg.Nothing),
    tags=resource_tags(AGENT),
    description="Projects the sessions that MLflow does not show as the journal has them.",
)
def catch_up_in_mlflow(context: dg.OpExecutionContext) -> None:
    """Last, because MLflow may be slow, or down."""
    settings = load_settings()
    store = open_store(settings)
    _tell(context, catch_up(settings, store, look(settings, store, [])))


@dg.job(
    executor_def=dg.in_process_executor,
    tags=resource_tags(AGENT),
    description="Puts right what dead processes left and what MLflow or Dagster do not show; safe at any time.",
)
def maintenance() -> None:
    """Clear, show, project; each may be repeated."""
    catch_up_in_mlflow(show_what_is_missing(clear_what_died()))


def _found(instance: dg.DagsterInstance) -> list[str]:
    settings = load_settings()
    store = open_store(settings)
    troubles: list[Trouble] = look(settings, store, every_runner(settings))
    return [
        *(trouble.id for trouble in troubles),
        *(f"lost run: {run.run_id}" for run in lost_runs(instance)),
        *(f"result not shown: {key}" for key in unshown(instance, store)),
    ]


def _is_under_way(instance: dg.DagsterInstance) -> bool:
    """Whether a request waits or works; one of long ago may belong to a daemon that died, and counts no more."""
    recent = datetime.now(UTC) - timedelta(seconds=MAINTENANCE_AGAIN_MAX_S)
    wanted = dg.RunsFilter(job_name=maintenance.name, statuses=NOT_ENDED, created_after=recent)
    return bool(instance.get_runs(wanted, limit=1))


@dg.sensor(
    job=maintenance,
    minimum_interval_seconds=RECONCILE_EVERY_S,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests `maintenance` when the journal shows that something was left behind; changes nothing.",
)
def reconcile(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
    """Look; ask at once for what is new, ever more seldom for what does not go away."""
    if _is_under_way(context.instance):
        return dg.SkipReason("Maintenance is under way.")
    found = sorted(_found(context.instance))
    asks, memory = due(found, recall(context.cursor), time.time())
    context.update_cursor(retain(memory))
    if not found:
        return dg.SkipReason("The journal, the machine, Dagster and MLflow agree.")
    if not asks:
        return dg.SkipReason(f"Asked for already, and waiting before it is asked for again: {'; '.join(found)}.")
    attempt = max(waiting.until for waiting in memory.values())
    return dg.SensorResult(run_requests=[dg.RunRequest(run_key=f"{found[0]}@{attempt:.0f}")])
