import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from autoresearch_dagster.core.errors import StoreConflict, StoreUnavailable
from autoresearch_dagster.core.experiment import (
    Claims,
    ExperimentKey,
    ExperimentResult,
    Label,
    Outcome,
    PlannedExperiment,
    TrainConfig,
    Verdict,
    canonical_json,
)
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.journal import Journal
from autoresearch_dagster.store.store import open_store

START = datetime(2026, 3, 1, 22, 0, tzinfo=UTC)
BASELINE = "lr = 1\nlayers = 3\n"
CREATE = """
import sys; from pathlib import Path
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.store import open_store
from autoresearch_dagster.tracking.mlflow_projection import Projector
settings = Settings(home=Path(sys.argv[1]), mlruns=Path(sys.argv[2]))
store = open_store(settings)
store.journal.create(ev.SessionConfig(memory_key="other"), "cli", "b" * 64)
print(Projector(settings, store, "").project("s01"))
from mlflow.telemetry import get_telemetry_client
print(get_telemetry_client())
"""


@pytest.fixture(scope="session")
def empty_mlruns(tmp_path_factory):
    """An MLflow database (seven seconds), made once by a process of its own, and what that process said."""
    folder = tmp_path_factory.mktemp("mlflow")
    made = subprocess.run(
        [sys.executable, "-c", CREATE, str(folder / "home"), str(folder / "mlruns")],
        capture_output=True,
        text=True,
        check=False,
    )
    return folder / "mlruns", made


class Died(Exception):
    """The process ended here."""


def dying_after(step: str, times: int, of: str = "_client"):
    """Let the process of a projector end right after a step was done so many times."""

    def change(projector):
        client, done = getattr(projector, of), []
        real = getattr(client, step)

        def once_more(*arguments, **named):
            found = real(*arguments, **named)
            done.append(step)
            if len(done) == times:
                raise Died
            return found

        setattr(client, step, once_more)

    return change


class Desk:
    """A store with a session in it, and the MLflow folder that it is projected to."""

    def __init__(self, home: Path, mlruns: Path) -> None:
        self.settings = Settings(home=home, mlruns=mlruns, database_url="")
        store = open_store(self.settings)
        self.now = START
        self.store = store
        self.journal = Journal(store.engine, store.leases, self.tick)
        object.__setattr__(store, "journal", self.journal)

    def tick(self) -> datetime:
        self.now += timedelta(seconds=10)
        return self.now

    def append(self, *events: ev.Event) -> None:
        with self.journal.transaction("s01") as transaction:
            for event in events:
                transaction.append(event)

    def launch(self, dispatch: int, *titles: tuple[str, str, str | None]) -> None:
        first = len(self.journal.state("s01").experiments) + 1
        planned = tuple(
            PlannedExperiment(
                key=ExperimentKey(f"s01_d{dispatch:02}_e{number:02}"),
                title=title,
                revision=1,
                train_py=self.store.blobs.put(code.encode()),
                config=TrainConfig(seed=3),
                parent_title=parent,
            )
            for number, (title, code, parent) in enumerate(titles, start=first)
        )
        self.append(
            ev.ModelReplied(turn=dispatch, reply="", stop_reason=None),
            ev.CallPending(
                turn=dispatch,
                sequence=0,
                call="c",
                function="f",
                arguments={},
                dispatch=dispatch,
                planned=planned,
                answers=(),
            ),
        )

    def finish(self, key: str, result: ExperimentResult) -> None:
        name = ExperimentKey(key)
        self.append(ev.AttemptStarted(key=name, attempt=1, owner="h:1:1"))
        self.append(ev.ExperimentFinished(key=name, result=result, run_id="dagster-7"))

    def trained(self, score: float) -> ExperimentResult:
        points = [{"step": n, "loss": 9.0 / n, "elapsed_s": n / 2} for n in range(1, 31)]
        return ExperimentResult(
            outcome=Outcome.TRAINED,
            verdict=Verdict.ACCEPTED,
            labels=(Label.STARVED, Label.UNSANDBOXED),
            val_bpb=score,
            val_bpb_exact=score - 0.01,
            receipt=self.store.blobs.put(canonical_json({"val_bpb": score})),
            curve=self.store.blobs.put(canonical_json(points)),
            claims=Claims(steps=30, n_params=1000),
            duration_sec=9.5,
            cpu_sec=9.25,
            runner="docker",
        )

    def projector(self):
        from autoresearch_dagster.tracking.mlflow_projection import Projector

        return Projector(self.settings, self.store, BASELINE)

    def project(self, change=lambda projector: None, **how) -> int:
        projector = self.projector()
        change(projector)
        return projector.project("s01", **how)

    def client(self):
        from mlflow.tracking import MlflowClient

        return MlflowClient(tracking_uri=f"sqlite:///{self.settings.mlruns / 'mlflow.db'}")

    def runs(self):
        experiment = self.client().get_experiment_by_name("night")
        found = self.client().search_runs([experiment.experiment_id])
        return {run.info.run_name: run for run in found}

    def picture(self):
        """Everything that MLflow shows, without its own ids."""
        client, seen = self.client(), {}
        ours = {run.info.run_id: name for name, run in self.runs().items()}
        for name, run in self.runs().items():
            history = {
                metric: [(m.step, m.value, m.timestamp) for m in client.get_metric_history(run.info.run_id, metric)]
                for metric in run.data.metrics
            }
            tags = {key: ours.get(value, value) for key, value in run.data.tags.items() if "logged" not in key}
            times = (run.info.start_time, run.info.end_time, run.info.status)
            inputs = [(item.dataset.name, item.dataset.digest) for item in run.inputs.dataset_inputs]
            files = {item.path: item.file_size for item in client.list_artifacts(run.info.run_id)}
            seen[name] = (history, tags, run.data.params, times, inputs, files)
        return seen


@pytest.fixture
def desk(tmp_path, empty_mlruns):
    shutil.copytree(empty_mlruns[0], tmp_path / "mlruns")
    desk = Desk(tmp_path / "home", tmp_path / "mlruns")
    desk.journal.create(ev.SessionConfig(memory_key="night"), "cli", "b" * 64)
    desk.launch(1, ("wide", "lr = 2\nlayers = 3\n", None), ("deep", "boom", None))
    desk.finish("s01_d01_e01", desk.trained(2.5))
    desk.finish("s01_d01_e02", ExperimentResult(outcome=Outcome.CRASHED, error="x" * 9000, log_tail="Traceback"))
    desk.launch(2, ("wider", "lr = 2\nlayers = 4\n", "Wide"), ("later", "pass", "wide"))
    desk.finish("s01_d02_e03", desk.trained(2.25))
    return desk


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
