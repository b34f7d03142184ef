"""The journal: nothing is lost, nothing is half committed, whoever else writes."""

import os
import signal
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from hypothesis import given, settings, strategies as st

from autoresearch_dagster.core.errors import StoreConflict
from autoresearch_dagster.core.experiment import (
    Digest,
    ExperimentKey,
    ExperimentResult,
    Outcome,
    PlannedExperiment,
    TrainConfig,
)
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.store import database as db, events as ev, schema as sc
from autoresearch_dagster.store.store import Store, open_store

CONFIG = ev.SessionConfig(memory_key="tests", preset="demo")
APPENDS = 25
WRITER = """
import sys
from pathlib import Path
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.store import open_store

home, name, wanted = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
journal = open_store(Settings(home=home)).journal
number = 0
while number < wanted or wanted == 0:
    with journal.transaction("s01") as transaction:
        transaction.append(ev.Steered(note=f"{name} {number}"))
    print(number, flush=True)
    number += 1
"""


@pytest.fixture
def store(tmp_path: Path) -> Store:
    opened = open_store(Settings(home=tmp_path))
    opened.journal.create(CONFIG, "cli", "bundle")
    return opened


def notes(store: Store) -> list[str]:
    return [record.event.note for record in store.journal.events("s01") if isinstance(record.event, ev.Steered)]


