"""Drive a session from the command line: the same job, dispatch after dispatch, without a daemon."""

import time
from collections.abc import Callable, Mapping
from typing import Any

import dagster as dg
from dagster._core.instance.ref import InstanceRef  # it has no public name
from filelock import FileLock

from autoresearch_dagster.core.dagster_home import use_dagster_home
from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.core.limits import ASLEEP_LOOK_S
from autoresearch_dagster.core.progress import Amount, Report
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.defs.interrupts import interrupts_noted
from autoresearch_dagster.defs.research import DRIVER_TAG, research
from autoresearch_dagster.defs.tags import memory_key_tag
from autoresearch_dagster.experiments.desk import Desk
from autoresearch_dagster.experiments.session import open_session
from autoresearch_dagster.reports.board import Board
from autoresearch_dagster.store.events import SessionConfig
from autoresearch_dagster.store.journal import utc_now
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import open_store


def _reason(result: dg.ExecuteInProcessResult) -> str:
    for event in result.all_events:
        if event.is_step_failure:
            failure = event.step_failure_data
            described = failure.user_failure_data
            if described is not None and described.description:
                return described.description
            fault = failure.error
            while fault is not None and fault.cause is not None:
                fault = fault.cause
            return fault.message.strip() if fault else "a step failed"
    return "the run failed"


UNRECORDED: Mapping[str, Any] = {
    "compute_logs": {
        "module": "dagster.core.storage.noop_compute_log_manager",
        "class": "NoOpComputeLogManager",
    }
}
"""A person reads the terminal.  To record it, Dagster would turn standard output to a file while a step runs, with
processes of its own that greet a Ctrl-C with a traceback."""


def open_instance(settings: Settings) -> dg.DagsterInstance:
    """Open Dagster's instance, one process at a time: two that create its tables at once leave them unusable."""
    home = use_dagster_home(settings)
    with FileLock(home / ".opening.lock"):
        instance = dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(home), overrides=UNRECORDED))
        for storage in (instance.run_storage, instance.event_log_storage, instance.schedule_storage):
            assert storage is not None  # each makes its tables when it is first asked for
    return instance


def drive(
    config: SessionConfig,
    settings: Settings,
    board: Board,
    report: Report,
    on_dispatch: Callable[[SessionState], None],
) -> SessionState:
    """Run dispatch after dispatch until the session is finished; return it as it then stands.

    Raises:
        AutoresearchError: a dispatch could not be run; the text is the reason.
        KeyboardInterrupt: the person stopped it; whoever catches it pauses the session.
    """
    report = _once(report)
    instance = open_instance(settings)
    open_session(open_store(settings), settings, config, "cli", report)
    flat: dict[str, object] = {**config.model_dump(exclude_none=True), "quiet": True}
    while True:
        with interrupts_noted() as noted, Desk(settings, board, report, interrupted=noted) as desk:
            if _run_once(desk, instance, flat, {DRIVER_TAG: "cli", **memory_key_tag(config.memory_key)}) or noted():
                raise KeyboardInterrupt
            state = desk.state()
        on_dispatch(state)
        if state.status == "finished":
            return state
        if state.status == "paused":
            raise AutoresearchError(f"The session {state.config.memory_key!r} is paused: {state.reason}.")
        _await_model(state, settings, report)
        flat = {"session": state.id, "quiet": True}


def _await_model(state: SessionState, settings: Settings, report: Report) -> None:
    """Wait until the model may be asked again, or somebody ended the session meanwhile."""
    journal = open_store(settings).journal
    told = False
    while state.status == "active" and state.asleep_until is not None and utc_now() < state.asleep_until:
        if not told:
            report(f"The model is asked again at {state.asleep_until.astimezone():%H:%M:%S}; Ctrl-C pauses.")
            told = True
        time.sleep(ASLEEP_LOOK_S)
        state = journal.state(state.id)


def _once(report: Report) -> Report:
    """Tell each line once: every dispatch finds the same bundle and the same runner."""
    told: set[str] = set()

    def tell(line: str | Amount) -> None:
        if isinstance(line, Amount):
            report(line)
        elif line not in told and not line.endswith("already built"):
            told.add(line)
            report(line)

    return tell


def _was_interrupted(result: dg.ExecuteInProcessResult) -> bool:
    """Whether the keyboard ended the run: with `raise_on_error=False` Dagster reports that as an event."""
    failures = [event.job_failure_data for event in result.all_events if event.is_job_failure]
    reasons = [failure.failure_reason for failure in failures if failure.failure_reason is not None]
    return any(reason.value == "UNEXPECTED_TERMINATION" for reason in reasons)


def _run_once(desk: Desk, instance: dg.DagsterInstance, flat: dict[str, object], tags: Mapping[str, str]) -> bool:
    """Execute one run of the job; whether the person interrupted it."""
    try:
        result = research.execute_in_process(
            run_config=flat,
            instance=instance,
            tags=tags,
            resources={"desk": desk},
            raise_on_error=False,
        )
    except (KeyboardInterrupt, dg.DagsterExecutionInterruptedError):
        return True
    if _was_interrupted(result):
        return True
    if not result.success:
        raise AutoresearchError(_reason(result))
    return False
