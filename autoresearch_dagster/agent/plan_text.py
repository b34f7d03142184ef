"""Finds the plan in a reply: one fenced Python block, or none when the reply is the final answer.

A final answer ends a session, so a reply is taken for one only if nothing in it says that it is something else; a
plan has effects, so nothing is run of a reply that did not end by itself or whose block is not certain.
"""

import re
from dataclasses import dataclass
from typing import Final

from autoresearch_dagster.agent import no_plan
from autoresearch_dagster.core import limits

_FENCE: Final = re.compile(r"^(?P<indent>[ \t]*)(?P<marks>`{3,}(?=[^`]*$)|~{3,})[ \t]*(?P<tag>\S*).*$")
_PYTHON: Final = re.compile(r"(i?python[\d.]*|py3?)?", re.IGNORECASE)
_STOPS: Final = {
    "refusal": (
        "The model refused: your reply was stopped for safety and nothing of it was run. Plan something that "
        "only changes train.py and runs experiments."
    ),
    "tool_use": (
        "You tried to call a tool by the model's own interface, which this session does not have. Write the calls "
        "in one ```python block."
    ),
    "pause_turn": "Your reply was paused before its end; nothing was run. Answer again with one whole block.",
}
_CUT: Final = "Your reply was cut off before its end and nothing was run; answer again, with a shorter plan."
_ENDED: Final = frozenset({"end_turn", "stop_sequence"})


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


@dataclass(frozen=True, slots=True)
class _Block:
    tag: str
    code: str

    @property
    def is_python(self) -> bool:
        return _PYTHON.fullmatch(self.tag.strip("{}.")) is not None


def read_reply(text: str, stop_reason: str | None) -> Plan | FinalAnswer | Unusable:
    """Read a reply; what did not end by itself is never taken for a final answer, nor run."""
    if stop_reason not in _ENDED:
        return Unusable(_STOPS.get(stop_reason or "", _CUT))
    text = text.replace("\r\n", "\n").replace("\r", "\n").removeprefix("\ufeff")
    blocks, prose, unclosed = _blocks(text)
    if unclosed:
        return Unusable(
            "Your reply has a code block that is not closed, and nothing was run; answer again with one whole "
            "block. Where the code itself has a line of ```, open and close the block with ````."
        )
    plans = [block.code.removeprefix("\ufeff") for block in blocks if block.is_python]
    if len(plans) > 1:
        return Unusable(
            f"Your reply has {len(plans)} Python blocks; answer with exactly one. Nothing was run. Where the code "
            "itself has a line of ```, open and close the block with ````."
        )
    if plans:
        return _plan(plans[0])
    problem = no_plan.problem_of(text, prose, [(block.tag, block.code) for block in blocks])
    return Unusable(problem) if problem else FinalAnswer(text.strip())


def _plan(code: str) -> Plan | Unusable:
    if len(code.encode(errors="replace")) > limits.PLAN_BYTES:
        return Unusable(
            f"Your plan is longer than {limits.PLAN_BYTES} bytes; write a shorter one. Nothing was run."
        )
    if not code.strip():
        return Unusable("Your Python block is empty; write a plan in it, or answer with plain text.")
    return Plan(code)


def _blocks(text: str) -> tuple[list[_Block], str, bool]:
    """Return the blocks, the text outside of them, and whether some block is still open at the end.

    A fence is closed only by a bare line of at least as many of its own marks, so that marks inside a line of
    code, or tagged ones, do not cut it.  Only line feeds end lines, as in Python's own strings.
    """
    blocks: list[_Block] = []
    prose: list[str] = []
    lines: list[str] = []
    fence: re.Match[str] | None = None
    for line in text.split("\n"):
        if fence is None:
            fence, lines = _FENCE.match(line), []
            if fence is None:
                prose.append(line)
        elif _closes(line, fence):
            blocks.append(_Block(fence["tag"], "\n".join(lines)))
            fence = None
        else:
            lines.append(line[min(_indent(line), len(fence["indent"])) :])
    return blocks, "\n".join(prose), fence is not None


def _closes(line: str, fence: re.Match[str]) -> bool:
    bare, marks = line.strip(), fence["marks"]
    return len(bare) >= len(marks) and set(bare) == {marks[0]} and _indent(line) <= len(fence["indent"]) + 3


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip(" \t"))
