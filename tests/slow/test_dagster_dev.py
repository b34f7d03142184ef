"""The README's Dagster way: `dagster dev` in one terminal, `dagster job launch` in another, nothing else."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import dagster as dg
import psutil
import pytest

from autoresearch_dagster.core.dagster_home import INSTANCE_YAML
from autoresearch_dagster.core.experiment import Outcome
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.defs.research import SESSION_TAG
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState
from autoresearch_dagster.store.store import Store, open_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1_500)]

DAGSTER = Path(sys.executable).with_name("dagster")
WORKSPACE = ["-w", str(PROJECT_ROOT / "workspace.yaml")]
PATIENCE_S = 700.0  # a bound against hanging for ever, not an expectation


class Dev:
    """`dagster dev` on a home and a port of its own."""

    def __init__(self, folder: Path) -> None:
        self.home, self.log = folder / "home", folder / "dev.log"
        self.settings = Settings(home=self.home, mlruns=folder / "mlruns", runner="plain")
        for place in ("dagster", "tmp"):
            (folder / place).mkdir()
        (folder / "dagster" / "dagster.yaml").write_text(INSTANCE_YAML)
        self.environment = {
            **os.environ,
            "AUTORESEARCH_HOME": str(self.home),
            "AUTORESEARCH_MLRUNS": str(folder / "mlruns"),
            "AUTORESEARCH_RUNNER": "plain",
            "DAGSTER_HOME": str(folder / "dagster"),
            "TMPDIR": str(folder / "tmp"),
            "PYTHONPATH": str(PROJECT_ROOT),
        }
        self.folder = folder  # Dagster lets the `.env` of the folder it is started in win over the environment
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [str(DAGSTER), "dev", *WORKSPACE, "-h", "127.0.0.1", "-p", str(self.port)],
                cwd=folder,
                env=self.environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
            )

    def wait(self) -> None:
        """Return when its page answers, which is when a person would go on."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with suppress(OSError), urllib.request.urlopen(f"http://127.0.0.1:{self.port}/server_info", timeout=5):
                return
            assert time.monotonic() < deadline, self.log.read_text()[-6000:]
            assert self.process.poll() is None, self.log.read_text()[-6000:]
            time.sleep(0.5)

    @property
    def instance(self) -> dg.DagsterInstance:
        return dg.DagsterInstance.from_config(self.environment["DAGSTER_HOME"])

    def launch(self, **config: object) -> None:
        done = subprocess.run(
            [str(DAGSTER), "job", "launch", *WORKSPACE, "-j", "research", "--config-json", json.dumps(config)],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def until(self, memory_key: str, holds) -> SessionState:
        """Look at the journal until a session is as it should be."""
        deadline, store = time.monotonic() + PATIENCE_S, open_store(self.settings)
        while True:
            state = store.journal.find(memory_key)
            if state is not None and holds(store, state):
                return state
            assert time.monotonic() < deadline, self.log.read_text()[-6000:]
            assert self.process.poll() is None, self.log.read_text()[-6000:]
            time.sleep(0.2)

    def processes(self) -> list[str]:
        """Every process that was told of this home."""
        found: list[str] = []
        for process in psutil.process_iter():
            try:
                if process.environ().get("AUTORESEARCH_HOME") == str(self.home):
                    found.append(f"{process.pid} {' '.join(process.cmdline())}")
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
        return found

    def stop(self) -> None:
        """End it as Ctrl-C does, and wait until all its processes are gone."""
        os.killpg(self.process.pid, signal.SIGINT)
        self.process.wait(120)
        deadline = time.monotonic() + PATIENCE_S
        while left := self.processes():
            assert time.monotonic() < deadline, left
            time.sleep(0.2)


@pytest.fixture(scope="module")
def dev(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dev]:
    made = Dev(tmp_path_factory.mktemp("dev"))
    try:
        made.wait()
        yield made
        made.stop()
    finally:
        for line in made.processes():
            psutil.Process(int(line.split()[0])).kill()


def is_finished(store: Store, state: SessionState) -> bool:
    return state.status == "finished"


def runs_of(instance: dg.DagsterInstance, job: str) -> list[dg.DagsterRun]:
    return list(instance.get_runs(dg.RunsFilter(job_name=job)))


def until(holds) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_launched_job_becomes_a_finished_session_by_the_sensor_alone(dev: Dev) -> None:
    dev.launch(n_experiments=2, batch_size=2, preset="demo", memory_key="readme", time_budget_sec=20)

    state = dev.until("readme", is_finished)

    assert state.driver == "daemon"
    assert len(state.experiments) == 2
    assert state.floor is not None
    assert len(state.trainings) >= state.floor.floor.n_seeds, "its own noise floor, and maybe a confirmation"
    outcomes = {key: item.result and item.result.outcome for key, item in state.everything.items()}
    assert not {None, Outcome.LOST} & set(outcomes.values()), outcomes
    with dev.instance as instance:
        until(lambda: all(run.is_finished for run in runs_of(instance, "research")))
        runs = runs_of(instance, "research")
        assert len(runs) >= 2
        assert {run.status for run in runs} == {dg.DagsterRunStatus.SUCCESS}
        asset = dg.AssetKey("experiment")
        assert set(instance.get_materialized_partitions(asset)) == set(state.everything)
        assert instance.get_latest_materialization_event(dg.AssetKey("leaderboard")) is not None
    assert (dev.home / "reports" / f"{state.id}.html").is_file()


def test_a_killed_run_worker_is_followed_by_a_run_that_goes_on(dev: Dev) -> None:
    dev.launch(n_experiments=2, batch_size=2, preset="demo", memory_key="killed", time_budget_sec=20)
    dev.until("killed", lambda _store, state: any(item.attempts for item in state.experiments.values()))
    store = open_store(dev.settings)
    session = store.journal.find("killed")
    assert session is not None
    (worker, *_) = {
        record.event.owner
        for record in store.journal.events(session.id)
        if isinstance(record.event, ev.AttemptStarted)
    }
    os.kill(int(worker.split(":")[1]), signal.SIGKILL)

    state = dev.until("killed", is_finished)

    results = Counter(
        record.event.key
        for record in store.journal.events(state.id)
        if isinstance(record.event, ev.ExperimentFinished)
    )
    assert results == Counter(list(state.everything))
    assert any(item.attempts > 1 for item in state.experiments.values())
    with dev.instance as instance:
        until(lambda: set(state.everything) <= set(instance.get_materialized_partitions(dg.AssetKey("experiment"))))
        until(lambda: store.leases.abandoned() == [])
        assert dg.DagsterRunStatus.FAILURE in {run.status for run in runs_of(instance, "research")}
    assert list((dev.home / "jobs").glob("*.json")) == []


TERMINATE = """
mutation Terminate($run: String!) {
  terminateRun(runId: $run, terminatePolicy: SAFE_TERMINATE) { __typename }
}
"""


def terminate(dev: Dev, run_id: str) -> None:
    """Do what the button in the UI does."""
    body = json.dumps({"query": TERMINATE, "variables": {"run": run_id}}).encode()
    request = urllib.request.Request(
        f"http://127.0.0.1:{dev.port}/graphql", body, {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        said = json.load(answer)
    assert said["data"]["terminateRun"]["__typename"] == "TerminateRunSuccess", said


def test_terminating_a_run_stops_its_experiments_and_pauses_the_session_until_it_is_launched_again(
    dev: Dev,
) -> None:
    asked = {"n_experiments": 2, "batch_size": 2, "preset": "demo", "memory_key": "ended", "time_budget_sec": 20}
    dev.launch(**asked)
    state = dev.until(
        "ended", lambda _store, state: sum(item.attempts > 0 for item in state.experiments.values()) == 2
    )
    with dev.instance as instance:
        runs = [run for run in runs_of(instance, "research") if run.tags.get(SESSION_TAG) == state.id]
        (run,) = [run for run in runs if not run.is_finished]
        terminate(dev, run.run_id)

        state = dev.until("ended", lambda _store, state: state.status == "paused")

        assert "terminated in Dagster" in state.reason
        outcomes = [item.result and item.result.outcome for item in state.experiments.values()]
        assert outcomes == [Outcome.STOPPED, Outcome.STOPPED]
        until(lambda: instance.get_run_by_id(run.run_id).status is dg.DagsterRunStatus.CANCELED)
    assert list((dev.home / "jobs").glob("*.json")) == []  # nothing trains on

    dev.launch(**asked)

    state = dev.until("ended", is_finished)
    assert [item.result and item.result.outcome for item in state.experiments.values()] == outcomes
