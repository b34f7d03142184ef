"""Text that others wrote, made safe for a terminal: no control characters, no markup, no endless lines."""

from rich.text import Text

from autoresearch_dagster.containers.escape import readable
from autoresearch_dagster.core.progress import counted


def one_line(text: str, limit: int) -> str:
    """Escape control characters, join lines, and cut after `limit` characters."""
    shown = " ".join(readable(text).split())
    return shown if len(shown) <= limit else shown[: limit - 1].rstrip() + "…"


def cell(text: object, limit: int = 200) -> Text:
    """Return a table's cell: one line, taken literally."""
    return Text(one_line(str(text), limit))


def block(text: str, limit: int, prefix: str = "") -> str:
    """Escape control characters and keep the lines, at most `limit` of them, each behind a prefix."""
    lines = readable(text).rstrip().splitlines()
    shown = [prefix + line for line in lines[:limit]]
    if len(lines) > limit:
        shown.append(f"{prefix}… {counted(len(lines) - limit, 'more line')}")
    return "\n".join(shown)
