"""Sessions with planned experiments, written into a real journal without an agent."""

from autoresearch_dagster.core.experiment import (
    ExperimentKey,
    ExperimentResult,
    Outcome,
    PlannedExperiment,
    Standing,
    TrainConfig,
)
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.store import Store

TRAIN_PY = b"def run_training(config): ...\n"


def plan(
    store: Store, *titles: str, memory_key: str = "research", driver: str = "daemon", code: bytes = TRAIN_PY
) -> list[ExperimentKey]:
    """Start a session and plan one dispatch; return its keys."""
    state = store.journal.create(ev.SessionConfig(memory_key=memory_key, preset="demo"), driver, "bundle")  # type: ignore[arg-type]
    keys = [ExperimentKey(f"{state.id}_d01_e{number:02}") for number in range(1, len(titles) + 1)]
    train_py = store.blobs.put(code)
    planned = tuple(
        PlannedExperiment(key=key, title=title, revision=1, train_py=train_py, config=TrainConfig())
        for key, title in zip(keys, titles, strict=True)
    )
    with store.journal.transaction(state.id) as transaction:
        transaction.append(ev.ModelReplied(turn=1, reply="a plan", stop_reason="end_turn"))
        transaction.append(
            ev.CallPending(
                turn=1,
                sequence=1,
                call="c",
                function="run_experiment_batch",
                arguments={},
                dispatch=1,
                planned=planned,
                answers=tuple(keys),
            )
        )
    return keys


def finish(store: Store, key: ExperimentKey, val_bpb: float = 2.5) -> None:
    """Give an experiment a result."""
    result = ExperimentResult(
        outcome=Outcome.TRAINED, standing=Standing.SCREENED, val_bpb=val_bpb, runner="local", duration_sec=1.0
    )
    with store.journal.transaction(key.partition("_")[0]) as transaction:
        transaction.append(ev.AttemptStarted(key=key, attempt=1, owner="h:1:1"))
        transaction.append(ev.ExperimentFinished(key=key, result=result))
