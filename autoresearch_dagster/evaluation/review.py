"""Cheat review: what a person should look at in a train.py.  It explains and decides nothing.

No score, verdict or standing depends on it; what decides is the sealed container, the clock and the audit
(docs/trust.md).  A pure function of two texts: nothing of a candidate is run or imported.
"""

import ast
import re
import warnings
from collections.abc import Iterable
from functools import lru_cache

from autoresearch_dagster.containers.escape import readable
from autoresearch_dagster.core.experiment import Data
from autoresearch_dagster.core.limits import REVIEW_CACHED, REVIEW_FINDINGS, REVIEW_LINE_CHARS
from autoresearch_dagster.evaluation.review_rules import WHY, Rule
from autoresearch_dagster.evaluation.review_tree import Tree

LINE_ENDS = re.compile(r"\r\n|\r|\n")
"""As Python's parser counts lines; `splitlines` knows more of them."""
OF_THE_FILE: frozenset[Rule] = frozenset({"syntax", "budget", "steps"})
"""Rules about a whole file, wherever they are shown."""


class Finding(Data):
    """One line that a person should look at.

    `new` says that the file it was made from has no such line: the same rule, the same text up to blanks.
    """

    rule: Rule
    line: int
    text: str
    why: str
    new: bool = True


def review(source: str, parent: str | None = None) -> tuple[Finding, ...]:
    """Look through a train.py beside the one that it was made from; in the order of its lines.

    A file that does not parse gives one finding.
    """
    known = {_normal(one, line) for one, line in _found(parent)} if parent is not None else set[tuple[str, str]]()
    return tuple(one.model_copy(update={"new": _normal(one, line) not in known}) for one, line in _found(source))


def new_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Return those that the parent did not have."""
    return tuple(one for one in findings if one.new)


@lru_cache(maxsize=REVIEW_CACHED)
def _found(source: str) -> tuple[tuple[Finding, str], ...]:
    """Return the findings in a file, each with its whole line."""
    lines = LINE_ENDS.split(source)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # a needless backslash is no concern of ours
            spots = sorted({(line, rule) for rule, line in Tree(ast.parse(source)).spots()})
    except (SyntaxError, ValueError, RecursionError, MemoryError) as fault:
        place = fault.lineno if isinstance(fault, SyntaxError) and fault.lineno else 1
        spots: list[tuple[int, Rule]] = [(place, "syntax")]
    return tuple(_finding(rule, number, lines) for number, rule in spots[:REVIEW_FINDINGS])


def _finding(rule: Rule, number: int, lines: list[str]) -> tuple[Finding, str]:
    line = lines[number - 1] if 0 < number <= len(lines) else ""
    text = line.strip()
    text = text if len(text) <= REVIEW_LINE_CHARS else text[: REVIEW_LINE_CHARS - 1] + "…"
    shown = readable(text)
    return Finding(rule=rule, line=number, text=shown, why=WHY[rule]), line


def _normal(finding: Finding, line: str) -> tuple[str, str]:
    return finding.rule, "" if finding.rule in OF_THE_FILE else "".join(line.split())
