"""Dagster and MLflow together, until the person stops them."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from autoresearch_dagster.core.errors import UserError
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings, environment_without_key
from autoresearch_dagster.tracking.pages import way_to_the_runs

STOP_S = 10.0
LOOK_S = 0.5
ENDED_BY = 128
"""Plus the number of a signal: the exit code of what it ended."""
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true"}


def check_port(host: str, port: int, flag: str) -> None:
    """Refuse a port that somebody else listens on.

    Raises:
        UserError: the port is taken, with the flag that chooses another.
    """
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as fault:
            raise UserError(
                f"Port {port} on {host} is in use ({fault.strerror}); choose another with {flag}."
            ) from fault


def database(settings: Settings) -> Path:
    """Where MLflow's runs are kept."""
    return settings.mlruns.resolve() / "mlflow.db"


def tracking_uri(settings: Settings) -> str:
    """Name that place as MLflow wants it."""
    return f"sqlite:///{database(settings)}"


def commands(settings: Settings, host: str, dagster_port: int, mlflow_port: int) -> list[list[str]]:
    """Return the two command lines; a pure function."""
    scripts = Path(sys.executable).parent
    dagster = [str(scripts / "dagster"), "dev", "-w", str(PROJECT_ROOT / "workspace.yaml")]
    mlflow = [str(scripts / "mlflow"), "server", "--backend-store-uri", tracking_uri(settings)]
    artifacts = ["--default-artifact-root", str(settings.mlruns.resolve() / "artifacts"), "--workers", "1"]
    return [
        [*dagster, "-h", host, "-p", str(dagster_port)],
        [*mlflow, *artifacts, "--host", host, "--port", str(mlflow_port)],
    ]


def environments(settings: Settings) -> tuple[dict[str, str], dict[str, str]]:
    """Return Dagster's environment, whose steps may ask the model, and MLflow's, without the model's key."""
    places = {
        "AUTORESEARCH_HOME": str(settings.home.resolve()),
        "AUTORESEARCH_MLRUNS": str(settings.mlruns.resolve()),
    }
    return {**os.environ, **QUIET, **places}, {**environment_without_key(), **QUIET, **places}


def serve(settings: Settings, host: str, dagster_port: int, mlflow_port: int, say: Callable[[str], None]) -> None:
    """Run both until one ends or the person stops them.

    Raises:
        UserError: a port is in use, or one of the two ended by itself.
    """
    check_port(host, dagster_port, "--dagster-port")
    check_port(host, mlflow_port, "--mlflow-port")
    settings.mlruns.mkdir(parents=True, exist_ok=True)
    say(f"Dagster  http://{host}:{dagster_port}")
    say(f"MLflow   {way_to_the_runs(database(settings), f'http://{host}:{mlflow_port}')}")
    say("Ctrl-C stops both; sessions stay in the journal.")
    lines = commands(settings, host, dagster_port, mlflow_port)
    # A `.env` where Dagster is started would overrule DAGSTER_HOME, and `run` and `dev` would have two instances.
    started: list[subprocess.Popen[bytes]] = []
    with _noted(signal.SIGINT, signal.SIGTERM, signal.SIGHUP) as told:
        try:
            for line, own in zip(lines, environments(settings), strict=True):
                started.append(subprocess.Popen(line, env=own, cwd=settings.home, start_new_session=True))
            while not told and all(process.poll() is None for process in started):
                time.sleep(LOOK_S)
            gone = [line for line, process in zip(lines, started, strict=True) if process.poll() is not None]
        finally:
            _stop(started)
    if signal.SIGINT in told:
        raise KeyboardInterrupt
    if told:
        raise SystemExit(ENDED_BY + told[0])
    raise UserError(f"`{Path(gone[0][0]).name}` ended by itself; its last lines above say why.")


@contextmanager
def _noted(*signals: signal.Signals) -> Iterator[list[int]]:
    """Note signals instead of ending at once: in the middle of a start, a server would go on without us."""
    told: list[int] = []
    before = {one: signal.signal(one, lambda number, _frame: told.append(number)) for one in signals}
    try:
        yield told
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)


def _stop(started: list[subprocess.Popen[bytes]]) -> None:
    """Interrupt each with its children, once: told to terminate, `dagster dev` leaves its children behind."""
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGINT)
    for process in started:
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
