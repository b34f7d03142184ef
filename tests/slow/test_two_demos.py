"""Two sessions at the same time on one machine: both end complete, and nothing of one is found in the other."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest
from mlflow.tracking import MlflowClient

from autoresearch_dagster.core.folders import find_folders
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.experiments.laboratory import scratch_prefix
from autoresearch_dagster.store import database as db, events as ev, schema as sc
from autoresearch_dagster.store.store import open_store

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2_400)]
EXPERIMENTS = 2
KEYS = ("left", "right")


def places(folder: Path) -> dict[str, str]:
    return {
        "AUTORESEARCH_HOME": str(folder / "home"),
        "AUTORESEARCH_MLRUNS": str(folder / "mlruns"),
        "DAGSTER_HOME": str(folder / "dagster"),
        "TMPDIR": str(folder / "tmp"),
        "AUTORESEARCH_RUNNER": "plain",
        "AUTORESEARCH_SLOTS": "2",
    }


def start(folder: Path, key: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "autoresearch_dagster.cli", "run", "--preset", "demo", "--memory-key", key]
    return subprocess.Popen(
        [*command, "--n-experiments", str(EXPERIMENTS), "--batch-size", "2"],
        cwd=PROJECT_ROOT,
        env={**os.environ, **places(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_two_demos_at_once_are_both_complete_and_share_nothing(tmp_path: Path) -> None:
    (tmp_path / "tmp").mkdir()
    running = [start(tmp_path, key) for key in KEYS]
    said = [process.communicate(timeout=2_000)[0] for process in running]
    assert [process.returncode for process in running] == [0, 0], "\n".join(said)
    store = open_store(Settings(home=tmp_path / "home"))
    sessions = {summary.memory_key: summary for summary in store.journal.summaries()}
    assert sorted(sessions) == sorted(KEYS)
    receipts, slots, trainings = Counter[str](), Counter[str](), Counter[str]()
    for summary in sessions.values():
        assert (summary.status, summary.finished, summary.planned) == ("finished", EXPERIMENTS, EXPERIMENTS)
        state = store.journal.state(summary.session)
        assert all(key.startswith(f"{state.id}_d") for key in state.experiments)
        trainings[summary.memory_key] = len(state.everything)
        for experiment in state.everything.values():
            result = experiment.result
            assert result is not None
            assert result.accepted, result.error
            assert result.receipt is not None
            assert f'"key":"{experiment.planned.key}"'.encode() in store.blobs.get(result.receipt)
            receipts[result.receipt] += 1
        starts = [record.event for record in store.journal.events(state.id)]
        slots.update(event.slot for event in starts if isinstance(event, ev.AttemptStarted))
    assert set(receipts.values()) == {1}
    assert slots.total() == trainings.total() > 2 * EXPERIMENTS
    _check_dagster(tmp_path, sessions, trainings.total())
    _check_mlflow(tmp_path, trainings)
    assert [path.name for path in (tmp_path / "tmp").glob("ar-*")] == []
    assert find_folders(scratch_prefix(Settings(home=tmp_path / "home"))) == []
    with db.read(store.engine) as connection:
        tickets = connection.execute(sc.slot_tickets.select()).all()
    assert [ticket for ticket in tickets if ticket.state != "returned"] == []


def _check_dagster(folder: Path, sessions: dict, trainings: int) -> None:
    """Every training is one partition; a candidate's is filled again when it is judged."""
    os.environ["DAGSTER_HOME"] = str(folder / "dagster")
    with dg.DagsterInstance.get() as instance:
        partitions = instance.get_dynamic_partitions("experiment")
        shown = Counter(
            record.partition_key
            for record in instance.fetch_materializations(dg.AssetKey("experiment"), limit=100).records
        )
    assert len(partitions) == len(set(partitions)) == trainings
    assert set(shown) == set(partitions)
    assert all(count == 1 for key, count in shown.items() if "_e" not in key)
    assert {key[:3] for key in partitions} == {summary.session for summary in sessions.values()}


def _check_mlflow(folder: Path, trainings: Counter[str]) -> None:
    """Each session is one MLflow experiment, with a run for itself and one for each of its trainings."""
    client = MlflowClient(tracking_uri=f"sqlite:///{folder / 'mlruns' / 'mlflow.db'}")
    for key in KEYS:
        found = client.get_experiment_by_name(key)
        assert found is not None, key
        runs = client.search_runs([found.experiment_id])
        assert len(runs) == trainings[key] + 1, [run.info.run_name for run in runs]
        assert len({run.data.tags["autoresearch.subject"] for run in runs}) == trainings[key] + 1
