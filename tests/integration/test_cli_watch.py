"""`watch`: a session that another process drives, seen from the journal and from where its containers write."""

import json
import threading
import time
from pathlib import Path

import pytest

from autoresearch_dagster.core.experiment import ExperimentKey, TrainConfig
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.attempt_record import AttemptRecord
from autoresearch_dagster.experiments.healing import Provision
from autoresearch_dagster.experiments.laboratory import scratch_prefix
from autoresearch_dagster.experiments.watching import Watch
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.store import Store, open_store
from autoresearch_dagster.training.job import Ready
from tests.command_line import CommandLine, is_one_sentence
from tests.plans import finish, plan


@pytest.fixture
def settings(command: CommandLine) -> Settings:
    return Settings(home=command.home)


@pytest.fixture
def store(settings: Settings) -> Store:
    return open_store(settings)


@pytest.fixture(autouse=True)
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Temporary folders of this test alone."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def begin(store: Store, key: ExperimentKey, slot: str = "core 1") -> None:
    with store.journal.transaction("s01") as tx:
        tx.append(ev.AttemptStarted(key=key, attempt=1, owner="elsewhere:1:1", slot=slot))


def workspace(scratch: Path, settings: Settings, key: ExperimentKey) -> Path:
    """What a driver keeps of a training whose clock runs."""
    folder = scratch / f"{scratch_prefix(settings, key)}work"
    (folder / "out").mkdir(parents=True)
    provision = Provision(memory_bytes=2**31, device_batch_size=1, grad_accum_steps=1)
    ready = Ready(boot="b", started_at=0.0, at=1.0, cpu_s=1.0)
    AttemptRecord(attempt=1, gpu="", provision=provision, ready=ready).write(folder)
    return folder


def progress(folder: Path, *losses: float) -> None:
    lines = [{"step": step, "loss": loss, "elapsed_s": float(step)} for step, loss in enumerate(losses, start=1)]
    (folder / "out" / "progress.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


def test_each_stage_of_an_experiment_is_seen_from_outside(store: Store, settings: Settings, scratch: Path) -> None:
    first, second = plan(store, "one", "two")
    watch = Watch(settings, store, "s01")
    assert [card.stage for card in watch.cards()] == ["waiting", "waiting"]
    begin(store, first)
    assert watch.cards()[0].stage == "starting"
    assert watch.cards()[0].slot == "core 1"
    folder = workspace(scratch, settings, first)
    progress(folder, 9.0, 5.0, 4.0)
    card = watch.cards()[0]
    assert (card.stage, card.losses, card.used_s) == ("training", (9.0, 5.0, 4.0), 3.0)
    assert card.left_s == TrainConfig().time_budget_sec - 3.0
    finish(store, first)
    assert [card.stage for card in watch.cards()] == ["done", "waiting"]
    assert [card.key for card in Watch(settings, store, "s01").cards()] == [second]


def test_what_a_candidate_writes_cannot_end_the_watching(store: Store, settings: Settings, scratch: Path) -> None:
    (key,) = plan(store, "one")
    begin(store, key)
    folder = workspace(scratch, settings, key)
    (folder / "out" / "progress.jsonl").symlink_to("/etc/passwd")
    assert Watch(settings, store, "s01").cards()[0].losses == ()
    (folder / "attempt.json").write_text("{")
    assert Watch(settings, store, "s01").cards()[0].stage == "starting"


def test_watching_ends_with_the_session_and_says_how_it_ended(command: CommandLine, store: Store) -> None:
    (key,) = plan(store, "one")

    def drive() -> None:
        time.sleep(1.5)
        finish(store, key)
        with store.journal.transaction("s01") as tx:
            tx.append(ev.SessionFinished(reason="final answer", summary=""))

    driver = threading.Thread(target=drive)
    driver.start()
    said = command("watch", "research")
    driver.join()
    assert said.code == 0
    assert "research (s01) is active." in said.err
    assert "s01_d01_e01" in said.out
    assert "1 of 6 experiments" in said.out
    assert "research is finished: final answer." in said.err
    assert "\x1b" not in said.out + said.err


def test_watching_without_a_session_names_the_command_that_makes_one(command: CommandLine) -> None:
    assert "autoresearch demo" in command("watch").out
    refused = command("watch", "nosuch")
    assert refused.code == 2
    assert is_one_sentence(refused.err)
