"""Two train.py compared line by line, as plain text."""

import difflib

from autoresearch_dagster.core.limits import COMPARED_LINES

TOO_LONG = "too long to be compared"
CONTEXT_LINES = 3


def too_long(*texts: str) -> bool:
    """Whether one of some texts has too many lines to be compared: somebody may want that to take for ever."""
    return any(len(text.splitlines()) > COMPARED_LINES for text in texts)


def unified(
    before: str, after: str, names: tuple[str, str] = ("before", "after"), context: int = CONTEXT_LINES
) -> list[str]:
    """Return the lines of a unified diff; none where all lines are the same, `TOO_LONG` alone where it says so."""
    if too_long(before, after):
        return [TOO_LONG]
    old, new = before.splitlines(), after.splitlines()
    return list(difflib.unified_diff(old, new, *names, lineterm="", n=context))
