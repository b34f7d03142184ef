"""What the agent is told after a plan: its value and prints, or its error, within limits."""

import json

from autoresearch_dagster.agent.code_mode import Failed, Finished
from autoresearch_dagster.core import limits


def observe(end: Finished | Failed) -> str:
    """Return the observation of a plan that ended."""
    if isinstance(end, Failed):
        head = (
            f"Your code raised an error:\n\n```\n{_cut(end.error, limits.OBSERVATION_CHARS // 2)}\n```\n\n"
            "Correct the plan and send it again. Calls that were made before the error have taken effect."
        )
    elif end.value is None or end.value == "":
        head = "Execution result: (no value)"
    else:
        value = end.value if isinstance(end.value, str) else json.dumps(end.value, ensure_ascii=False)
        head = f"Execution result:\n{_cut(value, limits.OBSERVATION_CHARS - limits.OBSERVATION_STDOUT_CHARS)}"
    if end.stdout.strip():
        tail = end.stdout[-limits.OBSERVATION_STDOUT_CHARS :]
        left = len(end.stdout) - len(tail)
        head += "\n\nPrinted" + (f" (the first {left} characters are left out)" if left else "") + f":\n{tail}"
    return _cut(head, limits.OBSERVATION_CHARS)


def _cut(text: str, limit: int) -> str:
    """Keep head and tail of a long text, and say how much is missing."""
    if len(text) <= limit:
        return text
    room = limit - 60
    head, tail = room * 2 // 3, room - room * 2 // 3
    return f"{text[:head]}\n[... {len(text) - room} characters left out ...]\n{text[-tail:]}"
