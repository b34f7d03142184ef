"""Runs a plan in the sandbox so that it can sleep at any call and go on in another process.

The record of calls is the truth: a plan is replayed from it; a snapshot only saves that work.

What is covered: files, network, environment and processes of the host are out of a plan's reach; time,
memory, recursion, output and calls are bounded; clock and randomness are frozen.
What is not covered: the worker is an ordinary process of the same user, kept in by its language alone.
"""

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

import pydantic_monty as monty
from pydantic import JsonValue

from autoresearch_dagster.agent.plan_snapshot import Snapshot, SnapshotFile
from autoresearch_dagster.agent.tools.signatures import Tool, Toolbox
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import PlanDiverged
from autoresearch_dagster.core.experiment import canonical_json, digest_of

MONTY_VERSION: Final = monty.__version__
_CERTAIN_TYPE_ERRORS: Final = frozenset(
    {
        "invalid-syntax",
        "missing-argument",
        "parameter-already-assigned",
        "positional-only-parameter-as-kwarg",
        "too-many-positional-arguments",
        "unknown-argument",
        "unresolved-reference",
    }
)
"""What the type checker cannot be wrong about; the rest fails, if at all, when it runs."""


@dataclass(frozen=True, slots=True)
class PlanCall:
    """One call of a plan: its place, its identity, its bound arguments."""

    sequence: int
    key: str
    function: str
    arguments: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a call returned, under the key it was made with."""

    key: str
    result: JsonValue


@dataclass(frozen=True, slots=True)
class Paused:
    """The plan sleeps at this call."""

    call: PlanCall
    snapshot: bytes | None = None


@dataclass(frozen=True, slots=True)
class Finished:
    """The plan ran to its end; `value` is plain JSON."""

    value: JsonValue
    stdout: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The plan ended with an error that the agent can mend."""

    error: str
    stdout: str


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """A plan with everything that a replay needs to be the same."""

    session: str
    turn: int
    code: str
    started_at: datetime
    seed: int

    @property
    def digest(self) -> str:
        """Content name of the code."""
        return digest_of(self.code.encode())

    def call_key(self, sequence: int, function: str, arguments: Mapping[str, JsonValue]) -> str:
        """Identity of one call of this plan."""
        identity = [self.session, self.turn, self.digest, sequence, function, dict(arguments)]
        return digest_of(canonical_json(identity))


Handler = Callable[[PlanCall], Answer | None]
"""Carries out a call that has no answer yet; None: the plan must sleep."""


@dataclass(slots=True)
class _Drive:
    """One run or replay of a plan, up to its end or its next sleep."""

    spec: PlanSpec
    tools: Toolbox
    answers: dict[int, Answer]
    handler: Handler
    sequence: int = 0
    before: str = ""
    prints: monty.CollectString = field(default_factory=lambda: monty.CollectString(limits.PLAN_STDOUT_BYTES))
    hints: list[str] = field(default_factory=list[str])

    @property
    def stdout(self) -> str:
        return self.before + self.prints.output


def run_plan(
    spec: PlanSpec,
    tools: Toolbox,
    recorded: Mapping[int, Answer],
    handler: Handler,
    snapshots: SnapshotFile | None = None,
) -> Finished | Paused | Failed:
    """Run a plan from its snapshot, or from its beginning with the recorded answers, until it ends or sleeps.

    Raises:
        PlanDiverged: a replayed call is not the recorded one; the handler was not asked.
    """
    answers = dict(recorded)
    kept = snapshots.load(spec.digest, MONTY_VERSION) if snapshots else None
    crashed_at: set[int] = set()
    while True:
        drive = _Drive(spec, tools, answers, handler)
        try:
            with _sandbox(spec, tools) as session:
                return _drive(drive, session, kept, snapshots, check=not answers and not crashed_at)
        except monty.MontyCrashedError as fault:
            if kept is None and (drive.sequence in crashed_at or fault.timed_out):
                return Failed(f"The sandbox was stopped by this plan: {fault}", drive.stdout)
            if kept is None:
                crashed_at.add(drive.sequence)
        except monty.MontyError as fault:
            if kept is None or drive.sequence != kept.sequence:
                return Failed(_display(fault, drive.hints), drive.stdout)
        kept = None


