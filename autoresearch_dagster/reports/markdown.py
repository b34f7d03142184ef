"""Text that others wrote, put into Markdown so that it reads as it was written: nothing of it is markup.

What is covered: control characters, markup, HTML, columns of tables, beginnings of blocks, ends of code.
What is not covered: an address in plain text, which some readers make a link by themselves.
"""

import re

from autoresearch_dagster.containers.escape import readable
from autoresearch_dagster.reports.text import block, one_line

PLAIN_CHARS = 500  # of one text in a sentence or a table's cell
NOTE_LINES = 200  # of what a researcher concludes
_MARKUP = re.compile(r"[\\`*_\[\]<>|~&]")
_BEGINS_BLOCK = re.compile(r"^(\d{0,9})([#+\-=.)])")


def plain(text: str) -> str:
    """Write a text as a part of a sentence, or as a table's cell: one line, with its markup escaped."""
    escaped = _MARKUP.sub(r"\\\g<0>", one_line(text, PLAIN_CHARS))
    return _BEGINS_BLOCK.sub(r"\1\\\2", escaped)


def code(text: str) -> str:
    """Write a text as code within a line; '' where there is none."""
    line = inside_code(text)
    return f"`{line}`" if line else ""


def inside_code(text: str) -> str:
    """Write a text that stands between backquotes of ours."""
    return " ".join(readable(text).replace("`", "'").split())


def indented(text: str, lines: int = NOTE_LINES) -> str:
    """Write the first lines of a text as a block that nothing in it can end; a blank line goes before it."""
    return block(text, lines, "    ")


def fenced(text: str, language: str = "text") -> str:
    """Write a text as a block of a language, in a fence that it cannot close."""
    text = readable(text)
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * (longest + 3)
    return f"{fence}{language}\n{text}\n{fence}"
