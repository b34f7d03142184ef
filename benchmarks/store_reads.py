"""Session list and leaderboard from a cold process, beside folding the journal.

A home is filled with one session of so many experiments, event by event as research writes them; then fresh
processes open it.  What is timed begins after the imports and ends with the rows in hand: opening the database
and every query.

    python -m benchmarks.store_reads [EXPERIMENTS ...]
"""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from autoresearch_dagster.core.experiment import (
    Claims,
    ExperimentKey,
    ExperimentResult,
    Outcome,
    PlannedExperiment,
    Standing,
    TrainConfig,
    Verdict,
    digest_of,
)
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.store import database as db, events as ev, read_tables, schema as sc
from autoresearch_dagster.store.fold import fold
from autoresearch_dagster.store.store import Store, open_store

BATCH, PROCESSES = 4, 11
LOG_TAIL = "step 0060 | loss 6.123456 | lr 1.00e-03 | 12.3 ms\n" * 40
QUESTIONS = {
    "session list": "store.journal.summaries()",
    "leaderboard": "store.journal.leaderboard('s01')",
    "folding": "store.journal.state('s01')",
}
READER = """
import sys, time
from pathlib import Path
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store.store import open_store
settings = Settings(home=Path(sys.argv[1]))
started, used = time.perf_counter(), time.process_time()
store = open_store(settings)
{question}
print(time.perf_counter() - started, time.process_time() - used)
"""


def result_of(number: int) -> ExperimentResult:
    return ExperimentResult(
        outcome=Outcome.TRAINED,
        verdict=Verdict.ACCEPTED,
        standing=Standing.SCREENED,
        val_bpb=2.5 + int(digest_of(str(number).encode())[:6], 16) / 2**24,
        receipt=digest_of(f"receipt {number}".encode()),
        checkpoint=digest_of(f"checkpoint {number}".encode()),
        claims=Claims(model_name="TinyGPT", n_params=1_000_000, steps=60),
        log_tail=LOG_TAIL,
        duration_sec=20.0,
    )


def research(experiments: int) -> Iterator[ev.Event]:
    """The events of a session that trains batch after batch."""
    for turn, first in enumerate(range(1, experiments + 1, BATCH), start=1):
        numbers = range(first, min(first + BATCH, experiments + 1))
        yield ev.ModelReplied(turn=turn, reply="A plan.\n" * 100, stop_reason="end_turn")
        planned: list[PlannedExperiment] = []
        for number in numbers:
            title, code = f"idea {number}", digest_of(f"train {number}".encode())
            planned.append(
                PlannedExperiment(
                    key=ExperimentKey(f"s01_d{turn:02}_e{number:02}"),
                    title=title,
                    revision=1,
                    train_py=code,
                    config=TrainConfig(),
                )
            )
        place = {"turn": turn, "sequence": 0, "call": "0" * 64}
        yield ev.CallPending(
            **place,  # type: ignore[arg-type]
            function="run_experiment_batch",
            arguments={"titles": [item.title for item in planned]},
            dispatch=turn,
            planned=tuple(planned),
            answers=tuple(item.key for item in planned),
        )
        for item, number in zip(planned, numbers, strict=True):
            yield ev.AttemptStarted(key=item.key, attempt=1, owner="host:1:1")
            yield ev.ExperimentFinished(key=item.key, result=result_of(number))
        yield ev.CallAnswered(**place, result={"rows": [item.title for item in planned]})  # type: ignore[arg-type]
        yield ev.PlanFinished(turn=turn, observation="ranked\n" * 50, failed=False)


def fill(store: Store, experiments: int) -> None:
    """Load the events at once, then append a last one through a real transaction."""
    session = store.journal.create(ev.SessionConfig(n_experiments=experiments), "cli", "bundle").id
    begun = datetime.now(UTC)
    records = store.journal.events(session) + [
        ev.Recorded(session=session, sequence=number, at=begun + timedelta(seconds=number), event=event)
        for number, event in enumerate(research(experiments), start=1)
    ]
    rows = [
        {
            "session": session,
            "sequence": record.sequence,
            "at": record.at.isoformat(),
            "event": ev.EVENT.dump_json(record.event).decode(),
        }
        for record in records[1:]
    ]
    with db.write(store.engine) as connection:
        connection.execute(sc.events.insert(), rows)
        read_tables.rebuild(connection, fold(records))


def append_s(store: Store) -> float:
    """Seconds of one transaction that appends one event."""
    taken: list[float] = []
    for _ in range(PROCESSES):
        started = time.perf_counter()
        with store.journal.transaction("s01") as transaction:
            transaction.append(ev.Steered(note="look"))
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def cold_s(home: Path, question: str) -> tuple[float, float]:
    """Median wall and CPU seconds of a question, each time asked by a new process."""
    code = READER.format(question=QUESTIONS[question])
    command = [sys.executable, "-c", code, str(home)]
    said = [subprocess.check_output(command, cwd=PROJECT_ROOT, text=True).split() for _ in range(PROCESSES)]
    return statistics.median(float(wall) for wall, _ in said), statistics.median(float(cpu) for _, cpu in said)


def main(sizes: list[int]) -> None:
    for experiments in sizes:
        with tempfile.TemporaryDirectory(prefix="ar-bench-") as folder:
            store = open_store(Settings(home=Path(folder)))
            fill(store, experiments)
            taken = {question: cold_s(Path(folder), question) for question in QUESTIONS}
            print(f"{experiments} experiments, median of {PROCESSES} cold processes:")
            for question, (wall, cpu) in taken.items():
                ratio = taken["folding"][1] / cpu
                print(f"  {question:13} {wall * 1000:8.1f} ms, CPU {cpu * 1000:8.1f} ms: {ratio:6.1f} x folding")
            print(f"  one more event {append_s(store) * 1000:7.1f} ms")


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [1_000, 10_000])
