"""MLflow shows a session once, however often it is told, and whatever broke on the way."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from mlflow.entities import Metric

from autoresearch_dagster.core.errors import StoreConflict, StoreUnavailable
from autoresearch_dagster.core.experiment import ExperimentKey, canonical_json
from autoresearch_dagster.store import events as ev, promotion_events as pe
from autoresearch_dagster.store.ledger_events import TokenUsage
from autoresearch_dagster.tracking.batches import log_all
from tests.damaged import ABSURD, DAMAGED
from tests.judged import screening
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


def test_a_curve_of_more_points_than_one_call_takes_is_whole(desk):
    points = [{"step": n, "loss": 1 / n, "elapsed_s": float(n)} for n in range(1, 2601)]
    curve = desk.store.blobs.put(canonical_json(points))
    desk.finish("s01_d02_e04", desk.trained(2.0).model_copy(update={"curve": curve}))
    desk.project()

    run = desk.runs()["s01_d02_e04 later"]
    history = desk.client().get_metric_history(run.info.run_id, "train_loss")
    assert [point.step for point in history] == list(range(1, 2601))


@pytest.mark.parametrize("kept", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_curve_is_left_out_and_said_and_the_rest_of_the_run_is_shown(desk, kept):
    curve = desk.store.blobs.put(kept) if isinstance(kept, bytes) else kept
    desk.finish("s01_d02_e04", desk.trained(2.0).model_copy(update={"curve": curve}))
    desk.project()

    shown = desk.runs()
    assert shown["s01_d02_e04 later"].data.metrics["val_bpb"] == 2.0
    assert "train_loss" not in shown["s01_d02_e04 later"].data.metrics
    assert [name for name, run in shown.items() if "autoresearch.curve" in run.data.tags] == ["s01_d02_e04 later"]
    assert desk.project() == 0


def test_a_point_that_no_clock_shows_is_left_out_of_a_curve(desk):
    curve = desk.store.blobs.put(ABSURD)
    desk.finish("s01_d02_e04", desk.trained(2.0).model_copy(update={"curve": curve}))
    desk.project()

    run = desk.runs()["s01_d02_e04 later"]
    assert [m.step for m in desk.client().get_metric_history(run.info.run_id, "train_loss")] == [1]
    assert "autoresearch.curve" not in run.data.tags


def test_values_are_cut_into_calls_that_mlflow_takes(desk):
    desk.project()
    client, run_id = desk.client(), desk.runs()["s01_d02_e03 wider"].info.run_id
    many = {f"p{n}": str(n) for n in range(250)}
    log_all(client, run_id, [Metric("m", n, n, n) for n in range(1500)], many, many)

    run = client.get_run(run_id)
    assert many.items() <= run.data.params.items()
    assert many.items() <= run.data.tags.items()
    assert len(client.get_metric_history(run_id, "m")) == 1500


def test_one_more_result_asks_mlflow_for_nothing_of_the_others(desk):
    for number in range(3, 9):
        first = 2 + 2 * number - 3
        desk.launch(number, (f"a{number}", "pass", None), (f"b{number}", "pass", None))
        for key in (f"s01_d{number:02}_e{first:02}", f"s01_d{number:02}_e{first + 1:02}"):
            desk.finish(key, desk.trained(2.0))
    desk.project()
    desk.finish("s01_d02_e04", desk.trained(2.0))
    calls = []

    def count(projector):
        for name in ("search_runs", "create_run", "log_batch", "log_inputs", "log_artifacts", "get_run"):
            real = getattr(projector._client, name)
            counted = lambda *a, real=real, name=name, **k: (calls.append((name, a)), real(*a, **k))[1]  # noqa: E731
            setattr(projector._client, name, counted)

    assert desk.project(count) == 2
    assert [name for name, _ in calls].count("create_run") == 1
    assert ["LIKE" in arguments[1] for name, arguments in calls if name == "search_runs"] == [False]
    assert len(calls) <= 9, calls


def test_a_run_that_somebody_deleted_comes_back_when_one_looks(desk):
    desk.project()
    gone = desk.runs()["s01_d02_e03 wider"].info.run_id
    desk.client().delete_run(gone)
    assert desk.project() == 0
    assert desk.project(thorough=True) == 1
    assert desk.runs()["s01_d02_e03 wider"].info.run_id != gone


def test_a_deleted_run_whose_experiment_is_judged_later_comes_back_by_itself(desk):
    desk.project()
    desk.client().delete_run(desk.runs()["s01_d02_e03 wider"].info.run_id)
    decision = screening("within_noise")
    desk.append(pe.CandidateScreened(key=ExperimentKey("s01_d02_e03"), against=None, decision=decision))
    desk.project()

    assert desk.runs()["s01_d02_e03 wider"].data.tags["autoresearch.standing"] == "within_noise"


def test_the_report_is_a_file_of_the_sessions_run_and_logged_when_it_changes(desk, tmp_path):
    written = tmp_path / "some-name.html"
    written.write_text("<p>one</p>")
    desk.project(report=lambda: written)
    run = desk.runs()["session s01 night"]
    shown = Path(run.info.artifact_uri.removeprefix("file://"), "report.html")
    assert shown.read_text() == "<p>one</p>"

    shown.write_text("touched")
    desk.project(report=lambda: written)
    assert shown.read_text() == "touched"
    written.write_text("<p>two</p>")
    desk.project(report=lambda: written)
    assert shown.read_text() == "<p>two</p>"


def test_what_a_session_cost_stands_on_its_run(desk):
    asked = {"ticket": "t", "purpose": "turn", "turn": 3, "request": "d" * 64, "model": "m", "prices": "1"}
    desk.append(ev.ModelAsked(**asked, reserved_usd=Decimal(1)))
    desk.append(ev.ModelAnswered(ticket="t", usage=TokenUsage(input_tokens=7, output_tokens=3), usd=Decimal("0.5")))
    desk.append(ev.ModelAsked(**{**asked, "ticket": "u"}, reserved_usd=Decimal("0.25")))
    desk.project()

    found = desk.runs()["session s01 night"].data.metrics
    assert (found["usd"], found["usd_possible"], found["read_tokens"], found["written_tokens"]) == (0.5, 0.25, 7, 3)
    assert found["cpu_seconds"] == 2 * 9.25
    assert "gpu_seconds" not in found


def test_an_agents_summary_is_shown_as_text_and_not_as_markdown(desk):
    desk.append(ev.SessionFinished(reason="final answer", summary="# Won\n![x](http://there/x.png)\x1b[2J"))
    desk.project()

    note = desk.runs()["session s01 night"].data.tags["mlflow.note.content"]
    assert note == "    # Won\n    ![x](http://there/x.png)\\x1b[2J"
