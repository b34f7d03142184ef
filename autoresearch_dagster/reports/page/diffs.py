"""Differences between two train.py as highlighted HTML: classes only, each line once, never too long."""

import difflib
from dataclasses import dataclass
from functools import cache, lru_cache

from markupsafe import Markup
from pygments.lexer import Lexer
from pygments.token import Token

from autoresearch_dagster.core import limits
from autoresearch_dagster.reports.page.markup import body

CONTEXT_LINES = 2
CACHED_LINES = 20_000  # of code, highlighted; most edits share most of their lines
TAGS = (
    (Token.Comment, "i"),
    (Token.Keyword, "b"),
    (Token.Literal.String, "q"),
    (Token.Literal.Number, "u"),
    (Token.Name.Function, "em"),
    (Token.Name.Class, "em"),
    (Token.Name.Builtin, "var"),
)
"""Kinds of code that have a colour, each with the element that stands for it: half as long as a class.

Fewer would be harder to read, more would make the page heavy.
"""


@dataclass(frozen=True, slots=True)
class Diff:
    """What changed between two texts."""

    added: int
    removed: int
    html: Markup
    """Rows of a table; '' where nothing changed."""
    left_out: int = 0
    """Lines that are not shown."""

    @property
    def unchanged(self) -> bool:
        """Whether the two texts are the same, line by line."""
        return not self.added and not self.removed


@dataclass(frozen=True, slots=True)
class _Line:
    mark: str
    old: int | None
    new: int | None
    code: str


def diff(before: str, after: str) -> Diff:
    """Compare two texts."""
    old, new = before.splitlines(), after.splitlines()
    lines: list[_Line | None] = []
    added = removed = 0
    for group in difflib.SequenceMatcher(None, old, new).get_grouped_opcodes(CONTEXT_LINES):
        if lines:
            lines.append(None)
        for tag, old_from, old_to, new_from, new_to in group:
            if tag == "equal":
                pairs = zip(range(old_from, old_to), range(new_from, new_to), strict=True)
                lines += [_Line("", one + 1, other + 1, new[other]) for one, other in pairs]
                continue
            lines += [_Line("del", one + 1, None, old[one]) for one in range(old_from, old_to)]
            lines += [_Line("add", None, one + 1, new[one]) for one in range(new_from, new_to)]
            added, removed = added + new_to - new_from, removed + old_to - old_from
    rows: list[str] = []
    room = limits.REPORT_DIFF_BYTES
    for row in map(_row, lines[: limits.REPORT_DIFF_LINES]):
        room -= len(row.encode())
        if room < 0:
            break
        rows.append(row)
    left_out = sum(line is not None for line in lines[len(rows) :])
    return Diff(added, removed, Markup("".join(rows)), left_out)


GAP = "<tr class=gap><td colspan=3>⋯"
"""Rows and cells have no end tags, which HTML lets them leave out: a page has many.  The style adds the signs."""


def _row(line: _Line | None) -> str:
    if line is None:
        return GAP
    mark = f" class={line.mark}" if line.mark else ""
    return f"<tr{mark}><td>{line.old or ''}<td>{line.new or ''}<td>{highlighted(line.code)}"


@lru_cache(maxsize=CACHED_LINES)
def highlighted(code: str) -> str:
    """Return one line of Python as HTML with its parts marked; control characters are escaped, long lines cut."""
    parts: list[tuple[str, str]] = []
    for _, kind, text in _lexer().get_tokens_unprocessed(one_line_of_code(code)):
        name = next((tag for token, tag in TAGS if kind in token), "")
        if parts and parts[-1][0] == name:
            parts[-1] = name, parts[-1][1] + text
        else:
            parts.append((name, text))
    return "".join(f"<{name}>{body(text)}</{name}>" if name else body(text) for name, text in parts)


def one_line_of_code(code: str) -> str:
    """Escape what does not print; blanks within a line stay."""
    limit = limits.REPORT_DIFF_LINE_CHARS
    kept = code[: limit + 1]
    shown = kept if kept.isprintable() else "".join(map(_escaped, kept))
    return shown if len(shown) <= limit else shown[: limit - 1] + "…"


def _escaped(character: str) -> str:
    if character.isprintable():
        return character
    return "    " if character == "\t" else character.encode("unicode_escape").decode()


@cache
def _lexer() -> Lexer:
    from pygments.lexers import PythonLexer

    return PythonLexer(ensurenl=False, stripnl=False)
