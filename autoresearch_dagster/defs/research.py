"""The `research` job: one dispatch of a session, its experiments as dynamic outputs."""

from collections.abc import Iterator

import dagster as dg
from dagster._core.errors import DagsterExecutionInterruptedError  # it has no public name

from autoresearch_dagster.core.errors import AutoresearchError, BundleError, StoreConflict
from autoresearch_dagster.core.experiment import ExperimentKey
from autoresearch_dagster.core.progress import in_lines
from autoresearch_dagster.core.resources import AGENT, EXPERIMENT
from autoresearch_dagster.data.layout import Bundle
from autoresearch_dagster.defs.assets import leaderboard_metadata, receipts_evaluation, report_metadata
from autoresearch_dagster.defs.bundle_log import tell_bundle
from autoresearch_dagster.defs.config import HALTS, ResearchConfig, flat_research_config
from autoresearch_dagster.defs.desk import desk_resource
from autoresearch_dagster.defs.dispatch_story import dispatch_metadata, plan_metadata, stage_line, thought, where
from autoresearch_dagster.defs.experiments import headline, partition_event
from autoresearch_dagster.defs.partitions import experiment_partitions
from autoresearch_dagster.defs.shown import tag_worker
from autoresearch_dagster.defs.tags import memory_key_tag, resource_tags
from autoresearch_dagster.defs.versions import leaderboard_provenance
from autoresearch_dagster.experiments.desk import Desk
from autoresearch_dagster.experiments.notes import note_end
from autoresearch_dagster.experiments.project import project
from autoresearch_dagster.experiments.report import freshen_report, keep_report
from autoresearch_dagster.experiments.session import open_session
from autoresearch_dagster.experiments.steering import ask_halt, steer
from autoresearch_dagster.reports.board import Board

SESSION_TAG = "autoresearch/session"
DRIVER_TAG = "autoresearch/driver"


@dg.op(
    out=dg.DynamicOut(str),
    required_resource_keys={"desk"},
    tags=resource_tags(AGENT),
    description="The agent thinks until it has planned experiments; each becomes a dynamic output.",
)
def advance_session(context: dg.OpExecutionContext, config: ResearchConfig) -> Iterator[dg.DynamicOutput[str]]:
    """Advance the session by one dispatch."""
    desk: Desk = context.resources.desk
    driver = "cli" if context.run.tags.get(DRIVER_TAG) == "cli" else "daemon"
    report = desk.report or in_lines(context.log.info)
    named = {} if config.session else memory_key_tag(config.memory_key)  # who set the session named it already
    tag_worker(context.instance, context.run_id, **named)
    try:
        if config.steer or config.halt:
            report(_told(config, desk))
            return
        session = (
            config.session or open_session(desk.store, desk.settings, config.session_config(), driver, report).id
        )
        tag_worker(context.instance, context.run_id, **{SESSION_TAG: session})
        keys = desk.advance(session, context.run_id, report, lambda bundle: _tell_bundle(context, bundle))
    except StoreConflict as fault:
        if not config.session:
            raise dg.Failure(str(fault), allow_retries=False) from fault
        report(f"Nothing to do: {fault}")  # the sensor looked just before another run took the session
        return
    except AutoresearchError as fault:
        raise dg.Failure(str(fault), allow_retries=False) from fault
    state = desk.state()
    context.log.info(thought(state))
    _warn(context, freshen_report(desk.settings, desk.store, state.id))
    context.instance.add_dynamic_partitions(experiment_partitions.name or "experiment", keys)
    for key in keys:
        yield dg.DynamicOutput(str(key), mapping_key=str(key), metadata=plan_metadata(state, key))


def _told(config: ResearchConfig, desk: Desk) -> str:
    """Pass on what a person wants of a session that goes on elsewhere; say what was done."""
    done: list[str] = []
    if config.steer:
        steer(desk.settings, config.memory_key, config.steer)
        done.append("the agent reads the note in its next turn")
    if config.halt:
        end, kill = HALTS[config.halt]
        state = ask_halt(desk.settings, config.memory_key, end, kill=kill)
        done.append(f"it is {state.status}" if state.asked is None else f"it is to {end} at its next step")
    return f"{config.memory_key}: {'; '.join(done)}."


