"""`rerun`: a second training for information; the record stays as it was."""

import json
import subprocess

import pytest

from autoresearch_dagster.core.experiment import ExperimentKey, PlannedExperiment
from autoresearch_dagster.core.presets import preset
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings
from autoresearch_dagster.data.build import build_bundle
from autoresearch_dagster.experiments.laboratory import BASELINE_FILE
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.store import open_store
from tests.agent_bench import result_for
from tests.command_line import PROGRAM, environment, is_one_sentence
from tests.contract.jobs import PATIENCE_S


@pytest.fixture(scope="module")
def home(shared):
    """A session of one experiment, the baseline, with a made-up score; and one on a bundle that is gone."""
    settings = Settings(home=shared, database_url="")
    bundle = build_bundle("sample", 1, preset("demo").sequence_length, settings.bundles, lambda told: None)
    for memory_key, digest in (("recorded", bundle.digest), ("elsewhere", "f" * 64)):
        record(settings, memory_key, digest)
    return shared


def record(settings, memory_key, bundle):
    store = open_store(settings)
    config = ev.SessionConfig(memory_key=memory_key, preset="demo", time_budget_sec=20)
    state = store.journal.create(config, "cli", bundle)
    planned = PlannedExperiment(
        key=ExperimentKey(f"{state.id}_d01_e01"),
        title="as it was",
        revision=1,
        train_py=store.blobs.put(BASELINE_FILE.read_bytes()),
        config=preset("demo").config.model_copy(update={"max_steps": 4}),
    )
    with store.journal.transaction(state.id) as transaction:
        transaction.append(ev.ModelReplied(turn=1, reply="", stop_reason=None))
        transaction.append(
            ev.CallPending(
                turn=1,
                sequence=0,
                call="c",
                function="f",
                arguments={},
                dispatch=1,
                planned=(planned,),
                answers=(planned.key,),
            )
        )
        transaction.append(ev.ExperimentFinished(key=planned.key, result=result_for(planned)))


def key_of(home, memory_key):
    state = open_store(Settings(home=home, database_url="")).journal.find(memory_key)
    assert state is not None
    return next(iter(state.experiments))


@pytest.mark.timeout(600)
@pytest.mark.slow
def test_two_reruns_at_once_have_receipts_of_their_own_and_change_nothing(command, home):
    key = key_of(home, "recorded")
    before = open_store(Settings(home=home, database_url="")).journal.find("recorded")
    both = [
        subprocess.Popen(
            [*PROGRAM, "rerun", key, "--json"],
            cwd=PROJECT_ROOT,
            env=environment(home),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(2)
    ]
    printed = [process.communicate(timeout=2 * PATIENCE_S) for process in both]

    assert [process.returncode for process in both] == [0, 0], printed
    found = [json.loads(out) for out, _ in printed]
    for one in found:
        assert one["key"] == key
        assert "reproduction" in one["reproduced"]["labels"]
        assert one["difference"] == one["reproduced"]["val_bpb"] - one["recorded"]["val_bpb"]
    assert len({one["reproduced"]["receipt"] for one in found}) == 2
    assert found[0]["reproduced"]["val_bpb"] == found[1]["reproduced"]["val_bpb"]
    assert open_store(Settings(home=home, database_url="")).journal.find("recorded") == before


def test_a_person_reads_both_scores_and_the_difference(command, home):
    done = command("rerun", key_of(home, "recorded"), home=home)

    assert done.code == 0, done.err
    for word in ("recorded ", "reproduced ", "difference ", "receipt", "does not change"):
        assert word in done.out
    assert "training" in done.err


def test_another_bundle_is_no_comparison(command, home):
    done = command("rerun", key_of(home, "elsewhere"), home=home)

    assert done.code == 2
    assert is_one_sentence(done.err.splitlines()[-1])
    assert "f" * 16 in done.err
