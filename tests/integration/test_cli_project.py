"""`project`: MLflow rebuilt from the journal, whatever became of it."""

import json
import shutil
import subprocess

import pytest
from mlflow.entities import ViewType
from mlflow.tracking import MlflowClient

from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.store.store import open_store
from tests.command_line import PROGRAM, environment
from tests.sessions import finished_session


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    folder = tmp_path_factory.mktemp("project")
    finished_session(folder, memory_key="night", n_experiments=2)
    return folder


@pytest.fixture
def project(command, home, monkeypatch):
    """Run the command with one MLflow folder for all tests of this module."""
    monkeypatch.setenv("AUTORESEARCH_MLRUNS", str(home / "mlruns"))
    return lambda *arguments: command("project", *arguments, home=home)


def runs(home, view=ViewType.ACTIVE_ONLY):
    client = MlflowClient(tracking_uri=f"sqlite:///{home / 'mlruns' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("night")
    return {run.info.run_id: run for run in client.search_runs([experiment.experiment_id], run_view_type=view)}


@pytest.mark.timeout(600)
def test_mlflow_is_projected_rebuilt_and_made_anew_after_it_was_deleted(project, home):
    first, again = project(), project()
    shown = runs(home)
    assert (first.code, first.out) == (0, "night (s01): 3 runs written.\n")
    assert again.out == "night (s01): up to date.\n"

    (rebuilt,) = json.loads(project("night", "--rebuild", "--json").out)
    fresh, deleted = runs(home), runs(home, ViewType.DELETED_ONLY)
    assert (rebuilt["written"], rebuilt["deleted"], rebuilt["problem"]) == (3, 3, "")
    assert deleted.keys() == shown.keys()
    assert fresh.keys().isdisjoint(shown)
    assert picture(fresh) == picture(shown)

    gone = home / "gone"
    shutil.copytree(home, gone, ignore=shutil.ignore_patterns("mlruns"))
    anew = subprocess.run(
        [*PROGRAM, "project", "s01"], cwd=PROJECT_ROOT, env=environment(gone), capture_output=True, text=True
    )
    assert (anew.stdout, anew.stderr) == ("night (s01): 3 runs written.\n", "")
    assert picture(runs(gone)) == picture(shown)


def picture(found):
    names = ("mlflow.parentRunId", "autoresearch.parent_run", "mlflow.user")
    return sorted(
        (
            run.info.run_name,
            run.info.status,
            run.data.metrics,
            sorted((name, text) for name, text in run.data.tags.items() if name not in names),
        )
        for run in found.values()
    )


def test_a_session_that_cannot_be_projected_is_said_and_the_others_are_projected(project, home):
    store = open_store(Settings(home=home, database_url=""))
    finished_session_beside(store)
    lost = next(iter(store.journal.state("s01").experiments.values())).planned.train_py
    project()
    path = store.blobs.path(lost)
    path.rename(path.with_suffix(".away"))
    done = project("--rebuild")
    path.with_suffix(".away").rename(path)

    lines = done.out.splitlines()
    assert done.code == 1
    assert "MLflow is behind the journal: The blob" in lines[0]
    assert lines[1] == "beside (s02): 1 run marked as deleted, 1 run written."
    assert project().out.splitlines()[0].startswith("night (s01): ")
    assert len(runs(home)) == 3


def finished_session_beside(store):
    from autoresearch_dagster.store import events as ev

    store.journal.create(ev.SessionConfig(memory_key="beside"), "cli", "b" * 64)


def test_without_a_session_there_is_nothing_to_do(command):
    done = command("project")

    assert (done.code, done.out) == (0, "No session yet; there is nothing to project.\n")
    assert json.loads(command("project", "--json").out) == []
    assert command("project", "unheard-of").code == 2
