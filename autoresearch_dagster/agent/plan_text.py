"""Finds the plan in a reply: one fenced Python block, or none when the reply is the final answer."""

import re
from dataclasses import dataclass
from typing import Final

from autoresearch_dagster.core import limits

_FENCE: Final = re.compile(r"^(?P<indent> {0,3})(?P<ticks>`{3,}|~{3,})[ \t]*(?P<tag>[^\s`]*)[^`]*$")
_PYTHON: Final = frozenset({"", "python", "py", "python3"})
_CUT: Final = frozenset({"max_tokens", "model_context_window_exceeded"})


@dataclass(frozen=True, slots=True)
class Plan:
    """The one Python block of a reply."""

    code: str


@dataclass(frozen=True, slots=True)
class FinalAnswer:
    """A reply without a Python block."""

    text: str


@dataclass(frozen=True, slots=True)
class Unusable:
    """A reply that is neither; `problem` tells the agent what to do instead."""

    problem: str


def read_reply(text: str, stop_reason: str | None) -> Plan | FinalAnswer | Unusable:
    """Read a reply; what was cut off is never taken for a final answer, nor run."""
    if stop_reason is None or stop_reason in _CUT:
        return Unusable("Your reply was cut off before its end; answer again, with a shorter plan.")
    blocks, unclosed = _blocks(text)
    if unclosed:
        return Unusable("Your reply was cut: a code block is not closed; answer again with one whole block.")
    if len(blocks) > 1:
        return Unusable(f"Your reply has {len(blocks)} Python blocks; answer with exactly one. Nothing was run.")
    if not blocks:
        if not text.strip():
            return Unusable("Your reply was empty; answer with one Python block, or with your final text.")
        return FinalAnswer(text.strip())
    if len(blocks[0].encode()) > limits.PLAN_BYTES:
        return Unusable(f"Your plan is longer than {limits.PLAN_BYTES} bytes; write a shorter one.")
    if not blocks[0].strip():
        return Unusable("Your Python block is empty; write a plan in it, or answer with plain text.")
    return Plan(blocks[0])


def _blocks(text: str) -> tuple[list[str], bool]:
    """Return the Python blocks and whether some block is still open at the end.

    A fence is closed only by a bare line of at least as many of its own marks, so that marks inside a line of
    code, or tagged ones, do not cut it.
    """
    blocks: list[str] = []
    fence, python, lines = "", False, list[str]()
    for line in text.splitlines():
        if fence:
            bare = line.strip()
            if len(bare) >= len(fence) and set(bare) == {fence[0]} and _indent(line) <= 3:
                if python:
                    blocks.append("\n".join(lines))
                fence = ""
            else:
                lines.append(line)
        elif match := _FENCE.match(line):
            fence, python, lines = match["ticks"], match["tag"].lower() in _PYTHON, []
    return blocks, bool(fence)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
