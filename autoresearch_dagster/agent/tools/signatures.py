"""One definition of each tool: signature and docstring become prompt text, type stubs and dispatcher."""

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import GenericAlias
from typing import Any, Protocol

from pydantic import JsonValue, TypeAdapter, ValidationError

from autoresearch_dagster.agent.tools.arguments import to_json
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.experiment import Digest, canonical_json
from autoresearch_dagster.core.presets import Preset
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState

ADDED_LATER = frozenset({"confirm"})
"""Arguments that plans of before they existed do not name: at their default they are no part of a call, or a plan
that sleeps while the program is updated would make other calls than it made."""


class Transaction(Protocol):
    """What a tool needs of a journal transaction."""

    @property
    def state(self) -> SessionState:
        """The session as it stands inside the transaction."""
        ...

    def append(self, event: ev.Event) -> object:
        """Write an event and fold it onto `state`."""
        ...


class BlobStore(Protocol):
    """What a tool needs of the blobs."""

    def put(self, data: bytes) -> Digest:
        """Keep some bytes."""
        ...

    def get(self, digest: Digest) -> bytes:
        """Return kept bytes."""
        ...


@dataclass(frozen=True, slots=True)
class ToolContext:
    """What a tool may use while it runs inside the transaction that also records its call."""

    tx: Transaction
    blobs: BlobStore
    profile: Mapping[str, JsonValue]
    baseline: str
    preset: Preset
    slots: int

    @property
    def state(self) -> SessionState:
        """The session as it stands now."""
        return self.tx.state


@dataclass(frozen=True, slots=True)
class Launch:
    """What a durable tool asks for: titles in order, each with a budget in seconds or None."""

    titles: tuple[str, ...]
    budgets: tuple[int | None, ...]
    concurrency: int | None = None


@dataclass(frozen=True)
class Tool:
    """A function that plans may call; its first parameter is the ToolContext, the others are the agent's.

    A `durable` one launches experiments: the plan sleeps until they are decided.  One that is carried out `outside`
    has no ToolContext: it may take its time, for no transaction is open; after a crash it is carried out again.
    """

    function: Callable[..., JsonValue | Launch]
    durable: bool = False
    outside: bool = False

    @property
    def name(self) -> str:
        """Name in the plan."""
        return self.function.__name__

    @cached_property
    def parameters(self) -> inspect.Signature:
        """What the agent may pass."""
        whole = inspect.signature(self.function)
        return whole.replace(parameters=list(whole.parameters.values())[0 if self.outside else 1 :])

    @cached_property
    def _types(self) -> dict[str, TypeAdapter[Any]]:
        found: dict[str, TypeAdapter[Any]] = {}
        for name, parameter in self.parameters.parameters.items():
            several = parameter.kind is inspect.Parameter.VAR_POSITIONAL
            wanted: Any = GenericAlias(list, (parameter.annotation,)) if several else parameter.annotation
            found[name] = TypeAdapter[Any](wanted)
        return found

    def bind(self, args: Sequence[object], kwargs: Mapping[str, object]) -> dict[str, JsonValue]:
        """Give every argument its name, its default and its type.

        One of a wrong type stays as it is: the call is recorded and answered with an error.

        Raises:
            TypeError: the arguments do not fit the signature, or are not plain JSON data.
        """
        bound = self.parameters.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments: dict[str, JsonValue] = {}
        for name, value in bound.arguments.items():
            if name in ADDED_LATER and value == self.parameters.parameters[name].default:
                continue
            try:
                arguments[name] = to_json(value)
            except TypeError as fault:
                raise TypeError(f"{self.name}() argument {name!r}: {fault}") from None
        return {name: self._typed(name, value)[0] for name, value in arguments.items()}

    def _typed(self, name: str, value: JsonValue) -> tuple[JsonValue, str]:
        """Return an argument in its type, and '' or why it cannot be brought into it; None means the default."""
        try:
            return self._types[name].validate_python(value), ""
        except ValidationError as fault:
            default = self.parameters.parameters[name].default
            if value is None and default is not inspect.Parameter.empty:
                return default, ""
            return value, fault.errors()[0]["msg"]

    def problem(self, arguments: Mapping[str, JsonValue]) -> str:
        """Say which bound argument has a wrong type, or is too large; '' if all can be used."""
        for name, value in arguments.items():
            wrong = self._typed(name, value)[1]
            if wrong:
                return f"{self.name}() argument {name!r}: {wrong}; call {self.name}{_plain(self.parameters)}."
        size = len(canonical_json(arguments))
        if size > limits.CALL_ARGUMENT_BYTES:
            return (
                f"The arguments of {self.name}() take {size} bytes and {limits.CALL_ARGUMENT_BYTES} are allowed; "
                "pass less in one call."
            )
        return ""

    def __call__(self, context: ToolContext | None, arguments: Mapping[str, JsonValue]) -> JsonValue | Launch:
        """Run it with bound arguments that have no `problem`."""
        positional: list[Any] = [] if self.outside else [context]
        named: dict[str, JsonValue] = {}
        for name, parameter in self.parameters.parameters.items():
            value = arguments.get(name, parameter.default)
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL and isinstance(value, list):
                positional.extend(value)
            elif parameter.kind is inspect.Parameter.KEYWORD_ONLY:
                named[name] = value
            else:
                positional.append(value)
        return self.function(*positional, **named)

    @property
    def stub(self) -> str:
        """Declaration for the type checker of the sandbox."""
        return f"def {self.name}{_plain(self.parameters)}: ..."

    @property
    def prompt(self) -> str:
        """Lines for the system prompt."""
        text = self._text.replace("\n", "\n  ")
        return f"- {self.name}{_plain(self.parameters)}\n  {text}"

    @property
    def markdown(self) -> str:
        """A section of the documentation."""
        return f"### `{self.name}`\n\n```python\n{self.stub}\n```\n\n{self._text}\n"

    @property
    def _text(self) -> str:
        return inspect.cleandoc(self.function.__doc__ or "")


class Toolbox:
    """The tools of a session, by name."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        names = [tool.name for tool in tools]
        if len(set(names)) != len(names):
            raise UserError("Two tools have the same name; rename one of them.")
        self._tools = {tool.name: tool for tool in tools}

    def __iter__(self) -> Iterator[Tool]:
        """Go through the tools in the order of the prompt."""
        return iter(self._tools.values())

    def get(self, name: str) -> Tool | None:
        """Look a tool up."""
        return self._tools.get(name)

    @property
    def names(self) -> list[str]:
        """Names of all tools."""
        return list(self._tools)

    @property
    def stubs(self) -> str:
        """Declarations of all tools for the type checker."""
        lines = ["from typing import Any, Literal", *(tool.stub for tool in self)]
        return "\n".join(lines) + "\n"

    @property
    def prompt(self) -> str:
        """The tool list of the system prompt."""
        return "\n".join(tool.prompt for tool in self)

    @property
    def markdown(self) -> str:
        """A section of the documentation for each tool, in the order of the prompt."""
        return "\n".join(tool.markdown for tool in self)

    def without_running(self) -> "Toolbox":
        """Return the tools of the last turn, in which nothing can be launched."""
        return Toolbox([tool for tool in self if not tool.durable])


def _plain(signature: inspect.Signature) -> str:
    text = str(signature).split(" -> ")[0].replace("typing.", "").replace("pydantic.types.", "")
    return text.replace("JsonValue", "Any") + " -> Any"
