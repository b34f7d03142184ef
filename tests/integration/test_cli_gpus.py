"""The command line on machines with and without GPUs; a stand-in for `nvidia-smi` plays the machine."""

import json

import pytest

from autoresearch_dagster.containers.taken_out import take_out
from autoresearch_dagster.core.errors import NoSlot
from autoresearch_dagster.core.settings import load_settings
from autoresearch_dagster.experiments.session import open_session
from autoresearch_dagster.store.events import SessionConfig
from autoresearch_dagster.store.store import open_store
from tests.command_line import BASELINE, files_below, is_one_sentence
from tests.nvidia import MIG_CARD, MIG_ONE, MIG_TWO, Machine, facts


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A card in MIG mode with two instances, and cores enough."""
    machine = Machine(tmp_path / "bin")
    machine.shows(MIG_CARD, facts("GPU-5d5ba0d6-d33d-2b2c-524d-9e3d8d2b8a77", mig="Enabled"))
    monkeypatch.setenv("PATH", machine.path)
    monkeypatch.setattr("autoresearch_dagster.containers.machine_slots.available_cores", lambda: tuple(range(16)))
    return machine


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--preset", "gpu"],
        ["run", "--preset", "gpu", "--dry-run"],
        ["evaluate", str(BASELINE), "--preset", "gpu"],
    ],
)
def test_the_gpu_preset_without_a_gpu_is_refused_before_anything_is_built(command, monkeypatch, arguments):
    monkeypatch.setenv("AUTORESEARCH_GPUS", "none")

    done = command(*arguments)

    assert done.code == 2
    assert is_one_sentence(done.err), done.err
    assert "The preset gpu needs an NVIDIA GPU and this machine lists none; choose --preset workshop" in done.err
    assert not [name for name in files_below(command.home) if "bundles" in name]


def test_a_session_that_dagster_starts_is_refused_before_anything_is_built_too(command, monkeypatch):
    monkeypatch.setenv("AUTORESEARCH_GPUS", "none")
    settings = load_settings()

    with pytest.raises(NoSlot, match="this machine lists none"):
        open_session(open_store(settings), settings, SessionConfig(preset="gpu"), "daemon", print)

    assert not settings.bundles.exists()


def test_doctor_lists_devices_slots_and_what_has_failed_and_puts_it_back(command, machine):
    found = {finding["what"]: finding for finding in json.loads(command("doctor", "--json").out)}
    assert found["GPU"]["ok"]
    assert all(uuid in found["GPU"]["found"] for uuid in (MIG_ONE, MIG_TWO))
    assert found["slots"]["found"].endswith("2 with a GPU and 4 core(s) each")

    take_out(load_settings(), MIG_TWO, "A100 MIG 1g.5gb", "the driver reported Xid 79: fell off the bus")
    said = command("doctor").out
    assert "fell off the bus" in said
    assert "--retry-gpus" in said
    assert "1 with a GPU and 4 core(s) each" in said

    assert "fell off the bus" not in command("doctor", "--retry-gpus").out
    assert "2 with a GPU" in command("doctor").out


def test_a_dry_run_of_the_gpu_preset_counts_gpus_not_cores(command, machine):
    done = command("run", "--preset", "gpu", "--dry-run", "--json", "--concurrency", "8")

    assert done.code == 0, done.err
    assert json.loads(done.out)["slots"] == 2
