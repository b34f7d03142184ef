"""MLflow shows a session once, however often it is told, and whatever broke on the way."""

from datetime import timedelta
from pathlib import Path

import pytest

from autoresearch_dagster.core.errors import StoreConflict, StoreUnavailable
from autoresearch_dagster.store import events as ev
from tests.mlflow_desk import START, Desk, Died, dying_after


def test_an_mlflow_database_is_made_without_a_word_and_nobody_is_told(empty_mlruns):
    made = empty_mlruns[1]
    assert (made.returncode, made.stdout, made.stderr) == (0, "1\nNone\n", "")


def test_times_come_from_the_journal_and_curves_have_steps(desk):
    desk.project()
    client, run = desk.client(), desk.runs()["s01_d02_e03 wider"]
    item = desk.journal.state("s01").experiments["s01_d02_e03"]
    assert item.started_at > item.planned_at
    assert run.info.start_time == item.started_at.timestamp() * 1000
    assert run.info.end_time == item.finished_at.timestamp() * 1000
    curve = client.get_metric_history(run.info.run_id, "train_loss")
    assert [point.step for point in curve] == list(range(1, 31))
    assert curve[3].value == 9.0 / 4
    assert curve[3].timestamp == run.info.start_time + 2000


def test_the_review_stands_beside_train_py_where_a_line_is_new(desk):
    cheats = "lr = 2\nlayers = 4\nopen('x')\n"
    desk.launch(3, ("reads", cheats, "wider"), ("reads on", f"{cheats}deep = 1\n", "reads"))
    for key in ("s01_d03_e05", "s01_d03_e06"):
        desk.finish(key, desk.trained(2.25))
    desk.project()

    runs, client = desk.runs(), desk.client()
    shown = {name: run.data.tags["autoresearch.review"] for name, run in runs.items() if "session" not in name}
    files = {name: [file.path for file in client.list_artifacts(run.info.run_id)] for name, run in runs.items()}
    assert shown["s01_d03_e05 reads"] == "1"
    assert set(shown.values()) == {"0", "1"}
    assert [name for name, found in files.items() if "review.md" in found] == ["s01_d03_e05 reads"]
    folder = Path(runs["s01_d03_e05 reads"].info.artifact_uri.removeprefix("file://"))
    assert "open('x')" in (folder / "review.md").read_text()
    assert desk.project() == 0


def test_a_missing_blob_leaves_no_half_written_run(desk):
    receipt = desk.journal.state("s01").experiments["s01_d02_e03"].result.receipt
    path = desk.store.blobs.path(receipt)
    path.rename(path.with_suffix(".away"))
    with pytest.raises(StoreUnavailable):
        desk.project()
    assert len(desk.runs()) == 3
    path.with_suffix(".away").rename(path)
    assert desk.project() == 1
    assert len(desk.runs()) == 4


@pytest.mark.parametrize("step", ["create_run", "log_batch", "log_inputs", "log_artifacts", "set_terminated"])
def test_a_projection_cut_short_is_completed_and_not_doubled(desk, step):
    with pytest.raises(Died):
        desk.project(dying_after(step, 3 if step in ("create_run", "log_batch") else 2))
    desk.project()
    finished = desk.picture()
    assert "receipt.json" in finished["s01_d02_e03 wider"][-1]
    assert len(finished) == 4
    assert desk.project() == 0


def test_the_runs_of_a_deleted_home_are_left_alone(desk, tmp_path):
    desk.project()
    before = desk.picture()
    new = Desk(tmp_path / "new-home", desk.settings.mlruns)
    new.now = START + timedelta(days=1)
    new.journal.create(ev.SessionConfig(memory_key="night"), "cli", "b" * 64)
    new.launch(1, ("wide", "pass", None))
    new.finish("s01_d01_e01", new.trained(2.0))
    assert new.project() == 2
    experiment = new.client().get_experiment_by_name("night").experiment_id
    assert len(new.client().search_runs([experiment])) == 6
    assert desk.project() == 0
    assert before["s01_d01_e02 deep"] == desk.picture()["s01_d01_e02 deep"]


def test_only_one_projector_works_at_a_time(desk):
    with desk.store.leases.hold("mlflow", "another-host:1:1"), pytest.raises(StoreConflict, match="another-host"):
        desk.project()
