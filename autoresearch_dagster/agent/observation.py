"""What the agent is told after a plan: its value and prints, or its error, within limits."""

import json

from autoresearch_dagster.agent.code_mode import Failed, Finished
from autoresearch_dagster.agent.plan_advice import NO_PLAN
from autoresearch_dagster.agent.tools.untrusted import spliced
from autoresearch_dagster.core import limits

_CUT_NOTE_CHARS = 100
"""Room for the note of a cut and for the tags that mend a fence."""
_NO_VALUE = "Execution result: (no value)"


def observe(end: Finished | Failed) -> str:
    """Return the observation of a plan that ended."""
    if isinstance(end, Failed):
        head = _failed(end)
    elif end.value is None or end.value == "":
        head = _NO_VALUE if end.stdout.strip() else f"{_NO_VALUE}\n\n{_nothing_shown(end)}"
    else:
        value = end.value if isinstance(end.value, str) else json.dumps(end.value, ensure_ascii=False)
        head = f"Execution result:\n{_cut(value, limits.OBSERVATION_CHARS - limits.OBSERVATION_STDOUT_CHARS)}"
    if end.stdout.strip():
        tail = end.stdout[-limits.OBSERVATION_STDOUT_CHARS :]
        left = len(end.stdout) - len(tail)
        # what is left out may have opened a fence of untrusted text
        shown = spliced(f" (the first {left} characters are left out)", ":\n", tail) if left else f":\n{tail}"
        head += f"\n\nPrinted{shown}"
    # no store keeps lone surrogates
    return _cut(head, limits.OBSERVATION_CHARS).encode(errors="replace").decode()


def _failed(end: Failed) -> str:
    error = _cut(end.error, limits.OBSERVATION_CHARS // 2)
    if not end.began:
        mend = "Nothing has taken effect. Correct it and send it again."
        return f"Your plan was not run:\n\n```\n{error}\n```\n\n{mend}"
    made = (
        f"The {end.calls} call(s) made before the error have"
        if end.calls
        else "No call was made before it, nothing has"
    )
    mend = f"{made} taken effect. Correct the plan and send it again."
    return f"Your code raised an error:\n\n```\n{error}\n```\n\n{mend}"


def _nothing_shown(end: Finished) -> str:
    shown = "You see the value of the plan's last expression and what it prints; this plan had neither."
    return shown if end.calls else f"{shown} It called no tool either. {NO_PLAN}"


def _cut(text: str, limit: int) -> str:
    """Keep head and tail of a long text, and say how much is missing."""
    if len(text) <= limit:
        return text
    room = limit - _CUT_NOTE_CHARS
    head, tail = room * 2 // 3, room - room * 2 // 3
    return spliced(text[:head], f"\n[... {len(text) - room} characters left out ...]\n", text[-tail:])
