"""From events to the state of a session: a pure function."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import Any, assert_never

from autoresearch_dagster.core.experiment import ExperimentKey, PlannedExperiment, Standing, Verdict
from autoresearch_dagster.store import events as ev, promotion_events as pe
from autoresearch_dagster.store.state import Edit, Experiment, SessionState, Turn

STANDINGS = {
    "worth_confirming": Standing.SCREENED,
    "within_noise": Standing.WITHIN_NOISE,
    "regression": Standing.REGRESSION,
    "undecided": Standing.SCREENED,
    "confirmed": Standing.CONFIRMED,
    "champion": Standing.CONFIRMED,
}
"""What an outcome makes of a candidate; a champion is chosen by an event of its own."""
LEFT_OUT = (
    "The session's budget of confirmations does not suffice for that; resuming it when it is finished grants more."
)


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
                state.turns_before = len(state.turns)
                state.ledger.grant()
            state.config, state.driver, state.status = event.config, event.driver, "active"
            state.trouble, state.ledger.unanswered = False, 0
            state.floor_tries, state.resumed_at, state.ended_at = 0, record.at, None
            state.asked, state.asleep_until, state.sleeps = None, None, 0
        case ev.SessionPaused():
            state.status, state.reason, state.asked = "paused", event.reason, None
            state.trouble, state.ended_at = event.trouble, record.at
        case ev.SessionFinished():
            state.status, state.reason, state.summary = "finished", event.reason, event.summary
            state.asked, state.ended_at = None, record.at
        case ev.SessionArchived():
            state.archived = True
        case ev.SessionRestored():
            state.archived = False
        case ev.SessionImported():
            state.imported = (*state.imported, event)
        case ev.DirectiveGiven():
            state.directives.append((len(state.turns), event.text))
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
        case ev.BatchSentBack():
            state.sent_back.append(event)
        case ev.TranscriptCompacted():
            state.compacted = event
        case ev.ModelAsked():
            state.ledger.ask(event)
        case ev.ModelAnswered():
            state.ledger.answer(event)
            state.asleep_until, state.sleeps = None, 0
        case ev.ModelFailed():
            state.ledger.fail(event)
        case ev.ExperimentSized():
            _change(state, event.key, sized_bytes=event.memory_bytes)
        case ev.SessionSlept():
            state.asleep_until, state.sleeps = event.until, state.sleeps + 1
        case ev.AttemptStarted():
            state.ledger.attempt(event.key, event.gpu_reserve_s)
            _change(state, event.key, attempts=event.attempt, started_at=record.at, slot=event.slot)
        case ev.ExperimentFinished():
            state.ledger.finish(event.key, event.result)
            _change(state, event.key, result=event.result, finished_at=record.at, run_id=event.run_id)
        case pe.FloorPlanned():
            state.floor_tries += 1
            _plan(state.trainings, event.planned, 0, 0, record.at)
        case pe.FloorMeasured():
            state.floor = event
        case pe.CandidateScreened():
            _change(state, event.key, screening=event.decision)
            _stand(state, event.key, STANDINGS[event.decision.outcome])
        case pe.ConfirmationPlanned():
            _plan_confirmation(state, event, record.at)
        case pe.PromotionJudged():
            state.looks = event.decision.looks
            _change(state, event.key, promotion=event.decision)
            _stand(state, event.key, STANDINGS[event.decision.outcome])
        case pe.PromotionRefused():
            _refuse(state, event)
        case pe.ChampionChosen():
            if state.reigns:
                _stand(state, state.reigns[-1][0], Standing.CONFIRMED)
            state.reigns.append((event.key, record.at))
            _stand(state, event.key, Standing.CHAMPION)
        case pe.TransferPlanned():
            _plan_transfer(state, event, record.at)
        case pe.TransferJudged():
            state.looks = event.decision.looks if event.decision is not None else state.looks
            _change(state, event.key, transfer=event)
        case ev.Steered():
            state.notes.append((event, record.at))
        case ev.HaltAsked():
            state.asked = event if state.status != "finished" else None
        case ev.AttemptResumed():
            _change(state, event.key, slot=event.slot)
        case _:
            assert_never(event)


def _plan_dispatch(state: SessionState, event: ev.CallPending, at: datetime) -> None:
    state.turns[-1].calls.append(event)
    state.dispatches = max(state.dispatches, event.dispatch)
    _plan(state.experiments, event.planned, event.dispatch, event.turn, at)


def _plan_confirmation(state: SessionState, event: pe.ConfirmationPlanned, at: datetime) -> None:
    state.confirmations.append(event)
    for key in event.candidates:
        state.numbers.setdefault(key, len(state.numbers) + 1)
    for key in event.left_out:
        screening = state.experiments[key].screening
        _change(state, key, refused=f"{screening.reason if screening else ''} {LEFT_OUT}".strip())
    _plan(state.trainings, event.planned, event.dispatch, 0, at)


def _plan_transfer(state: SessionState, event: pe.TransferPlanned, at: datetime) -> None:
    state.transfers.append(event)
    _plan(state.trainings, event.planned, event.dispatch, 0, at)
    if not event.probe:
        state.numbers.setdefault(event.planned[0].key, len(state.numbers) + 1)


def _plan(
    into: dict[ExperimentKey, Experiment],
    planned: Iterable[PlannedExperiment],
    dispatch: int,
    turn: int,
    at: datetime,
) -> None:
    for one in planned:
        into[one.key] = Experiment(one, dispatch, turn, at)


def _change(state: SessionState, key: ExperimentKey, **changed: Any) -> None:
    found = state.experiments if key in state.experiments else state.trainings
    found[key] = replace(found[key], **changed)


def _stand(state: SessionState, key: ExperimentKey, standing: Standing) -> None:
    result = state.experiments[key].result
    if result is not None:
        _change(state, key, result=result.model_copy(update={"standing": standing}))


def _refuse(state: SessionState, event: pe.PromotionRefused) -> None:
    result = state.experiments[event.key].result
    _change(state, event.key, refused=event.reason)
    if event.rejected and result is not None:
        without = {"val_bpb": None, "val_bpb_exact": None, "standing": None, "error": event.reason}
        _change(state, event.key, result=result.model_copy(update=without | {"verdict": Verdict.REJECTED}))
