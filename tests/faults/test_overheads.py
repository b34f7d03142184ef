"""The benchmark of overheads runs and prints its figures; what they are is not judged here."""

import subprocess
import sys

import pytest

from autoresearch_dagster.core.settings import PROJECT_ROOT
from tests.daemon import require_daemon

pytestmark = [pytest.mark.slow, pytest.mark.docker]


def test_the_benchmark_of_overheads_prints_a_figure_for_each_question() -> None:
    require_daemon()
    command = [sys.executable, "-m", "benchmarks.overheads", "--quick"]
    said = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 0, said.stderr
    for words in ("no-op: docker", "of the ideal", "of each: starting", "docker: ", "local: "):
        assert words in said.stdout, said.stdout
