"""A reply, and whether it ends the session."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Case:
    """`final`: the one kind of reply that may end a session."""

    text: str
    stop: str | None = "end_turn"
    final: bool = False


def plan(code: str, tag: str = "python") -> Case:
    """A reply with one block."""
    return Case(f"I try this.\n\n```{tag}\n{code}\n```")
