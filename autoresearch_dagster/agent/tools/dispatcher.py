"""Carries out one call of a plan in one transaction, so that its effects and its record cannot part."""

import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from pydantic import JsonValue

from autoresearch_dagster.agent.code_mode import Answer, PlanCall
from autoresearch_dagster.agent.rules.launching import plan_dispatch
from autoresearch_dagster.agent.tools import (
    answers,
    claims,
    comparing,
    editing,
    evidence,
    literature,
    reading,
    running,
)
from autoresearch_dagster.agent.tools.signatures import BlobStore, Launch, Tool, Toolbox, ToolContext, Transaction
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import canonical_json
from autoresearch_dagster.core.presets import Preset
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState, Turn

TOOLBOX: Final = Toolbox(
    [
        Tool(literature.search_arxiv, outside=True),
        Tool(reading.inspect_dataset),
        Tool(reading.get_baseline_train_code),
        Tool(reading.read_train_code),
        Tool(reading.get_code_edit_history),
        Tool(reading.get_promising_code),
        Tool(reading.get_leaderboard),
        Tool(comparing.compare_experiments),
        Tool(reading.get_batch_plan),
        Tool(evidence.get_training_curve),
        Tool(evidence.get_failure),
        Tool(reading.get_budget),
        Tool(claims.record_hypothesis),
        Tool(claims.record_batch_hypotheses),
        Tool(claims.record_batch_plan),
        Tool(editing.edit_train_code),
        Tool(editing.edit_train_code_batch),
        Tool(running.run_experiment, durable=True),
        Tool(running.run_experiment_batch, durable=True),
        Tool(running.flyte_map, durable=True),
        Tool(running.map_experiments, durable=True),
        Tool(running.evaluate_batch_results),
    ]
)


_TOO_LARGE: Final = (
    f"The answer is larger than {limits.CALL_RESULT_BYTES} bytes and left out; what the call writes is written. "
    "Ask for less."
)


class SessionJournal(Protocol):
    """What the agent needs of the journal."""

    def state(self, session: str) -> SessionState:
        """Return the session as it stands."""
        ...

    def transaction(self, session: str, lease: Any = None) -> AbstractContextManager[Transaction]:
        """Open one short writing transaction."""
        ...

    def events(self, session: str) -> Any:
        """Return the recorded events in order."""
        ...


@dataclass(frozen=True, slots=True)
class Workbench:
    """A session with everything that its plans work on.

    `profile` describes the bundle, `baseline` is the text of the baseline train.py, `slots` the experiments
    at a time, `snapshots` a folder for sleeping plans (a cache; may be emptied at any time).
    """

    journal: SessionJournal
    blobs: BlobStore
    session: str
    profile: Mapping[str, JsonValue]
    baseline: str
    preset: Preset
    slots: int
    snapshots: Path
    lease: Any = None

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Open one short writing transaction under the lease."""
        return self.journal.transaction(self.session, self.lease)


def call_tool(bench: Workbench, turn: int, tools: Toolbox, call: PlanCall) -> Answer | None:
    """Carry out a call; None: experiments must be trained before it has an answer."""
    begun = time.perf_counter()
    found = _carry_out_outside(bench, tools, call)
    with bench.transaction() as tx:
        now = tx.state.turns[-1]
        if any(made.sequence == call.sequence for made in now.calls):
            return recorded_answers(now).get(call.sequence)
        ctx = ToolContext(tx, bench.blobs, bench.profile, bench.baseline, bench.preset, bench.slots)
        asked = _carry_out(ctx, tools, call) if found is None else found
        outcome: JsonValue = None
        if isinstance(asked, Launch):
            dispatch = plan_dispatch(ctx, asked)
            effective: dict[str, JsonValue] = {
                "concurrency": dispatch.concurrency,
                "adjusted": dispatch.adjusted,
            }
            arguments: dict[str, JsonValue] = {**call.arguments, "effective": effective}
            if dispatch.planned:
                tx.append(
                    ev.CallPending(
                        turn=turn,
                        sequence=call.sequence,
                        call=call.key,
                        function=call.function,
                        arguments=arguments,
                        dispatch=dispatch.number,
                        planned=tuple(dispatch.planned),
                        answers=tuple(dispatch.answers),
                    )
                )
                return None
            outcome = answers.compose(tx.state, call.function, arguments, dispatch.answers)
        else:
            outcome = asked
        if len(canonical_json(outcome)) > limits.CALL_RESULT_BYTES:
            outcome = {"error": _TOO_LARGE}
        tx.append(
            ev.CallRecorded(
                turn=turn,
                sequence=call.sequence,
                call=call.key,
                function=call.function,
                arguments=_kept(call),
                result=outcome,
                duration_s=round(time.perf_counter() - begun, 6),
            )
        )
        return Answer(call.key, outcome)


def _carry_out_outside(bench: Workbench, tools: Toolbox, call: PlanCall) -> JsonValue:
    """Carry out what needs no transaction and may take long; None: that is for the transaction to do.

    A crash before its answer is recorded lets it be carried out again, and the first record is the answer.
    """
    tool = tools.get(call.function)
    if tool is None or not tool.outside:
        return None
    state = bench.journal.state(bench.session)
    if any(made.sequence == call.sequence for made in state.turns[-1].calls) or _problem(state, tools, call):
        return None
    answer = tool(None, call.arguments)
    assert not isinstance(answer, Launch)
    return answer


def _carry_out(ctx: ToolContext, tools: Toolbox, call: PlanCall) -> JsonValue | Launch:
    problem = _problem(ctx.state, tools, call)
    tool = tools.get(call.function)
    return {"error": problem} if problem or tool is None else tool(ctx, call.arguments)


def _problem(state: SessionState, tools: Toolbox, call: PlanCall) -> str:
    """Say why a call is not carried out at all, or ''."""
    tool = tools.get(call.function)
    if tool is None:
        return f"{call.function} is not available in this turn."
    own = state.config.memory_key
    if call.arguments.get("memory_key") not in (None, "", *state.memory_keys):
        return f"memory_key belongs to another session; this one's is {own!r}. Leave it out."
    if tool.durable and len(state.turns[-1].launches) >= limits.PLAN_PAUSES:
        return f"One plan may launch {limits.PLAN_PAUSES} times; go on in your next turn."
    return tool.problem(call.arguments)


def _kept(call: PlanCall) -> dict[str, JsonValue]:
    """Return the arguments for the journal, without those that were refused for their size."""
    size = len(canonical_json(call.arguments))
    return call.arguments if size <= limits.CALL_ARGUMENT_BYTES else {"left_out_bytes": size}


def recorded_answers(turn: Turn) -> dict[int, Answer]:
    """Return the answers that a replay of this turn's plan is given."""
    found = {sequence: Answer(answer.call, answer.result) for sequence, answer in turn.answers.items()}
    for made in turn.calls:
        if isinstance(made, ev.CallRecorded):
            found[made.sequence] = Answer(made.call, made.result)
    return found