def _tell_bundle(context: dg.OpExecutionContext, bundle: Bundle) -> None:
    """Fill the pages of the bundle's assets; research goes on without them."""
    desk: Desk = context.resources.desk

    def emit(event: dg.AssetMaterialization | dg.AssetCheckEvaluation) -> None:
        context.log_event(event)  # pyright: ignore[reportArgumentType] (it takes them; its type does not say so)
        if isinstance(event, dg.AssetCheckEvaluation) and not event.passed:
            context.log.warning(f"The bundle fails its check {event.check_name}: {event.description}")

    try:
        if left := tell_bundle(context.instance, bundle, desk.state(), emit):
            context.log.info(left)
    except (BundleError, OSError, ValueError) as fault:  # of files that are gone or damaged
        context.log.warning(f"The pages of the bundle's assets are not filled: {fault}")


def _tell_stages(context: dg.OpExecutionContext, board: Board) -> None:
    """Log which experiment came where, whichever this step waits for: steps wait one after the other."""
    for card in board.news():
        if card.stage not in ("starting", "done"):
            context.log.info(stage_line(card))


def _look(context: dg.OpExecutionContext, desk: Desk) -> None:
    """Tell what is new while an experiment is waited for."""
    if desk.interrupted():
        raise DagsterExecutionInterruptedError
    _tell_stages(context, desk.board)


def _warn(context: dg.OpExecutionContext, problem: str | None) -> None:
    """Log why MLflow or the report is behind: research goes on without them."""
    if problem:
        context.log.warning(problem)


@dg.op(
    required_resource_keys={"desk"},
    tags=resource_tags(EXPERIMENT),
    description="Waits for one experiment: trained in a container, scored by the trusted evaluator.",
)
def train_experiment(context: dg.OpExecutionContext, key: str) -> str:
    """Wait for the result of one experiment and show it as a partition of the asset `experiment`."""
    desk: Desk = context.resources.desk
    _tell_stages(context, desk.board)
    for card in desk.board.cards():
        if card.key == key and card.stage == "waiting":
            context.log.info(stage_line(card))
    try:
        desk.wait(ExperimentKey(key), lambda: _look(context, desk))
    except AutoresearchError as fault:
        # The journal still holds the plan: the next dispatch runs it again.
        context.log.warning(f"{key} has no result yet: {fault}")
        return key
    _tell_stages(context, desk.board)
    state = desk.state()
    experiment = state.everything[ExperimentKey(key)]
    context.log.info(f"{key} {headline(experiment)}; {where(desk.board, key)}.")
    context.log_event(partition_event(state, ExperimentKey(key), desk.store.blobs))
    _warn(context, freshen_report(desk.settings, desk.store, state.id))
    return key


@dg.op(
    required_resource_keys={"desk"},
    tags=resource_tags(AGENT),
    description="Answers the paused plan from the journal; updates MLflow, leaderboard and report.",
)
def settle_batch(context: dg.OpExecutionContext, _keys: list[str]) -> None:
    """Settle the dispatch."""
    desk: Desk = context.resources.desk
    if not desk.session:
        return
    state = desk.settle()
    _warn(context, keep_report(desk.settings, desk.store, state.id))
    _warn(context, project(desk.settings, desk.store, state.id))
    for judged in desk.newly_judged():  # the partition was filled when it was trained, before it was compared
        context.log_event(partition_event(state, judged.planned.key, desk.store.blobs))
    _warn(context, note_end(desk.settings, desk.store, state.id))
    context.add_output_metadata(dispatch_metadata(state, desk.board, context.run_id))
    evaluation = receipts_evaluation([state], desk.store)
    context.log_event(evaluation)  # pyright: ignore[reportArgumentType] (it takes them; its type does not say so)
    version = leaderboard_provenance(context.instance, f"{state.id}-{state.sequence}")
    context.log_event(dg.AssetMaterialization("leaderboard", metadata=leaderboard_metadata([state]), tags=version))
    context.log_event(dg.AssetMaterialization("research_report", metadata=report_metadata(desk.settings, state)))


@dg.job(
    config=flat_research_config,
    executor_def=dg.in_process_executor,
    resource_defs={"desk": desk_resource},
    tags=resource_tags(EXPERIMENT),
    description="One dispatch of a research session; its config starts one.",
)
def research() -> None:
    """Plan, train each planned experiment, settle."""
    settle_batch(advance_session().map(train_experiment).collect())
