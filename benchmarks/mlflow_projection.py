"""MLflow of a large session: its first projection, one more dispatch, and logging value by value.

A journal is filled with so many experiments, each with a curve; it is projected into an empty MLflow database; then
one more dispatch of four comes in and is projected, by a fresh projector as after a restart.  Beside it, in the
same run and database, some experiments are logged the naive way: one call for each parameter, point and tag.

    python -m benchmarks.mlflow_projection [EXPERIMENTS] [CURVE_POINTS]
"""

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from mlflow.tracking import MlflowClient

from autoresearch_dagster.core.experiment import (
    Claims,
    ExperimentKey,
    ExperimentResult,
    Outcome,
    PlannedExperiment,
    Standing,
    TrainConfig,
    Verdict,
    canonical_json,
)
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.store import Store, open_store
from autoresearch_dagster.tracking import describe
from autoresearch_dagster.tracking.mlflow_projection import Projector

BATCH, NAIVE, EXPERIMENTS, POINTS = 4, 5, 1000, 100
CODE = (PROJECT_ROOT / "trainer_image" / "train.py").read_text(encoding="utf-8")


def result_of(store: Store, number: int, points: int) -> ExperimentResult:
    curve = [
        {"step": step, "loss": 9 - step / points - number / 1e5, "elapsed_s": step / 10} for step in range(points)
    ]
    return ExperimentResult(
        outcome=Outcome.TRAINED,
        verdict=Verdict.ACCEPTED,
        standing=Standing.SCREENED,
        val_bpb=3 - number / 1e5,
        val_bpb_exact=3 - number / 1e5,
        receipt=store.blobs.put(canonical_json({"number": number})),
        curve=store.blobs.put(canonical_json(curve)),
        claims=Claims(model_name="TinyGPT", n_params=1_000_000, steps=60),
        log_tail="step 0060 | loss 6.123456 | lr 1.00e-03\n" * 40,
        duration_sec=20.0,
        cpu_sec=20.0,
    )


def dispatch(store: Store, session: str, turn: int, numbers: range, points: int) -> None:
    """One turn of the researcher and the results of what it planned."""
    planned: list[PlannedExperiment] = []
    for number in numbers:
        code = store.blobs.put(f"{CODE}\n# {number}\n".encode())
        key = ExperimentKey(f"{session}_d{turn:02}_e{number:02}")
        planned.append(
            PlannedExperiment(key=key, title=f"idea {number}", revision=1, train_py=code, config=TrainConfig())
        )
    keys = tuple(one.key for one in planned)
    with store.journal.transaction(session) as transaction:
        transaction.append(ev.ModelReplied(turn=turn, reply="A plan.\n" * 100, stop_reason="end_turn"))
        transaction.append(
            ev.CallPending(
                turn=turn,
                sequence=1,
                call="c",
                function="run_experiment_batch",
                arguments={},
                dispatch=turn,
                planned=tuple(planned),
                answers=keys,
            )
        )
        for number, one in zip(numbers, planned, strict=True):
            transaction.append(ev.AttemptStarted(key=one.key, attempt=1, owner="here"))
            transaction.append(ev.ExperimentFinished(key=one.key, result=result_of(store, number, points)))
        transaction.append(ev.CallAnswered(turn=turn, sequence=1, call="c", result={}))
        transaction.append(ev.PlanFinished(turn=turn, observation="seen", failed=False))


def timed(doing: Callable[[], object]) -> tuple[float, float]:
    """Wall and CPU seconds."""
    started, used = time.perf_counter(), time.process_time()
    doing()
    return time.perf_counter() - started, time.process_time() - used


def naively(client: MlflowClient, experiment: str, store: Store, session: str) -> None:
    """Log some experiments value by value, as a first draft does."""
    state = store.journal.state(session)
    for item in list(state.experiments.values())[:NAIVE]:
        result = item.result
        assert result is not None
        run = client.create_run(experiment).info.run_id
        for name, value in describe.parameters(item).items():
            client.log_param(run, name, value)
        for name, number in describe.metrics(item, result).items():
            client.log_metric(run, name, number)
        for point in describe.curve(result, store.blobs):
            client.log_metric(run, "train_loss", point.loss, step=point.step)
        for name, text in describe.tags(state, item, "", "").items():
            client.set_tag(run, name, text)
        client.log_text(run, CODE, "train.py")
        client.set_terminated(run)


def main(experiments: int, points: int) -> None:
    with tempfile.TemporaryDirectory(prefix="ar-bench-") as name:
        settings = Settings(home=Path(name) / "home", mlruns=Path(name) / "mlruns")
        store = open_store(settings)
        session = store.journal.create(ev.SessionConfig(memory_key="large", preset="demo"), "cli", "f" * 64).id
        turns = list(range(1, experiments + 1, BATCH))
        for turn, first in enumerate(turns, start=1):
            dispatch(store, session, turn, range(first, min(first + BATCH, experiments + 1)), points)
        projector = Projector(settings, store, CODE)
        first = timed(lambda: projector.project(session))
        dispatch(store, session, len(turns) + 1, range(experiments + 1, experiments + 1 + BATCH), points)
        again = Projector(settings, open_store(settings), CODE)
        store.journal.state(session)
        more = timed(lambda: again.project(session))
        nothing = timed(lambda: again.project(session))
        client = MlflowClient(tracking_uri=f"sqlite:///{settings.mlruns.resolve() / 'mlflow.db'}")
        found = client.get_experiment_by_name("large")
        assert found is not None
        naive = timed(lambda: naively(client, found.experiment_id, store, session))
    print(f"{experiments} experiments with {points} points of a curve each; ms of an experiment, wall (CPU):")
    for name, (wall_s, cpu_s), count in (
        ("first projection", first, experiments),
        ("one dispatch more", more, BATCH),
        ("value by value", naive, NAIVE),
    ):
        print(f"  {name:18} {wall_s / count * 1000:6.0f} ({cpu_s / count * 1000:.0f})")
    print(f"nothing new: {nothing[0] * 1000:.0f} ({nothing[1] * 1000:.0f}) ms for all")
    walls, cpus = (naive[n] / NAIVE / (first[n] / experiments) for n in (0, 1))
    print(f"value by value takes {walls:.1f} (CPU {cpus:.1f}) x as long")


if __name__ == "__main__":
    main(*(int(given) for given in [*sys.argv[1:], *map(str, (EXPERIMENTS, POINTS)[len(sys.argv) - 1 :])]))
