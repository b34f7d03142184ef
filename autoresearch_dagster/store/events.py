"""The events of the journal.  A session is its events; everything else is computed from them."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import (
    Data,
    Digest,
    ExperimentKey,
    ExperimentResult,
    PlannedExperiment,
)
from autoresearch_dagster.store import promotion_events as pe
from autoresearch_dagster.store.ledger_events import (
    ExperimentSized as ExperimentSized,
    ModelAnswered as ModelAnswered,
    ModelAsked as ModelAsked,
    ModelFailed as ModelFailed,
    SessionSlept as SessionSlept,
)
from autoresearch_dagster.store.plan_events import (
    BatchPlanned as BatchPlanned,
    BatchSentBack as BatchSentBack,
    CallAnswered as CallAnswered,
    CallKey as CallKey,
    CallPending as CallPending,
    CallRecorded as CallRecorded,
    DirectiveGiven as DirectiveGiven,
    EditSaved as EditSaved,
    HypothesisRecorded as HypothesisRecorded,
    ModelReplied as ModelReplied,
    PlanFinished as PlanFinished,
    PlanStarted as PlanStarted,
    TranscriptCompacted as TranscriptCompacted,
)
from autoresearch_dagster.store.run_events import (
    AttemptResumed as AttemptResumed,
    AttemptStarted as AttemptStarted,
    ExperimentFinished as ExperimentFinished,
    HaltAsked as HaltAsked,
    SessionEnd as SessionEnd,
    Steered as Steered,
)


class SessionConfig(Data):
    """What a session was started with; the configuration of the `research` job."""

    memory_key: str = Field("parallelized-autoresearch", min_length=1, max_length=limits.MEMORY_KEY_CHARS)
    """Name of the research."""
    n_experiments: int = Field(limits.DEFAULT_N_EXPERIMENTS, ge=1, le=limits.MAX_EXPERIMENTS)
    """Experiments that this launch grants."""
    batch_size: int = Field(limits.DEFAULT_BATCH_SIZE, ge=1)
    """Experiments that the researcher plans at a time."""
    num_shards: int = Field(limits.DEFAULT_NUM_SHARDS, ge=1)
    """Training shards of the bundle."""
    source: str = "sample"
    """Corpus: `sample`, `climbmix`, `climbmix@REVISION`, or the path of a folder."""
    max_turns: int = Field(limits.DEFAULT_MAX_TURNS, ge=1)
    """Replies of the researcher in this launch at most."""
    time_budget_sec: int = Field(limits.DEFAULT_TIME_BUDGET_S, ge=1)
    """Resource time of one training, in seconds."""
    concurrency: int = Field(limits.DEFAULT_CONCURRENCY, ge=1)
    """Experiments at a time at most."""
    researcher: str = "scripted"
    """Who plans: `claude` or `scripted`."""
    model: str = limits.DEFAULT_MODEL
    """Language model of the researcher `claude`."""
    max_usd: float | None = Field(None, gt=0)
    """Ceiling for the model calls of this launch, in US dollars; null: none."""
    max_gpu_hours: float | None = Field(None, gt=0)
    """Ceiling for the GPU time of this launch, in hours; null: none."""
    preset: str = "workshop"
    """Size of everything: `demo`, `workshop` or `gpu`."""
    scale_transfer: bool = False
    """Whether each new champion is compared with the one before at twice the size, too."""
    resource_sizing: Literal["measured", "model", "floor"] = "measured"
    """Memory of a first try: what the last of like shape needed, what the model estimates, or the floor."""
    early_stop: bool | None = None
    """Whether trainings that are far behind champion and baseline are stopped; None: as the preset does."""


class SessionStarted(Data):
    """A session begins; `number` is the `03` of `s03_d02_e05`."""

    kind: Literal["session_started"] = "session_started"
    number: int
    """Number of the session, from 1; all its keys begin with it."""
    config: SessionConfig
    """What it was started with."""
    driver: Literal["cli", "daemon"]
    """Who goes on with it: the command line, or Dagster's sensor."""
    bundle: str
    """Digest of the bundle that all its scores rest on."""


class SessionResumed(Data):
    """A finished or paused session goes on, with a new allotment of experiments."""

    kind: Literal["session_resumed"] = "session_resumed"
    config: SessionConfig
    """What it goes on with."""
    driver: Literal["cli", "daemon"]
    """Who goes on with it."""


class SessionPaused(Data):
    """Somebody stopped driving it; nothing is lost."""

    kind: Literal["session_paused"] = "session_paused"
    reason: str
    """Why, as a person is told."""
    trouble: bool = False
    """Whether something went wrong, so that a person has to look; else somebody asked for it."""


class SessionFinished(Data):
    """The agent gave its final answer, or a limit ended the session."""

    kind: Literal["session_finished"] = "session_finished"
    reason: str
    """Why it ended."""
    summary: str
    """The agent's final text."""


class SessionArchived(Data):
    """Somebody put the session away: lists do not show it."""

    kind: Literal["session_archived"] = "session_archived"


class SessionRestored(Data):
    """Somebody took an archived session out again."""

    kind: Literal["session_restored"] = "session_restored"


class SessionImported(Data):
    """The events before this one were recorded elsewhere; nobody here has seen them happen."""

    kind: Literal["session_imported"] = "session_imported"
    events: Digest
    """Of the archive's list of events: the identity of what was imported."""
    session: str
    """Id of the session where it came from; receipts still name experiments by it."""
    memory_key: str
    """Its memory key where it came from."""


Event = Annotated[
    SessionStarted
    | SessionResumed
    | SessionPaused
    | SessionFinished
    | SessionArchived
    | SessionRestored
    | SessionImported
    | DirectiveGiven
    | ModelReplied
    | PlanStarted
    | CallRecorded
    | CallPending
    | CallAnswered
    | PlanFinished
    | EditSaved
    | HypothesisRecorded
    | BatchPlanned
    | BatchSentBack
    | TranscriptCompacted
    | ModelAsked
    | ModelAnswered
    | ModelFailed
    | ExperimentSized
    | SessionSlept
    | AttemptStarted
    | AttemptResumed
    | ExperimentFinished
    | pe.Decision
    | Steered
    | HaltAsked,
    Field(discriminator="kind"),
]
EVENT: TypeAdapter[Event] = TypeAdapter(Event)


class Recorded(Data):
    """An event with its place and time in the journal."""

    session: str
    """Id of the session."""
    sequence: int
    """Place of the event in its session, from 0."""
    at: datetime
    """When it was written, UTC."""
    event: Event
    """What happened."""


def planned_in(event: Event) -> tuple[PlannedExperiment, ...]:
    """Return the trainings that an event plans, or brings along with their results."""
    match event:
        case CallPending() | pe.FloorPlanned() | pe.ConfirmationPlanned() | pe.TransferPlanned():
            return event.planned
        case pe.FloorMeasured():
            return tuple(training.planned for training in event.trainings)
        case _:
            return ()


def results_in(event: Event) -> tuple[tuple[ExperimentKey, ExperimentResult], ...]:
    """Return the results that an event holds, by key."""
    match event:
        case ExperimentFinished():
            return ((event.key, event.result),)
        case pe.FloorMeasured():
            return tuple((training.planned.key, training.result) for training in event.trainings)
        case _:
            return ()
