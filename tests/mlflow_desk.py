"""A journal with a session in it, and the MLflow database that it is projected into."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

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

    def launch(self, dispatch: int, *titles: tuple[str, str, str | None], n_embd: int = 128) -> None:
        first = len(self.journal.state("s01").experiments) + 1
        planned = tuple(
            PlannedExperiment(
                key=ExperimentKey(f"s01_d{dispatch:02}_e{number:02}"),
                title=title,
                revision=1,
                train_py=self.store.blobs.put(code.encode()),
                config=TrainConfig(seed=3, n_embd=n_embd),
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

    def trained(self, score: float, loss: float = 9.0) -> ExperimentResult:
        points = [{"step": n, "loss": loss / n, "elapsed_s": n / 2} for n in range(1, 31)]
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

    def traces_by_name(self):
        """Traces; twins are refused here."""
        from mlflow.tracing.client import TracingClient

        client = TracingClient(f"sqlite:///{self.settings.mlruns / 'mlflow.db'}")
        experiment = self.client().get_experiment_by_name("night").experiment_id
        found = client.search_traces(locations=[experiment])
        named = {trace.info.tags["mlflow.traceName"]: trace for trace in found}
        assert len(named) == len(found), "a twin"
        return named

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


def night(home: Path, mlruns: Path) -> Desk:
    """A session of two dispatches: two scores, a crash, and an experiment that still runs."""
    desk = Desk(home, mlruns)
    desk.journal.create(ev.SessionConfig(memory_key="night"), "cli", "b" * 64)
    desk.launch(1, ("wide", "lr = 2\nlayers = 3\n", None), ("deep", "boom", None))
    desk.finish("s01_d01_e01", desk.trained(2.5))
    desk.finish("s01_d01_e02", ExperimentResult(outcome=Outcome.CRASHED, error="x" * 9000, log_tail="Traceback"))
    desk.launch(2, ("wider", "lr = 2\nlayers = 4\n", "Wide"), ("later", "pass", "wide"))
    desk.finish("s01_d02_e03", desk.trained(2.25))
    return desk
