"""Finds the plan in a reply: one fenced Python block, or none when the reply is the final answer."""

import ast
import re
import warnings
from dataclasses import dataclass
from typing import Final

from autoresearch_dagster.agent.tools.untrusted import visible
from autoresearch_dagster.core import limits

_FENCE: Final = re.compile(r"^(?P<indent> {0,3})(?P<ticks>`{3,}|~{3,})[ \t]*(?P<tag>[^\s`]*)[^`]*$")
_PYTHON: Final = frozenset({"", "python", "py", "python3"})
_CUT: Final = frozenset({None, "max_tokens", "model_context_window_exceeded"})
_ENDED: Final = frozenset({"end_turn", "stop_sequence"})
_ONE_BLOCK: Final = "Answer with one ```python block that calls the tools as functions, or with your final text."
_STOPPED: Final = {
    "refusal": f"Your reply was refused by the model's provider; nothing was run. {_ONE_BLOCK}",
    "tool_use": f"There are no tools of the API here; nothing was run. {_ONE_BLOCK}",
    "pause_turn": f"Your reply was paused before its end; nothing was run. {_ONE_BLOCK}",
}
_IMITATION: Final = re.compile(
    r"<(?:tool_call|tool_use|function_calls?|invoke|antml:)|^\s*\{\s*\"(?:tool|name|function)\""
)


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
    """Read a reply; what was cut off, refused or never ended is neither run nor taken for a final answer."""
    if stop_reason in _CUT:
        return Unusable("Your reply was cut off before its end; answer again, with a shorter plan.")
    if stop_reason not in _ENDED:
        unknown = f"Your reply ended for a reason that is not known here ({stop_reason}). {_ONE_BLOCK}"
        return Unusable(_STOPPED.get(str(stop_reason), unknown))
    text = text.replace("\r\n", "\n").lstrip("\ufeff")
    blocks, unclosed = _blocks(text)
    if unclosed:
        return Unusable(
            "Your reply was cut: a code block is not closed; answer again with one whole block. Code that holds "
            "lines of ``` itself goes between lines of ````."
        )
    if len(blocks) > 1:
        return Unusable(f"Your reply has {len(blocks)} Python blocks; answer with exactly one. Nothing was run.")
    if not blocks:
        problem = _not_final(text)
        return Unusable(problem) if problem else FinalAnswer(text.strip())
    if len(blocks[0].encode(errors="replace")) > limits.PLAN_BYTES:
        return Unusable(f"Your plan is longer than {limits.PLAN_BYTES} bytes; write a shorter one.")
    if not blocks[0].strip():
        return Unusable("Your Python block is empty; write a plan in it, or answer with plain text.")
    return Plan(blocks[0])


def _not_final(text: str) -> str:
    """Say why a reply without a Python block is no final answer; '' where it is one."""
    if not visible(text).strip():
        return "Your reply was empty; answer with one Python block, or with your final text."
    if _IMITATION.search(text):
        return f"Your reply imitates a tool call; nothing was run. {_ONE_BLOCK}"
    if text.rstrip().endswith(":"):
        return f"Your reply ends with a colon and nothing follows; nothing was run. {_ONE_BLOCK}"
    if len(text) <= limits.PLAN_BYTES and _is_code(text):
        return "Your reply is code outside of a block; nothing was run. Put it into one ```python block."
    return ""


def _is_code(text: str) -> bool:
    """Whether all of a text is Python that does something: calls, assigns or imports."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.Call | ast.Assign | ast.Import | ast.ImportFrom) for node in ast.walk(tree))


def _blocks(text: str) -> tuple[list[str], bool]:
    """Return the Python blocks and whether some block is still open at the end.

    A fence is closed only by a bare line of at least as many of its own marks, so that marks inside a line of
    code, or tagged ones, do not cut it.
    """
    blocks: list[str] = []
    fence, python, indent, lines = "", False, 0, list[str]()
    for line in text.split("\n"):  # and nowhere else: code may hold other line separators in its strings
        if fence:
            bare = line.strip()
            if len(bare) >= len(fence) and set(bare) == {fence[0]} and _indent(line) <= 3:
                if python:
                    blocks.append("\n".join(lines))
                fence = ""
            else:
                lines.append(line[min(indent, _indent(line)) :])
        elif match := _FENCE.match(line):
            fence, python, lines = match["ticks"], match["tag"].lower() in _PYTHON, []
            indent = len(match["indent"])
    return blocks, bool(fence)


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
