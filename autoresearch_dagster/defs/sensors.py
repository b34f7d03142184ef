"""`next_batch`: keeps active daemon sessions going, one Dagster run for each dispatch."""

import logging
from collections.abc import Iterator, Sequence

import dagster as dg

from autoresearch_dagster.core.settings import Settings, load_settings
from autoresearch_dagster.defs.desk import TERMINATED
from autoresearch_dagster.defs.research import SESSION_TAG, research
from autoresearch_dagster.defs.tags import memory_key_tag
from autoresearch_dagster.experiments.notes import note_end
from autoresearch_dagster.experiments.report import keep_report
from autoresearch_dagster.experiments.session import lease_name, pause, stop_experiments
from autoresearch_dagster.store.journal import utc_now
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store, open_store

logger = logging.getLogger(__name__)
DISPATCH_TAG = "autoresearch/dispatch"
ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
FAILURES_IN_A_ROW = 3


def _ended_runs(instance: dg.DagsterInstance, session: str, dispatch: str) -> Sequence[dg.RunRecord]:
    tags = {SESSION_TAG: session, DISPATCH_TAG: dispatch}
    return instance.get_run_records(dg.RunsFilter(tags=tags, statuses=ENDED))


def _was_terminated(ended: Sequence[dg.RunRecord], state: SessionState) -> bool:
    """Whether a person ended the last run by force, so that its worker could not say so in the journal."""
    if not ended or ended[0].dagster_run.status is not dg.DagsterRunStatus.CANCELED:
        return False
    told_at = state.updated_at.timestamp() if state.updated_at else 0.0
    return (ended[0].end_time or 0.0) > told_at


def _requests(instance: dg.DagsterInstance, settings: Settings, store: Store) -> Iterator[dg.RunRequest]:
    for found in store.journal.summaries():
        session = found.session
        if found.status != "active" or found.driver != "daemon" or store.leases.holder(lease_name(session)):
            continue
        state = store.journal.state(session)
        if state.asleep_until is not None and utc_now() < state.asleep_until:
            continue  # the model asked to be left alone until then
        # Dagster never launches a used run_key again, so it names the attempt at this dispatch too.
        dispatch = state.stage
        since = state.resumed_at.timestamp() if state.resumed_at else 0.0
        ever = _ended_runs(instance, session, dispatch)
        ended = [run for run in ever if run.end_time is None or run.end_time > since]
        if _was_terminated(ended, state):
            stop_experiments(session, store, TERMINATED)
            keep_report(settings, store, session)
            continue
        if len(ended) >= FAILURES_IN_A_ROW:
            reason = f"dispatch {dispatch} ended unsettled {len(ended)} times; see its runs"
            pause(session, store, reason, trouble=True)
            if unsent := note_end(settings, store, session):
                logger.warning(unsent)
            keep_report(settings, store, session)
            continue
        yield dg.RunRequest(
            run_key=f"{session}:{dispatch}:{len(ever)}",
            run_config={"session": session},
            tags={SESSION_TAG: session, DISPATCH_TAG: dispatch, **memory_key_tag(state.config.memory_key)},
        )


@dg.sensor(
    job=research,
    minimum_interval_seconds=5,
    default_status=dg.DefaultSensorStatus.RUNNING,
    description="Requests the next dispatch of every active session that nobody drives now.",
)
def next_batch(context: dg.SensorEvaluationContext) -> list[dg.RunRequest] | dg.SkipReason:
    """Look at the journal and request runs."""
    settings = load_settings()
    requests = list(_requests(context.instance, settings, open_store(settings)))
    return requests or dg.SkipReason("No active session waits for its next dispatch.")
