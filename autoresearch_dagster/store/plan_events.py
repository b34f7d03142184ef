"""Events of the agent: what it replied, what its plans called, what it saved and claimed."""

from datetime import datetime
from typing import Literal

from pydantic import JsonValue

from autoresearch_dagster.core.experiment import Data, Digest, PlannedExperiment, title_key

CallKey = str
"""SHA-256 over session, turn, plan, sequence, function and arguments: the identity of one call of a plan."""


class DirectiveGiven(Data):
    """What the agent is asked to do in this launch, with what was tried before; kept, so that it never changes."""

    kind: Literal["directive_given"] = "directive_given"
    text: str
    """What the agent is told."""


class ModelReplied(Data):
    """One reply of the researcher, kept before anything is done with it."""

    kind: Literal["model_replied"] = "model_replied"
    turn: int
    """Number of the reply, from 1."""
    reply: str
    """Its text."""
    stop_reason: str | None
    """As the provider gave it; null for recorded plans."""
    input_tokens: int = 0
    """Tokens that were read for it, those of the cache included; 0 for recorded plans."""
    output_tokens: int = 0
    """Tokens of the reply; 0 for recorded plans."""
    notes_seen: int = 0
    """People's notes that it had read."""


class PlanStarted(Data):
    """A plan begins to run; its clock and randomness are frozen here, so that a replay is the same."""

    kind: Literal["plan_started"] = "plan_started"
    turn: int
    """The turn whose reply holds the plan."""
    code: str
    """The Python that runs."""
    plan: Digest
    """SHA-256 of the code."""
    started_at: datetime
    """What the plan's clock shows, UTC."""
    seed: int
    """Seed of the plan's randomness."""


class CallRecorded(Data):
    """A tool answered at once; its effects stand in the same transaction."""

    kind: Literal["call_recorded"] = "call_recorded"
    turn: int
    """The turn of the plan that called."""
    sequence: int
    """Place of the call within its turn."""
    call: CallKey
    """Identity of the call."""
    function: str
    """Name of the tool."""
    arguments: dict[str, JsonValue]
    """What the plan gave, by name."""
    result: JsonValue
    """What the plan got."""
    duration_s: float = 0.0
    """Seconds that the tool took."""


class CallPending(Data):
    """A durable call: the plan sleeps until these experiments are decided.  One dispatch."""

    kind: Literal["call_pending"] = "call_pending"
    turn: int
    """The turn of the plan that called."""
    sequence: int
    """Place of the call within its turn."""
    call: CallKey
    """Identity of the call."""
    function: str
    """Name of the tool."""
    arguments: dict[str, JsonValue]
    """What the plan gave, by name."""
    dispatch: int
    """Number of the dispatch, from 1."""
    planned: tuple[PlannedExperiment, ...]
    """The trainings that it asks for."""
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
    """The turn of the plan that called."""
    sequence: int
    """Place of the call within its turn."""
    call: CallKey
    """Identity of the call."""
    result: JsonValue
    """What the plan is given."""


class PlanFinished(Data):
    """A plan ended; this is what the agent is told."""

    kind: Literal["plan_finished"] = "plan_finished"
    turn: int
    """The turn whose plan ended."""
    observation: str
    """What the agent is told."""
    failed: bool
    """Whether the plan ended in an error."""
    status: str = ""
    """Where the session stood then, as the agent is told below its observation."""


class EditSaved(Data):
    """A revision of a title's train.py; `config_overrides` holds the effective overrides."""

    kind: Literal["edit_saved"] = "edit_saved"
    title: str
    """The agent's name for it."""
    slug: str
    """The title as a file name."""
    revision: int
    """1 for the first edit of this title."""
    train_py: Digest
    """The whole file."""
    lines: int
    """Lines of train.py."""
    config_overrides: dict[str, float | int]
    """What it sets in the config, by name, as it is used."""
    adjusted: dict[str, str]
    """Overrides that were changed or left out, and why."""
    change_summary: str
    """The agent's words."""
    parent_title: str | None
    """The edit it was forked from; null: the baseline."""
    signature: str
    """Of code and overrides; equal for duplicates."""
    axes: tuple[str, ...] = ()
    """What it touches relative to what it came from, by `agent.axes`; empty where that was not judged yet."""
    form: str = ""
    """Digest of what train.py has in common with all that train alike; '' where that was not computed."""
    shape: str = ""
    """The same where literal numbers count as alike, too."""

    @property
    def revision_key(self) -> tuple[str, int]:
        """What it is found by: its title, as titles are compared, and its revision."""
        return title_key(self.title), self.revision


class HypothesisRecorded(Data):
    """A claim with its predicted effect, written before training."""

    kind: Literal["hypothesis_recorded"] = "hypothesis_recorded"
    title: str
    """The edit that it is about."""
    hypothesis: str
    """The claim, in the agent's words."""
    expected_effect: str
    """The agent's words; read where they can be."""


class BatchPlanned(Data):
    """The agent's plan for a batch, as it wrote it."""

    kind: Literal["batch_planned"] = "batch_planned"
    batch_id: str
    """The agent's name for the batch."""
    experiments: tuple[dict[str, JsonValue], ...]
    """One object for each experiment, as the agent wrote it."""


class BatchSentBack(Data):
    """A batch was not launched, because all its edits touch the same axis; it is not refused a second time."""

    kind: Literal["batch_sent_back"] = "batch_sent_back"
    turn: int
    """The turn whose plan asked for it."""
    axis: str
    """What all its edits touch."""
    signatures: tuple[str, ...]
    """Of the edits."""


class TranscriptCompacted(Data):
    """The conversation grew too long: turns up to this one are told in short from now on; nothing is lost."""

    kind: Literal["transcript_compacted"] = "transcript_compacted"
    turn: int
    """The last turn that is told in short."""
    input_tokens: int
    """What the reply had to read that led to it."""
    text: str = ""
    """What is told instead, kept so that it stays the same; '' in journals of before that was."""
