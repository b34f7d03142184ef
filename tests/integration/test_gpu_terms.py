"""What an experiment of the gpu preset is held to, as far as it can be seen without a GPU."""

import dataclasses
import platform

import pytest

from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.select import HARNESS
from autoresearch_dagster.core.errors import DeviceLost
from autoresearch_dagster.core.experiment import ExperimentKey, Outcome, PlannedExperiment
from autoresearch_dagster.core.limits import GIB
from autoresearch_dagster.core.slot import Slot
from autoresearch_dagster.experiments.noise_floor import terms_of
from autoresearch_dagster.experiments.run_one import run_planned
from autoresearch_dagster.experiments.scoring import Attempt, Trained, evaluation_job
from autoresearch_dagster.training.job import Halt
from autoresearch_dagster.training.run import TrainingReport
from tests.integration.test_promotion_flow import Research
from tests.nvidia import TWO_FACTS, TWO_GPUS, A, B, Machine, facts
from tests.scored import small_lab


@pytest.mark.parametrize(
    ("preset", "slot", "device", "used_s"),
    [("gpu", Slot((1, 2), A), "cuda", 250.0), ("workshop", Slot((0,)), "cpu", 40.0)],
)
def test_a_gpu_slot_is_scored_on_its_gpu_and_charged_for_wall_time(tmp_path, bundle, preset, slot, device, used_s):
    lab = small_lab(tmp_path / "home", bundle, name=preset)
    planned = PlannedExperiment(
        key=ExperimentKey("s01_d01_e01"),
        title="one",
        revision=1,
        train_py=lab.store.blobs.put(b""),
        config=lab.preset.config,
    )
    report = TrainingReport(outcome=Outcome.TRAINED, cpu_s=40.0, wall_s=250.0)
    checkpoint = lab.store.blobs.put(b"checkpoint")

    attempt, memory = Attempt(number=1, slot=slot), 8 * GIB
    job = evaluation_job(Trained(planned, lab, attempt, report, checkpoint, memory))

    assert job.limits.memory_bytes == memory  # a model that needed more to train is given as much to answer
    assert (job.device, job.used_s, job.cpu_metered) == (device, used_s, device == "cpu")
    assert job.limits.slot == slot


CRASHES = b"""
def run_training(config):
    raise RuntimeError("CUDA error: unspecified launch failure")
"""


def test_a_crash_on_a_gpu_that_is_gone_is_no_result_and_on_a_sound_one_it_is(tmp_path, bundle, monkeypatch):
    machine = Machine(tmp_path / "bin")
    monkeypatch.setenv("PATH", machine.path)
    runner = LocalRunner(HARNESS, tmp_path / "jobs")
    lab = dataclasses.replace(small_lab(tmp_path / "home", bundle, name="gpu"), runner=runner)
    code = lab.store.blobs.put(CRASHES)
    planned = PlannedExperiment(
        key=ExperimentKey("s01_d01_e01"), title="one", revision=1, train_py=code, config=lab.preset.config
    )

    def run(gpu, on_stage=lambda _: None):
        attempt = Attempt(number=1, slot=Slot((lab.settings.cores[0],), gpu))
        try:
            return run_planned(planned, lab, attempt, lambda *_: None, on_stage, lambda: Halt.NO)
        finally:
            lab.sweep(planned.key)

    machine.shows(TWO_GPUS, TWO_FACTS)
    with pytest.raises(DeviceLost, match=f"{A}.*was taken out"):
        run(A, on_stage=lambda _: machine.shows(TWO_GPUS.splitlines()[1], facts(B)))  # falls off the bus meanwhile

    result = run(B)
    assert result.outcome is Outcome.CRASHED
    assert "unspecified launch failure" in result.error
    assert list((tmp_path / "jobs").glob("*.json")) == []


def test_a_noise_floor_of_one_kind_of_gpu_is_not_taken_for_another(tmp_path, bundle, monkeypatch):
    machine = Machine(tmp_path / "bin")
    monkeypatch.setenv("PATH", machine.path)
    lab = small_lab(tmp_path / "home", bundle, name="gpu")
    state = Research(lab).state
    found = set()
    for listing in (TWO_GPUS, TWO_GPUS.replace("A100", "H100"), TWO_GPUS.splitlines()[0]):
        machine.shows(listing, TWO_FACTS)
        found.add(terms_of(state, lab).digest)
    assert len(found) == 2
    assert A not in terms_of(state, lab).machine
    plain = small_lab(tmp_path / "home", bundle)
    assert terms_of(state, plain).machine.split() == [platform.node(), platform.machine()]


def test_a_slot_names_its_device_for_a_person_and_its_cores_where_there_is_none():
    assert str(Slot((1, 2), A)) == f"GPU {A[4:12]}"
    assert str(Slot((3,))) == "core 3"
    assert dataclasses.replace(Slot((3,)), gpu="MIG-c6d4f1ef-42e4").kind == "gpu"