@contextmanager
def _sandbox(spec: PlanSpec, tools: Toolbox) -> Iterator[monty.MontySession]:
    bounds: monty.ResourceLimits = {
        "max_feed_duration_secs": limits.PLAN_FEED_S,
        "max_turn_duration_secs": limits.PLAN_TURN_S,
        "max_memory": limits.PLAN_MEMORY_BYTES,
        "max_recursion_depth": limits.PLAN_RECURSION,
        "max_suspensions": limits.PLAN_SUSPENSIONS,
    }
    policy: monty.OSPolicy = {
        "datetime": spec.started_at,
        "timezone": "utc",
        "sleep": "zero",
        "random_start": {"seed": spec.seed},
    }
    with (
        monty.Monty(request_timeout=limits.PLAN_REQUEST_S) as pool,
        pool.checkout(
            limits=bounds,
            os_policy=policy,
            type_check=True,
            type_check_stubs=tools.stubs,
            type_check_format="concise",
        ) as session,
    ):
        yield session


def _drive(
    drive: _Drive,
    session: monty.MontySession,
    kept: Snapshot | None,
    snapshots: SnapshotFile | None,
    *,
    check: bool,
) -> Finished | Paused | Failed:
    if kept is not None:
        drive.sequence, drive.before = kept.sequence, kept.stdout
        at: Any = session.load_snapshot(kept.state, print_callback=drive.prints)
    else:
        at = _start(drive, session, check=check)
    while not isinstance(at, monty.MontyComplete):
        if isinstance(at, monty.NameLookupSnapshot):
            if drive.tools.get(at.variable_name):
                drive.hints.append(f"A tool can only be called, not passed on: write {at.variable_name}(...).")
            at = at.resume()
        elif isinstance(at, monty.FutureSnapshot):
            return Failed("Tools answer at once: call them without await.", drive.stdout)
        elif at.is_os_function:
            at = at.resume_not_handled()
        else:
            reply = _answer(drive, at)
            if isinstance(reply, PlanCall):
                return _sleep(drive, at, reply, snapshots)
            at = at.resume(reply)
    return Finished(plain(at.output), drive.stdout)


def _start(drive: _Drive, session: monty.MontySession, *, check: bool) -> Any:
    """Begin the plan; what the type checker only suspects does not keep it from running."""
    code, prints = drive.spec.code, drive.prints
    try:
        return session.feed_start(code, print_callback=prints, skip_type_check=not check)
    except monty.MontyTypingError as fault:
        rules = set(re.findall(r"error\[([a-z-]+)\]", fault.display()))
        if rules & _CERTAIN_TYPE_ERRORS or not rules:
            raise
    return session.feed_start(code, print_callback=prints, skip_type_check=True)


def _answer(drive: _Drive, at: monty.FunctionSnapshot) -> Any:
    """Return what to resume the plan with, or the call at which it must sleep."""
    name = str(at.function_name)
    tool = drive.tools.get(name)
    if tool is None:
        return {"exc_type": "NameError", "message": _unknown(name, drive.tools.names)}
    try:
        call = _bind(drive, tool, at)
    except TypeError as fault:
        return {"exc_type": "TypeError", "message": str(fault)}
    answer = drive.answers.get(call.sequence)
    if answer is None:
        answer = drive.handler(call)
        if answer is None:
            return call
        drive.answers[call.sequence] = answer
    if answer.key != call.key:
        raise PlanDiverged(
            f"Turn {drive.spec.turn} of session {drive.spec.session} made another call at position "
            f"{call.sequence} ({name}) than before; nothing was launched, look at the plan before resuming."
        )
    drive.sequence += 1
    return {"return_value": answer.result}


def _bind(drive: _Drive, tool: Tool, at: monty.FunctionSnapshot) -> PlanCall:
    arguments = tool.bind(at.args, at.kwargs)
    key = drive.spec.call_key(drive.sequence, tool.name, arguments)
    return PlanCall(drive.sequence, key, tool.name, arguments)


def _sleep(drive: _Drive, at: monty.FunctionSnapshot, call: PlanCall, snapshots: SnapshotFile | None) -> Paused:
    try:
        state = at.dump()
    except monty.MontyError:
        return Paused(call)
    if len(state) > limits.SNAPSHOT_BYTES:
        return Paused(call)
    if snapshots is not None:
        snapshots.save(drive.spec.digest, MONTY_VERSION, Snapshot(call.sequence, drive.stdout, state))
    return Paused(call, state)


def _unknown(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3) or names
    return f"There is no function {name!r}; there is: {', '.join(near)}."


def _display(fault: monty.MontyError, hints: list[str]) -> str:
    shown = (
        fault.display()
        if isinstance(fault, monty.MontyRuntimeError | monty.MontySyntaxError | monty.MontyTypingError)
        else str(fault)
    )
    return "\n".join([shown.strip(), *dict.fromkeys(hints)])


def plain(value: object) -> JsonValue:
    """Turn the value of a plan into JSON: nan is null, sets are lists, all else is its text."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if abs(value) < float("inf") else None
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case dict():
            return {str(key): plain(item) for key, item in value.items()}
        case _:
            return str(value)
