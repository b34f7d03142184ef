"""The sandbox that plans run in: pydantic-monty with its limits.

What is covered: files, network, environment and processes of the host are out of a plan's reach; time,
memory, recursion, output and calls are bounded; clock and randomness are frozen.
What is not covered: the worker is an ordinary process of the same user, kept in by its language alone.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import pydantic_monty as monty

from autoresearch_dagster.agent import plan_advice, plan_check
from autoresearch_dagster.agent.tools.signatures import Toolbox
from autoresearch_dagster.core import limits

MONTY_VERSION: Final = monty.__version__
_UNKNOWN_TO_CHECKER: Final = [
    "FileExistsError",
    "FileNotFoundError",
    "ImportError",
    "IsADirectoryError",
    "ModuleNotFoundError",
    "NotADirectoryError",
    "PermissionError",
    "UnboundLocalError",
    "UnicodeDecodeError",
    "UnicodeEncodeError",
    "filter",
    "format",
    "getattr",
    "hasattr",
    "map",
    "open",
    "setattr",
]
"""What the sandbox runs, though its type checker knows no such name (all builtins tried, 1.4.0)."""


class PlanFault(Exception):
    """The plan ended with an error of its own; the text is for the agent.

    `began` is false where nothing of the plan was run.
    """

    def __init__(self, text: str, *, began: bool = True) -> None:
        super().__init__(text)
        self.began = began


class _Suspected(Exception):
    """What the type checker says against a plan."""


class SandboxCrashed(Exception):
    """The sandbox's process ended; `timed_out`: it was stopped because the plan did not stop."""

    def __init__(self, *, timed_out: bool) -> None:
        super().__init__(plan_advice.STOPPED)
        self.timed_out = timed_out


@dataclass(frozen=True, slots=True)
class Asked:
    """The plan waits for the answer to this call."""

    function: str
    args: tuple[object, ...]
    kwargs: Mapping[str, object]
    at: monty.FunctionSnapshot

    def dump(self) -> bytes | None:
        """Return the sleeping plan; None where it cannot be kept."""
        try:
            state = self.at.dump()
        except monty.MontyError:
            return None
        return state if len(state) <= limits.SNAPSHOT_BYTES else None


@dataclass(frozen=True, slots=True)
class Ended:
    """The plan ran to its end."""

    value: object


class Sandbox:
    """One plan in a process of its own, from one call to the next.

    Its methods raise PlanFault, where the plan is at fault, and SandboxCrashed.
    """

    def __init__(self, session: monty.MontySession, tools: Toolbox) -> None:
        self._session, self._tools = session, tools
        self._prints = monty.CollectString(limits.PLAN_STDOUT_BYTES)
        self._hints: list[str] = []

    @property
    def printed(self) -> str:
        """What the plan printed here."""
        return self._prints.output

    def start(self, code: str, *, check: bool) -> Asked | Ended:
        """Begin a plan; checked, it is refused for what is certain to fail, before anything of it runs."""
        misuse = plan_check.misused_tools(code, self._tools.names) if check else ""
        if misuse:
            raise PlanFault(misuse, began=False)
        try:
            return self._until_call(lambda: self._feed(code, check=check))
        except _Suspected as fault:
            certain = plan_check.certain_errors(str(fault), code, self._tools.names)
            if certain:
                raise PlanFault(certain, began=False) from None
        return self._until_call(lambda: self._feed(code, check=False))

    def wake(self, state: bytes) -> Asked | Ended:
        """Go on with a dumped plan."""
        return self._until_call(lambda: self._session.load_snapshot(state, print_callback=self._prints))

    def answer(self, asked: Asked, value: object) -> Asked | Ended:
        """Give a call its value."""
        return self._until_call(lambda: asked.at.resume({"return_value": value}))

    def refuse(self, asked: Asked, error: str, message: str) -> Asked | Ended:
        """Raise an error in the plan instead of an answer."""
        return self._until_call(lambda: asked.at.resume({"exc_type": error, "message": message}))  # type: ignore[arg-type]

    def _feed(self, code: str, *, check: bool) -> Any:
        return self._session.feed_start(code, print_callback=self._prints, skip_type_check=not check)

    def _until_call(self, step: Callable[[], Any]) -> Asked | Ended:
        with _told_to_the_agent(self._hints):
            at = step()
            while not isinstance(at, monty.MontyComplete):
                if isinstance(at, monty.NameLookupSnapshot):
                    if self._tools.get(at.variable_name):
                        self._hints.append(plan_advice.ONLY_CALLED.format(at.variable_name))
                    at = at.resume()
                elif isinstance(at, monty.FutureSnapshot):
                    raise PlanFault(plan_advice.NO_AWAIT)
                elif at.is_os_function:
                    at = at.resume_not_handled()
                else:
                    return Asked(str(at.function_name), tuple(at.args), dict(at.kwargs), at)
            return Ended(at.output)


@contextmanager
def _told_to_the_agent(hints: list[str]) -> Iterator[None]:
    """Turn the sandbox's errors into ours, with the words that the agent reads."""
    try:
        yield
    except monty.MontyCrashedError as fault:
        raise SandboxCrashed(timed_out=fault.timed_out) from None
    except monty.MontyTypingError as fault:  # before anything runs, at the latest where imports are looked up
        raise _Suspected(fault.display()) from None
    except monty.MontySyntaxError as fault:
        raise PlanFault(plan_advice.told(fault.display(), hints), began=False) from None
    except monty.MontyRuntimeError as fault:
        raise PlanFault(plan_advice.told(fault.display(), hints)) from None
    except (monty.MontyError, ValueError) as fault:
        # ValueError: a value that cannot leave the sandbox, an integer of too many digits
        raise PlanFault(plan_advice.told(str(fault), hints)) from None


@contextmanager
def open_sandbox(tools: Toolbox, started_at: datetime, seed: int) -> Iterator[Sandbox]:
    """Start a process for one plan, with its frozen clock and randomness.

    Raises:
        SandboxCrashed: it could not be started.
    """
    bounds: monty.ResourceLimits = {
        "max_feed_duration_secs": limits.PLAN_FEED_S,
        "max_turn_duration_secs": limits.PLAN_TURN_S,
        "max_memory": limits.PLAN_MEMORY_BYTES,
        "max_recursion_depth": limits.PLAN_RECURSION,
        "max_suspensions": limits.PLAN_SUSPENSIONS,
    }
    policy: monty.OSPolicy = {
        "datetime": started_at,
        "timezone": "utc",
        "sleep": "zero",
        "random_start": {"seed": seed},
    }
    stubs = tools.stubs + "".join(f"{name}: Any\n" for name in _UNKNOWN_TO_CHECKER)
    try:
        with (
            monty.Monty(request_timeout=limits.PLAN_REQUEST_S) as pool,
            pool.checkout(
                limits=bounds,
                os_policy=policy,
                type_check=True,
                type_check_stubs=stubs,
                type_check_format="concise",
            ) as session,
        ):
            yield Sandbox(session, tools)
    except monty.MontyCrashedError as fault:
        raise SandboxCrashed(timed_out=fault.timed_out) from None
