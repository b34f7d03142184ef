"""Time and size of the report page.

A session of so many experiments is made in memory, with edits, hypotheses, calls, failures and champions; fresh
processes build its page. What is timed begins after the session is made and ends with the page in hand: imports of
the drawing library, templates and highlighting are in it.

    python -m benchmarks.report [EXPERIMENTS ...]
"""

import statistics
import subprocess
import sys

from autoresearch_dagster.core.settings import PROJECT_ROOT

PROCESSES = 3
BUILDER = """
import sys, time
from autoresearch_dagster.reports.page.view import ReportView
from tests.reported import researched
view = researched(int(sys.argv[1]), texts=4_000).view()
started, used = time.perf_counter(), time.process_time()
from autoresearch_dagster.reports.page.build import report_html
html = report_html(view)
print(time.perf_counter() - started, time.process_time() - used, len(html.encode()))
started = time.perf_counter()
report_html(view)
print(time.perf_counter() - started)
"""


def built(experiments: int) -> tuple[float, float, int, float]:
    """Wall and CPU seconds of a first page, its bytes, and the wall seconds of a second one in the same process."""
    command = [sys.executable, "-c", BUILDER, str(experiments)]
    said = subprocess.check_output(command, cwd=PROJECT_ROOT, text=True).split()
    return float(said[0]), float(said[1]), int(said[2]), float(said[3])


def main(sizes: list[int]) -> None:
    for experiments in sizes:
        runs = [built(experiments) for _ in range(PROCESSES)]
        wall, cpu, size, again = (statistics.median(figures) for figures in zip(*runs, strict=True))
        print(
            f"{experiments:6} experiments: {wall:5.2f} s, CPU {cpu:5.2f} s, {size / 1e6:5.2f} MB; "
            f"once more {again:5.2f} s (median of {PROCESSES} processes)"
        )


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [10, 100, 1_000])
