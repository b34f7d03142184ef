"""Findings of the cheat review as a person reads them."""

from collections.abc import Sequence

from autoresearch_dagster.core.limits import LOG_TAIL_CHARS
from autoresearch_dagster.evaluation.review import Finding
from autoresearch_dagster.reports.markdown import indented
from autoresearch_dagster.reports.text import one_line

EXPLAINS = "A review explains and decides nothing: no score depends on it."


def review_text(findings: Sequence[Finding]) -> str:
    """Return a line for each finding, below a heading; '' where there are none."""
    if not findings:
        return ""
    lines = [f"worth a look: {len(findings)} new {'line' if len(findings) == 1 else 'lines'}"]
    lines += [
        f"  {one.line:4} {one.rule}: {one_line(one.text, LOG_TAIL_CHARS)}\n       {one.why}" for one in findings
    ]
    return "\n".join(lines)


def review_markdown(findings: Sequence[Finding]) -> str:
    """Return the findings as a document; lines of code are indented blocks, which nothing in them can end."""
    parts = ["# Worth a look in train.py", EXPLAINS]
    parts += [
        f"## Line {one.line}: {one.rule}\n\n{one.why}\n\n{indented(one_line(one.text, LOG_TAIL_CHARS))}"
        for one in findings
    ]
    return "\n\n".join(parts) + "\n"
