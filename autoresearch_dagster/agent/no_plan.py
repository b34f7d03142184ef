"""Tells a final answer from a reply that only lost its plan: its fence, its code, or the way to call tools.

A wrong doubt costs a turn, in which the agent can say the same in plain words; a wrong trust ends the session.
"""

import ast
import json
import re
import warnings
from collections.abc import Sequence
from typing import Final

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.text import visible

_HOW: Final = (
    "Nothing was run. Write the calls in one ```python block, its fences on lines of their own; "
    "or answer with plain text when you are finished."
)
_TAG: Final = re.compile(r"^\s*<(?:\w+:)?(?:tool_call|tool_use|function_calls?|function|invoke)\b", re.MULTILINE)
_NAMES: Final = frozenset({"name", "tool", "tool_name", "function"})
_ARGUMENTS: Final = frozenset({"arguments", "args", "input", "parameters", "params", "tool_input"})
_INLINE: Final = re.compile(r"(```|~~~)[ \t]*\{?(python|py)\b", re.IGNORECASE)
_PROMISE: Final = re.compile(
    r"^(?:(?:now|first|next|then|so|okay|ok)\b,? *)?"
    r"(?:I will|I['’]ll|I am going to|I['’]m going to|let me|let['’]s)\b",
    re.IGNORECASE,
)
_PARTING: Final = re.compile(r"\b(?:know|stop|end|finish|conclude|summari[sz]e|here)\b", re.IGNORECASE)


def problem_of(text: str, prose: str, blocks: Sequence[tuple[str, str]]) -> str:
    """Return why a reply without a Python block is no final answer, and what to do; "" if it is one.

    Args:
        text: the whole reply.
        prose: what stands outside of its blocks.
        blocks: tag and content of each.
    """
    if not visible(text).strip():
        return "Your reply was empty; answer with one Python block, or with your final text."
    if _TAG.search(prose) or any(_is_call(code) for _, code in [("", prose), *blocks]):
        return f"Your reply imitates a tool call. {_HOW}"
    if not prose.strip():
        return f"Your reply is only a block tagged {blocks[0][0][:40]!r}, which is not run. {_HOW}"
    if _INLINE.search(prose):
        return f"Your reply has a Python fence that does not begin its own line. {_HOW}"
    if not blocks and _is_code(prose):
        return f"Your reply is code without a fence. {_HOW}"
    if text.rstrip().endswith(":") or _promises(prose):
        return f"Your reply announces something that does not follow. {_HOW}"
    return ""


def _is_call(text: str) -> bool:
    """Whether a text is JSON that names a function and its arguments."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    calls = found if isinstance(found, list) else [found]
    return any(isinstance(call, dict) and _NAMES & call.keys() and _ARGUMENTS & call.keys() for call in calls)


def _is_code(text: str) -> bool:
    """Whether the whole text is Python that calls something."""
    if len(text) > limits.PLAN_BYTES:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(text.strip())
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return any(isinstance(node, ast.Call) for node in ast.walk(tree))


def _promises(prose: str) -> bool:
    """Whether the last sentence says what the agent is about to do."""
    last = re.split(r"(?<=[.!?])\s+|\n+", prose.strip()[-limits.HISTORY_CELL_CHARS * 4 :])[-1]
    return _PROMISE.match(last) is not None and _PARTING.search(last) is None
