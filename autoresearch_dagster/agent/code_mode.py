"""Runs a plan in the sandbox so that it can sleep at any call and go on in another process.

The record of calls is the truth: a plan is replayed from it; a snapshot only saves that work.
"""

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import JsonValue

from autoresearch_dagster.agent.plan_advice import NO_PLAN
from autoresearch_dagster.agent.plan_snapshot import Snapshot, SnapshotFile
from autoresearch_dagster.agent.sandbox import (
    MONTY_VERSION,
    Asked,
    Ended,
    PlanFault,
    Sandbox,
    SandboxCrashed,
    open_sandbox,
)
from autoresearch_dagster.agent.tools.signatures import Toolbox
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import PlanDiverged
from autoresearch_dagster.core.experiment import canonical_json, digest_of


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
    calls: int = 0


@dataclass(frozen=True, slots=True)
class Failed:
    """The plan ended with an error that the agent can mend.

    `began` is false where nothing of it was run; `calls` were answered before the error.
    """

    error: str
    stdout: str
    calls: int = 0
    began: bool = True


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
    """One run or replay of a plan, up to its end or its next sleep; `before` was printed ahead of a snapshot."""

    spec: PlanSpec
    tools: Toolbox
    answers: dict[int, Answer]
    handler: Handler
    sequence: int = 0
    before: str = ""
    sandbox: Sandbox | None = None

    @property
    def stdout(self) -> str:
        return self.before + (self.sandbox.printed if self.sandbox else "")

    def failed(self, error: str, *, began: bool = True) -> Failed:
        quoted = not any(name in self.spec.code for name in self.tools.names)
        told = f"{error}\n{NO_PLAN}" if quoted and NO_PLAN not in error else error
        return Failed(told, self.stdout, self.sequence, began)


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
            with open_sandbox(tools, spec.started_at, spec.seed) as drive.sandbox:
                return _drive(drive, drive.sandbox, kept, snapshots, check=not answers and not crashed_at)
        except SandboxCrashed as fault:
            if kept is None and (drive.sequence in crashed_at or fault.timed_out):
                return drive.failed(str(fault))
            if kept is None:
                crashed_at.add(drive.sequence)
        except PlanFault as fault:
            if kept is None or drive.sequence != kept.sequence:
                return drive.failed(str(fault), began=fault.began)
        kept = None


def _drive(
    drive: _Drive, sandbox: Sandbox, kept: Snapshot | None, snapshots: SnapshotFile | None, *, check: bool
) -> Finished | Paused:
    if kept is not None:
        drive.sequence, drive.before = kept.sequence, kept.stdout
        at = sandbox.wake(kept.state)
    else:
        at = sandbox.start(drive.spec.code, check=check)
    while not isinstance(at, Ended):
        tool = drive.tools.get(at.function)
        if tool is None:
            at = sandbox.refuse(at, "NameError", _unknown(at.function, drive.tools.names))
            continue
        try:
            arguments = tool.bind(at.args, at.kwargs)
            key = drive.spec.call_key(drive.sequence, tool.name, arguments)
        except (TypeError, ValueError) as fault:  # ValueError: an integer of too many digits for text
            at = sandbox.refuse(at, "TypeError", str(fault))
            continue
        call = PlanCall(drive.sequence, key, tool.name, arguments)
        answer = _answer(drive, call)
        if answer is None:
            return _sleep(drive, at, call, snapshots)
        drive.sequence += 1
        at = sandbox.answer(at, answer.result)
    return Finished(plain(at.value), drive.stdout, drive.sequence)


def _answer(drive: _Drive, call: PlanCall) -> Answer | None:
    """Return the answer of a call, recorded or new; None: the plan must sleep."""
    answer = drive.answers.get(call.sequence)
    if answer is None:
        answer = drive.handler(call)
        if answer is None:
            return None
        drive.answers[call.sequence] = answer
    if answer.key != call.key:
        raise PlanDiverged(
            f"Turn {drive.spec.turn} of session {drive.spec.session} made another call at position "
            f"{call.sequence} ({call.function}) than before; nothing was launched, look at the plan before "
            "resuming."
        )
    return answer


def _sleep(drive: _Drive, at: Asked, call: PlanCall, snapshots: SnapshotFile | None) -> Paused:
    state = at.dump()
    if state is not None and snapshots is not None:
        snapshots.save(drive.spec.digest, MONTY_VERSION, Snapshot(call.sequence, drive.stdout, state))
    return Paused(call, state)


def _unknown(name: str, names: list[str]) -> str:
    near = difflib.get_close_matches(name, names, n=3) or names
    return f"There is no function {name!r}; there is: {', '.join(near)}."


def plain(value: object, depth: int = 0) -> JsonValue:
    """Turn the value of a plan into JSON: nan is null, sets are lists, too large or too deep is said in words."""
    if depth > limits.CALL_ARGUMENT_DEPTH:
        return f"[nested more than {limits.CALL_ARGUMENT_DEPTH} levels deep]"
    match value:
        case None | bool() | str():
            return value
        case int():
            few = abs(value) <= limits.CALL_INTEGER
            return value if few else f"[a whole number of {value.bit_length()} bits]"
        case float():
            return value if abs(value) < float("inf") else None
        case list() | tuple():
            return [plain(item, depth + 1) for item in value]
        case set() | frozenset():
            return sorted((plain(item, depth + 1) for item in value), key=repr)
        case dict():
            return {_key(key): plain(item, depth + 1) for key, item in value.items()}
        case bytes():
            return f"[{len(value)} bytes]"
        case _:
            return str(value)


def _key(key: object) -> str:
    return key if isinstance(key, str) else str(plain(key))