def writer(home: Path, name: str, wanted: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(home), name, str(wanted)],
        cwd=PROJECT_ROOT,
        env={**os.environ, "PYTHONPATH": str(PROJECT_ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


def planned(key: str, **config: float) -> PlannedExperiment:
    return PlannedExperiment(
        key=ExperimentKey(key),
        title=key,
        revision=1,
        train_py=Digest("a" * 64),
        config=TrainConfig.model_validate(config),
    )


def pending(*experiments: PlannedExperiment, dispatch: int = 1) -> ev.CallPending:
    return ev.CallPending(
        turn=1,
        sequence=0,
        call="c",
        function="run_experiment_batch",
        arguments={"titles": [item.title for item in experiments]},
        dispatch=dispatch,
        planned=experiments,
        answers=tuple(item.key for item in experiments),
    )


text = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | finite | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=8,
)
results = st.builds(ExperimentResult, outcome=st.sampled_from(Outcome), val_bpb=st.none() | finite, error=text)
events = st.one_of(
    st.builds(ev.Steered, note=text),
    st.builds(ev.PlanFinished, turn=st.integers(1, 99), observation=text, failed=st.booleans()),
    st.builds(
        ev.CallRecorded,
        turn=st.just(1),
        sequence=st.integers(0, 99),
        call=text,
        function=text,
        arguments=st.dictionaries(text, json_values, max_size=3),
        result=json_values,
    ),
    st.builds(ev.ExperimentFinished, key=st.just(ExperimentKey("s01_d01_e01")), result=results),
    st.builds(
        ev.PlanStarted,
        turn=st.just(1),
        code=text,
        plan=text,
        started_at=st.datetimes(timezones=st.just(UTC)),
        seed=st.integers(0, 2**32),
    ),
)


@given(events)
@settings(max_examples=150, deadline=None)
def test_an_event_survives_the_way_to_json_and_back(event: ev.Event) -> None:
    assert ev.EVENT.validate_json(ev.EVENT.dump_json(event)) == event


def test_events_are_read_back_as_they_were_appended_with_their_times(tmp_path: Path) -> None:
    store = open_store(Settings(home=tmp_path))
    begun = datetime.now(UTC)
    store.journal.create(CONFIG, "daemon", "bundle-digest")
    appended: list[ev.Event] = [
        ev.ModelReplied(turn=1, reply="a plan \u2028 ü", stop_reason=None),
        pending(planned("s01_d01_e01"), planned("s01_d01_e02")),
        ev.AttemptStarted(key=ExperimentKey("s01_d01_e01"), attempt=1, owner="me"),
    ]
    with store.journal.transaction("s01") as transaction:
        for event in appended:
            transaction.append(event)
    records = open_store(Settings(home=tmp_path)).journal.events("s01")
    assert [record.event for record in records[1:]] == appended
    assert [record.sequence for record in records] == [0, 1, 2, 3]
    assert begun <= records[0].at <= records[-1].at <= datetime.now(UTC)


def test_state_of_a_long_lived_reader_equals_that_of_a_new_one(store: Store, tmp_path: Path) -> None:
    other = open_store(Settings(home=tmp_path))
    for number in range(5):
        writing = (store, other)[number % 2]
        with writing.journal.transaction("s01") as transaction:
            transaction.append(ev.ModelReplied(turn=number + 1, reply=str(number), stop_reason="end_turn"))
        assert len(store.journal.state("s01").turns) == number + 1
    assert store.journal.state("s01") == open_store(Settings(home=tmp_path)).journal.state("s01")


def test_a_returned_state_belongs_to_the_caller(store: Store) -> None:
    state = store.journal.state("s01")
    state.turns.append(state.turns)  # pyright: ignore[reportArgumentType]
    state.status = "finished"
    assert store.journal.state("s01").status == "active"
    assert store.journal.state("s01").turns == []


def test_an_exception_in_a_transaction_commits_nothing(store: Store) -> None:
    def fail() -> None:
        with store.journal.transaction("s01") as transaction:
            transaction.append(ev.ModelReplied(turn=1, reply="lost", stop_reason=None))
            assert len(transaction.state.turns) == 1
            raise RuntimeError("in the middle")

    with pytest.raises(RuntimeError):
        fail()
    assert store.journal.state("s01").turns == []
    with store.journal.transaction("s01") as transaction:
        assert transaction.state.turns == []
        transaction.append(ev.ModelReplied(turn=1, reply="kept", stop_reason=None))
    assert [turn.replied.reply for turn in store.journal.state("s01").turns] == ["kept"]
    assert [record.sequence for record in store.journal.events("s01")] == [0, 1]


def test_threads_that_append_together_lose_nothing(store: Store) -> None:
    def append(name: str) -> None:
        for number in range(APPENDS):
            with store.journal.transaction("s01") as transaction:
                transaction.append(ev.Steered(note=f"{name} {number}"))

    threads = [threading.Thread(target=append, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(notes(store)) == sorted(f"{name} {number}" for name in "abc" for number in range(APPENDS))
    assert [record.sequence for record in store.journal.events("s01")] == list(range(3 * APPENDS + 1))
    assert store.journal.state("s01").sequence == 3 * APPENDS


def test_processes_that_append_together_lose_nothing(store: Store, tmp_path: Path) -> None:
    writers = [writer(tmp_path, name, APPENDS) for name in "ab"]
    assert [process.wait() for process in writers if process.communicate()] == [0, 0]
    assert sorted(notes(store)) == sorted(f"{name} {number}" for name in "ab" for number in range(APPENDS))
    assert [record.sequence for record in store.journal.events("s01")] == list(range(2 * APPENDS + 1))


def test_kill_9_of_a_writer_loses_nothing_that_it_had_committed(store: Store, tmp_path: Path) -> None:
    process = writer(tmp_path, "k", 0)
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(20)]
    process.send_signal(signal.SIGKILL)
    said += process.stdout.readlines()
    process.wait()
    acknowledged = [f"k {line.strip()}" for line in said if line.endswith("\n")]
    kept = notes(store)
    assert len(acknowledged) >= 20
    assert kept[: len(acknowledged)] == acknowledged
    assert len(kept) <= len(acknowledged) + 1
    with store.journal.transaction("s01") as transaction:
        transaction.append(ev.Steered(note="life goes on"))
    assert notes(store)[-1] == "life goes on"


def test_a_sequence_number_can_be_used_only_once(store: Store) -> None:
    row = {"session": "s01", "sequence": 0, "at": datetime.now(UTC).isoformat(), "event": "{}"}
    with pytest.raises(StoreConflict, match="committed first"), db.write(store.engine) as connection:
        connection.execute(sc.events.insert().values(**row))


def test_one_memory_key_has_one_session(store: Store) -> None:
    with pytest.raises(StoreConflict, match="'tests' has a session already"):
        store.journal.create(CONFIG, "cli", "bundle")
    second = store.journal.create(CONFIG.model_copy(update={"memory_key": "other"}), "cli", "bundle")
    assert (second.id, second.number) == ("s02", 2)
    assert store.journal.sessions() == ["s01", "s02"]
    found = store.journal.find("other")
    assert found is not None
    assert found.id == "s02"
    assert store.journal.find("unknown") is None


def test_a_lost_lease_commits_nothing(store: Store) -> None:
    lease = store.leases.acquire("session:s01", "somewhere:1:1")
    with store.journal.transaction("s01", lease) as transaction:
        transaction.append(ev.Steered(note="held"))
    store.leases.release(lease)
    store.leases.acquire("session:s01", "somewhere:2:2")
    with pytest.raises(StoreConflict, match="was lost"), store.journal.transaction("s01", lease) as transaction:
        transaction.append(ev.Steered(note="too late"))
    assert notes(store) == ["held"]


def test_nobody_can_take_a_lease_between_its_check_and_the_commit(store: Store, tmp_path: Path) -> None:
    lease = store.leases.acquire("session:s01", "somewhere:1:1")
    hasty = db.connect(f"sqlite:///{tmp_path / 'journal.db'}", busy_timeout_s=0.1)
    with store.journal.transaction("s01", lease) as transaction:
        with pytest.raises(sa.exc.OperationalError, match="locked"), hasty.begin() as connection:
            connection.execute(sc.leases.delete())
        transaction.append(ev.Steered(note="held"))
    assert notes(store) == ["held"]
