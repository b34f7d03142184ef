"""A session as it stands: a pure fold over its events.  What the agent, the report and MLflow are told."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal, assert_never

from autoresearch_dagster.core.experiment import ExperimentKey, ExperimentResult, PlannedExperiment
from autoresearch_dagster.store import events as ev


@dataclass(frozen=True, slots=True)
class Experiment:
    """One planned experiment and what became of it; immutable, so that copies of a state share it."""

    planned: PlannedExperiment
    dispatch: int
    turn: int
    planned_at: datetime
    attempts: int = 0
    result: ExperimentResult | None = None
    finished_at: datetime | None = None
    run_id: str = ""
    started_at: datetime | None = None
    """When the last attempt began."""


@dataclass(slots=True)
class Edit:
    """A saved revision, with the time it was saved."""

    saved: ev.EditSaved
    at: datetime


@dataclass(slots=True)
class Turn:
    """One reply of the researcher and the plan in it."""

    number: int
    replied: ev.ModelReplied
    plan: ev.PlanStarted | None = None
    calls: list[ev.CallRecorded | ev.CallPending] = field(default_factory=list)
    answers: dict[int, ev.CallAnswered] = field(default_factory=dict)
    finished: ev.PlanFinished | None = None

    @property
    def pending(self) -> ev.CallPending | None:
        """The durable call that this turn's plan waits for."""
        for call in self.calls:
            if isinstance(call, ev.CallPending) and call.sequence not in self.answers:
                return call
        return None


@dataclass(slots=True)
class SessionState:
    """Everything that follows from a session's events."""

    id: str
    number: int
    config: ev.SessionConfig
    driver: Literal["cli", "daemon"]
    bundle: str
    started_at: datetime
    status: Literal["active", "paused", "finished"] = "active"
    summary: str = ""
    reason: str = ""
    allotted: int = 0
    """Experiments granted over all launches of this session."""
    sequence: int = -1
    """Sequence number of the last folded event."""
    updated_at: datetime | None = None
    """Time of the last folded event."""
    turns: list[Turn] = field(default_factory=list)
    experiments: dict[ExperimentKey, Experiment] = field(default_factory=dict)
    edits: list[Edit] = field(default_factory=list)
    hypotheses: list[tuple[ev.HypothesisRecorded, datetime]] = field(default_factory=list)
    batches: dict[str, tuple[ev.BatchPlanned, datetime]] = field(default_factory=dict)
    dispatches: int = 0
    archived: bool = False
    imported: tuple[ev.SessionImported, ...] = ()
    """Where the session came from, if it was recorded elsewhere."""

    @property
    def memory_keys(self) -> frozenset[str]:
        """The name of this research, and those that it had elsewhere: its plans may still use them."""
        return frozenset({self.config.memory_key, *(origin.memory_key for origin in self.imported)})

    @property
    def remaining(self) -> int:
        """Experiments that may still be launched."""
        return max(0, self.allotted - len(self.experiments))

    @property
    def pending(self) -> ev.CallPending | None:
        """The durable call that the session waits for."""
        return self.turns[-1].pending if self.turns else None

    @property
    def unfinished(self) -> list[Experiment]:
        """Planned experiments without a result, in planned order."""
        return [experiment for experiment in self.experiments.values() if experiment.result is None]

    def clone(self) -> "SessionState":
        """Copy everything that folding may change; events and results are immutable and shared."""
        return replace(
            self,
            turns=[replace(turn, calls=list(turn.calls), answers=dict(turn.answers)) for turn in self.turns],
            experiments=dict(self.experiments),
            edits=list(self.edits),
            hypotheses=list(self.hypotheses),
            batches=dict(self.batches),
        )

    def latest_edit(self, title: str) -> Edit | None:
        """The newest revision of a title, compared without case and outer blanks."""
        wanted = title.strip().lower()
        return next((edit for edit in reversed(self.edits) if edit.saved.title.strip().lower() == wanted), None)


def fold(recorded: Iterable[ev.Recorded], state: SessionState | None = None) -> SessionState:
    """Fold events, in order, onto a state.

    Raises:
        ValueError: the events do not begin with `session_started`.
    """
    for record in recorded:
        if state is None:
            state = _begin(record)
        else:
            _apply(state, record)
        state.sequence, state.updated_at = record.sequence, record.at
    if state is None:
        raise ValueError("A session without events has no state.")
    return state


def _begin(record: ev.Recorded) -> SessionState:
    event = record.event
    if not isinstance(event, ev.SessionStarted):
        raise ValueError(f"A session begins with session_started, not {event.kind}.")
    return SessionState(
        id=record.session,
        number=event.number,
        config=event.config,
        driver=event.driver,
        bundle=event.bundle,
        started_at=record.at,
        allotted=event.config.n_experiments,
    )


def _apply(state: SessionState, record: ev.Recorded) -> None:  # noqa: C901 (one arm for each event)
    event = record.event
    match event:
        case ev.SessionStarted():
            raise ValueError("A session begins only once.")
        case ev.SessionResumed():
            if state.status == "finished":
                state.allotted = len(state.experiments) + event.config.n_experiments
            state.config, state.driver, state.status = event.config, event.driver, "active"
        case ev.SessionPaused():
            state.status, state.reason = "paused", event.reason
        case ev.SessionFinished():
            state.status, state.reason, state.summary = "finished", event.reason, event.summary
        case ev.SessionArchived():
            state.archived = True
        case ev.SessionRestored():
            state.archived = False
        case ev.SessionImported():
            state.imported = (*state.imported, event)
        case ev.ModelReplied():
            state.turns.append(Turn(number=event.turn, replied=event))
        case ev.PlanStarted():
            state.turns[-1].plan = event
        case ev.CallRecorded():
            state.turns[-1].calls.append(event)
        case ev.CallPending():
            _plan_dispatch(state, event, record.at)
        case ev.CallAnswered():
            state.turns[-1].answers[event.sequence] = event
        case ev.PlanFinished():
            state.turns[-1].finished = event
        case ev.EditSaved():
            state.edits.append(Edit(event, record.at))
        case ev.HypothesisRecorded():
            state.hypotheses.append((event, record.at))
        case ev.BatchPlanned():
            state.batches[event.batch_id] = (event, record.at)
        case ev.AttemptStarted():
            begun = state.experiments[event.key]
            state.experiments[event.key] = replace(begun, attempts=event.attempt, started_at=record.at)
        case ev.ExperimentFinished():
            ended = state.experiments[event.key]
            state.experiments[event.key] = replace(
                ended, result=event.result, finished_at=record.at, run_id=event.run_id
            )
        case ev.Steered():
            pass
        case _:
            assert_never(event)


def _plan_dispatch(state: SessionState, event: ev.CallPending, at: datetime) -> None:
    state.turns[-1].calls.append(event)
    state.dispatches = max(state.dispatches, event.dispatch)
    for planned in event.planned:
        state.experiments[planned.key] = Experiment(planned, event.dispatch, event.turn, at)
