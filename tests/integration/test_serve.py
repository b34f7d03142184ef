"""Dagster and MLflow together: whoever ends the one process ends both."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from autoresearch_dagster.core.settings import PROJECT_ROOT
from tests.browser.sites import free_port

PROGRAM = """
import sys
from pathlib import Path
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments import serve

serve.commands = lambda *_: [[sys.executable, "-c", "import time; time.sleep(300)"]] * 2
settings = Settings(home=Path(sys.argv[1]), mlruns=Path(sys.argv[1]) / "mlruns")
serve.serve(settings, "127.0.0.1", int(sys.argv[2]), int(sys.argv[3]), print)
"""
PATIENCE_S = 60.0
ENDED = {signal.SIGINT: -signal.SIGINT, signal.SIGTERM: 143, signal.SIGHUP: 129}
"""How the process ends; the command line makes 130 of an interrupt."""


@pytest.mark.parametrize("number", ENDED)
def test_a_signal_that_ends_it_ends_both_servers(tmp_path: Path, number: signal.Signals) -> None:
    line = [sys.executable, "-c", PROGRAM, str(tmp_path), str(free_port()), str(free_port())]
    with subprocess.Popen(line, cwd=PROJECT_ROOT, stdout=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + PATIENCE_S
        while len(servers := psutil.Process(process.pid).children()) < 2:
            assert time.monotonic() < deadline
            time.sleep(0.05)

        process.send_signal(number)

        assert process.wait(PATIENCE_S) == ENDED[number]
    assert not [one for one in servers if one.is_running()]
