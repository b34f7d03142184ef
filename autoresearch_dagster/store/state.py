"""A session as it stands: what the agent, the report and MLflow are told.  `fold` computes it from the events."""

from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from autoresearch_dagster.core.experiment import (
    ExperimentKey,
    ExperimentResult,
    PlannedExperiment,
    title_key,
)
from autoresearch_dagster.core.judgement import PromotionDecision, ScreeningDecision
from autoresearch_dagster.store import events as ev, promotion_events as pe
from autoresearch_dagster.store.ledger import Ledger


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
    slot: str = ""
    """Where its last attempt runs or ran, as a person reads it: `core 1`."""
    sized_bytes: int = 0
    """Memory that the model estimated for it; 0: it was not asked."""
    screening: ScreeningDecision | None = None
    promotion: PromotionDecision | None = None
    """The last look at its confirmation."""
    refused: str = ""
    """Why it is not promoted although its screening deserved it; '' where a look decided."""
    transfer: pe.TransferJudged | None = None
    """Whether its gain over the champion before holds at twice the size; None unless that was asked for."""

    @property
    def undecided(self) -> bool:
        """Whether it deserves a confirmation and has none yet."""
        if self.screening is None or self.screening.outcome != "worth_confirming" or self.refused:
            return False
        return self.promotion is None or self.promotion.outcome == "undecided"

    @property
    def decision(self) -> PromotionDecision | ScreeningDecision | None:
        """What was last said of its score; None before it was compared."""
        return self.promotion or self.screening

    @property
    def judgement(self) -> str:
        """The sentence that explains its standing; '' before it has one."""
        return self.refused or (self.decision.reason if self.decision else "")


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
    def launches(self) -> list[ev.CallPending]:
        """Its durable calls, in order."""
        return [call for call in self.calls if isinstance(call, ev.CallPending)]

    @property
    def pending(self) -> ev.CallPending | None:
        """The durable call that this turn's plan waits for."""
        return next((call for call in self.launches if call.sequence not in self.answers), None)


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
    trouble: bool = False
    """Whether it is paused because something went wrong."""
    allotted: int = 0
    """Experiments granted over all launches of this session."""
    sequence: int = -1
    """Sequence number of the last folded event."""
    updated_at: datetime | None = None
    """Time of the last folded event."""
    ended_at: datetime | None = None
    """When it was paused or finished; None while it goes on."""
    resumed_at: datetime | None = None
    """When somebody last went on with it; None: it was never stopped."""
    turns: list[Turn] = field(default_factory=list)
    turns_before: int = 0
    """Turns of earlier launches."""
    experiments: dict[ExperimentKey, Experiment] = field(default_factory=dict)
    """The agent's candidates, in planned order."""
    trainings: dict[ExperimentKey, Experiment] = field(default_factory=dict)
    """The platform's own: noise floor, confirmations and scale transfers, in planned order."""
    floor: pe.FloorMeasured | None = None
    floor_tries: int = 0
    """Times that a noise floor was planned since the session was last started or resumed."""
    confirmations: list[pe.ConfirmationPlanned] = field(default_factory=list)
    numbers: dict[ExperimentKey, int] = field(default_factory=dict)
    """Candidates that reached confirmation, counted from 1.

    A scale transfer that compares counts as one more, under the key of its first training: the error budget is one.
    """
    transfers: list[pe.TransferPlanned] = field(default_factory=list)
    looks: int = 0
    """Looks at the confirmation rows."""
    reigns: list[tuple[ExperimentKey, datetime]] = field(default_factory=list)
    """Champions after the baseline, with the time when each was chosen."""
    edits: list[Edit] = field(default_factory=list)
    hypotheses: list[tuple[ev.HypothesisRecorded, datetime]] = field(default_factory=list)
    batches: dict[str, tuple[ev.BatchPlanned, datetime]] = field(default_factory=dict)
    sent_back: list[ev.BatchSentBack] = field(default_factory=list)
    compacted: ev.TranscriptCompacted | None = None
    """Up to which turn the conversation is told in short."""
    directives: list[tuple[int, str]] = field(default_factory=list)
    """What the agent was asked to do in each launch, and after how many turns."""
    notes: list[tuple[ev.Steered, datetime]] = field(default_factory=list)
    """What people wrote, and when."""
    asked: ev.HaltAsked | None = None
    """A pause or an end that somebody asked for and that has not come yet."""
    asleep_until: datetime | None = None
    """Before then the model cannot be asked; None: it can."""
    sleeps: int = 0
    """Times in a row that it slept without an answer in between."""
    ledger: Ledger = field(default_factory=Ledger)
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
    def undecided(self) -> list[Experiment]:
        """Candidates that deserve a confirmation and have none yet, in planned order."""
        return [one for one in self.experiments.values() if one.undecided]

    @property
    def deferring(self) -> bool:
        """Whether confirmations wait for the end of the running plan, as its last launch asked."""
        turn = self.turns[-1] if self.turns else None
        return turn is not None and turn.finished is None and turn.launches != [] and turn.launches[-1].deferred

    @property
    def unfinished(self) -> list[Experiment]:
        """Planned trainings of any purpose without a result, in planned order, candidates first."""
        return [one for one in self.everything.values() if one.result is None]

    @property
    def everything(self) -> dict[ExperimentKey, Experiment]:
        """Candidates and the platform's own trainings, by key."""
        return {**self.experiments, **self.trainings}

    @property
    def champion(self) -> Experiment | None:
        """What candidates are compared with; None: the baseline."""
        return self.experiments[self.reigns[-1][0]] if self.reigns else None

    @property
    def steps(self) -> list[PromotionDecision]:
        """The comparisons that made the champions, in order."""
        crowned = (self.experiments[key].promotion for key, _ in self.reigns)
        return [decided for decided in crowned if decided is not None]

    @property
    def stage(self) -> str:
        """Name what the session waits for.

        `d0` is the noise floor, `d2` a dispatch, `d2c1` its first confirmation, `d2c1t2` the second round of
        scale transfers after that.
        """
        if self.pending is None and not self.unfinished:
            return f"e{self.sequence}"
        rounds = sum(planned.dispatch == self.dispatches for planned in self.confirmations)
        scaled = sum(planned.dispatch == self.dispatches for planned in self.transfers)
        return f"d{self.dispatches}" + (f"c{rounds}" if rounds else "") + (f"t{scaled}" if scaled else "")

    def clone(self) -> "SessionState":
        """Copy everything that folding may change; events and results are immutable and shared."""
        return replace(
            self,
            turns=[replace(turn, calls=list(turn.calls), answers=dict(turn.answers)) for turn in self.turns],
            experiments=dict(self.experiments),
            trainings=dict(self.trainings),
            confirmations=list(self.confirmations),
            transfers=list(self.transfers),
            numbers=dict(self.numbers),
            reigns=list(self.reigns),
            edits=list(self.edits),
            hypotheses=list(self.hypotheses),
            batches=dict(self.batches),
            sent_back=list(self.sent_back),
            directives=list(self.directives),
            notes=list(self.notes),
            ledger=self.ledger.clone(),
        )

    def latest_edit(self, title: str) -> Edit | None:
        """The newest revision of a title, compared as `title_key` does."""
        wanted = title_key(title)
        return next((edit for edit in reversed(self.edits) if title_key(edit.saved.title) == wanted), None)
