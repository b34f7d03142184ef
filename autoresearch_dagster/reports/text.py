"""Text that others wrote, made safe for a terminal: no control characters, no markup, no endless lines."""

from dataclasses import dataclass

from rich.text import Text

from autoresearch_dagster.containers.escape import readable
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.progress import counted


def one_line(text: str, limit: int) -> str:
    """Escape control characters, join lines, and cut after `limit` characters."""
    return clipped(" ".join(readable(text).split()), limit)


def clipped(text: str, limit: int) -> str:
    """Cut a text that is safe already, and show that it was cut."""
    return text if len(text) <= limit else text[: limit - 1].rstrip() + "…"


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


@dataclass(frozen=True, slots=True)
class Passage:
    """A longer text as it is shown: its beginning, and how many characters are not."""

    text: str
    left_out: int = 0

    def brief(self) -> "Passage":
        """Keep less of it."""
        limit = limits.REPORT_TEXT_LEAST_CHARS
        return Passage(self.text[:limit], self.left_out + max(0, len(self.text) - limit))

    def __bool__(self) -> bool:
        return bool(self.text)


def passage(text: str, limit: int = limits.REPORT_TEXT_CHARS) -> Passage:
    """Escape control characters and keep the beginning of a text."""
    shown = readable(text[:limit])
    return Passage(shown, max(0, len(text) - limit))
