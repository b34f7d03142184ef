"""The faults that were injected for real, as data; `python -m tests.faults.table` writes docs/faults.md from it."""

from autoresearch_dagster.core.settings import PROJECT_ROOT
from tests.faults.fault import Fault
from tests.faults.rows_candidates import OUT_OF_MEMORY, OUTPUTS
from tests.faults.rows_dependencies import DEPENDENCIES
from tests.faults.rows_killed import KILLS

PAGE = PROJECT_ROOT / "docs" / "faults.md"

GROUPS = (
    ("Killed", KILLS),
    ("Hostile candidates", OUTPUTS),
    ("Out of memory, and what only looks like it", OUT_OF_MEMORY),
    ("What it stands on", DEPENDENCIES),
)
FAULTS = tuple(fault for _, group in GROUPS for fault in group)

COLUMNS = "| fault | injected by | must hold | observed | test |\n|---|---|---|---|---|"
HEAD = """\
# Faults

What was done to the system, for real, and what became of it. Each row is a test under `tests/faults/`: the short
ones run with `make test`, a fixed part with `make test-slow`, the rest with `make test-night`. Docker is never
replaced: a container is killed by the daemon, a daemon by the kernel. Candidates are trained by a stand-in for the
harness without torch (`tests/trainers/numpy_trainer.py`), which makes a container run take half a second;
everything else is real.

This page is written by `python -m tests.faults.table`; a test compares the two.
"""


def page() -> str:
    """Return the page as it must be."""
    parts = [HEAD]
    for title, group in GROUPS:
        parts.append(f"## {title}\n\n{COLUMNS}")
        parts.extend(_row(fault) for fault in group)
        parts.append("")
    return "\n".join(parts)


def _row(fault: Fault) -> str:
    test = f"`{fault.file.removesuffix('.py').removeprefix('test_')}`" + (f" {fault.case}" if fault.case else "")
    return f"| {fault.fault} | {fault.injected} | {fault.must_hold} | {fault.observed} | {test} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
