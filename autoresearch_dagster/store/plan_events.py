"""Events of the agent: what it replied, what its plans called, what it saved and claimed."""

from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from autoresearch_dagster.core.experiment import Data, Digest, PlannedExperiment

CallKey = str
"""SHA-256 over session, turn, plan, sequence, function and arguments: the identity of one call of a plan."""


class DirectiveGiven(Data):
    """What the agent is asked to do in this launch, with what was tried before; kept, so that it never changes."""

    kind: Literal["directive_given"] = "directive_given"
    text: str


class ModelReplied(Data):
    """One reply of the researcher, kept before anything is done with it."""

    kind: Literal["model_replied"] = "model_replied"
    turn: int
    reply: str
    stop_reason: str | None
    input_tokens: int = 0
    output_tokens: int = 0
    notes_seen: int = 0
    """People's notes that it had read."""


class PlanStarted(Data):
    """A plan begins to run; its clock and randomness are frozen here, so that a replay is the same."""

    kind: Literal["plan_started"] = "plan_started"
    turn: int
    code: str
    plan: Digest
    started_at: datetime
    seed: int


class CallRecorded(Data):
    """A tool answered at once; its effects stand in the same transaction."""

    kind: Literal["call_recorded"] = "call_recorded"
    turn: int
    sequence: int
    call: CallKey
    function: str
    arguments: dict[str, JsonValue]
    result: JsonValue
    duration_s: float = 0.0


class CallPending(Data):
    """A durable call: the plan sleeps until these experiments are decided.  One dispatch."""

    kind: Literal["call_pending"] = "call_pending"
    turn: int
    sequence: int
    call: CallKey
    function: str
    arguments: dict[str, JsonValue]
    dispatch: int
    planned: tuple[PlannedExperiment, ...]
    answers: tuple[JsonValue, ...]
    """One per requested title, in order: an object for what is answered at once (duplicate, cached, limit),
    or the key of the experiment whose result is the answer."""

    @property
    def deferred(self) -> bool:
        """Whether it is answered before gains are confirmed."""
        return self.arguments.get("confirm") == "deferred"


class CallAnswered(Data):
    """A durable call has its answer; the plan may go on."""

    kind: Literal["call_answered"] = "call_answered"
    turn: int
    sequence: int
    call: CallKey
    result: JsonValue


class PlanFinished(Data):
    """A plan ended; this is what the agent is told."""

    kind: Literal["plan_finished"] = "plan_finished"
    turn: int
    observation: str
    failed: bool
    status: str = ""
    """Where the session stood then, as the agent is told below its observation."""


class EditSaved(Data):
    """A revision of a title's train.py; `config_overrides` holds the effective overrides."""

    kind: Literal["edit_saved"] = "edit_saved"
    title: str
    slug: str
    revision: int
    train_py: Digest
    lines: int
    config_overrides: dict[str, float | int]
    adjusted: dict[str, str]
    change_summary: str
    parent_title: str | None
    signature: str
    axes: tuple[str, ...] = ()
    """What it touches relative to what it came from, by `agent.axes`; empty where that was not judged yet."""
    form: str = ""
    """Digest of what train.py has in common with all that train alike; '' where that was not computed."""
    shape: str = ""
    """The same where literal numbers count as alike, too."""


class HypothesisRecorded(Data):
    """A claim with its predicted effect, written before training."""

    kind: Literal["hypothesis_recorded"] = "hypothesis_recorded"
    title: str
    hypothesis: str
    expected_effect: str


class BatchPlanned(Data):
    """The agent's plan for a batch, as it wrote it."""

    kind: Literal["batch_planned"] = "batch_planned"
    batch_id: str
    experiments: tuple[dict[str, JsonValue], ...]


class BatchSentBack(Data):
    """A batch was not launched, because all its edits touch the same axis; it is not refused a second time."""

    kind: Literal["batch_sent_back"] = "batch_sent_back"
    turn: int
    axis: str
    signatures: tuple[str, ...]


class TranscriptCompacted(Data):
    """The conversation grew too long: turns up to this one are told in short from now on; nothing is lost."""

    kind: Literal["transcript_compacted"] = "transcript_compacted"
    turn: int
    input_tokens: int
    text: str = ""
    """What is told instead, kept so that it stays the same; '' in journals of before that was."""
