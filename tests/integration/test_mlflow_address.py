"""The address that `dev` prints for MLflow: the table of runs, where it is known."""

import sqlite3
from pathlib import Path

import pytest

from autoresearch_dagster.experiments.serve import database
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.tracking.pages import way_to_the_runs
from tests.mlflow_desk import Desk

SERVER = "http://127.0.0.1:5000"
LIST = f"{SERVER}/#/experiments (choose the experiment, switch to Model training, then Runs)"


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path, tmp_path / "mlruns")
    desk.journal.create(ev.SessionConfig(memory_key="night", preset="demo"), "cli", "b" * 64)
    desk.project()
    return desk


def test_one_research_is_named_by_the_address_of_its_runs_and_several_by_the_list(desk: Desk) -> None:
    client = desk.client()
    known = client.get_experiment_by_name("night").experiment_id
    client.create_experiment("somebody else's")

    assert way_to_the_runs(database(desk.settings), SERVER) == (
        f"{SERVER}/#/experiments/{known}/runs?workflowType=machine_learning"
    )

    desk.journal.create(ev.SessionConfig(memory_key="other", preset="demo"), "cli", "b" * 64)
    desk.projector().project("s02")
    assert way_to_the_runs(database(desk.settings), SERVER) == LIST

    client.delete_experiment(client.get_experiment_by_name("other").experiment_id)
    assert f"/experiments/{known}/runs" in way_to_the_runs(database(desk.settings), SERVER)


def test_without_a_database_or_with_one_that_cannot_be_read_the_list_is_named(tmp_path: Path) -> None:
    place = tmp_path / "mlflow.db"
    assert way_to_the_runs(place, SERVER) == LIST

    sqlite3.connect(place).close()
    assert way_to_the_runs(place, SERVER) == LIST
    place.write_bytes(b"no database at all" * 100)
    assert way_to_the_runs(place, SERVER) == LIST
