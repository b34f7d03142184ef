"""How a machine is divided into slots, and what becomes of a GPU that fails."""

import threading
from datetime import UTC, datetime

import pytest
from hypothesis import given, strategies as st

from autoresearch_dagster.containers.machine_slots import machine_slots, still_in
from autoresearch_dagster.containers.taken_out import put_back, take_out, taken_out
from autoresearch_dagster.core.errors import ContainerError, DeviceLost, EvaluationFault, NoSlot, UserError
from autoresearch_dagster.core.experiment import ExperimentResult, Outcome
from autoresearch_dagster.core.limits import GPU_CORES
from autoresearch_dagster.core.settings import Settings, available_cores
from autoresearch_dagster.core.slot import Slot, divide, slot_of
from autoresearch_dagster.experiments.device_check import on_sound_device
from tests import nvidia
from tests.nvidia import OLD_MIG, TWO_FACTS, TWO_GPUS, A, B, Machine, facts

CRASHED = ExperimentResult(outcome=Outcome.CRASHED)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Four cores, two GPUs."""
    machine = Machine(tmp_path / "bin")
    machine.shows(TWO_GPUS, TWO_FACTS)
    monkeypatch.setenv("PATH", machine.path)
    monkeypatch.setattr("autoresearch_dagster.containers.machine_slots.available_cores", lambda: (0, 1, 2, 3))
    monkeypatch.setattr("autoresearch_dagster.core.settings.available_cores", lambda: (0, 1, 2, 3))
    return machine


def settings(tmp_path, **changes):
    return Settings(home=tmp_path / "home", **changes)


@given(st.sets(st.integers(0, 200), min_size=1), st.integers(0, 20))
def test_no_core_is_in_two_slots_cpu_presets_keep_one_and_gpus_are_treated_alike(cores, n_gpus):
    plain, with_gpu = divide(sorted(cores), [f"GPU-{number}" for number in range(n_gpus)])
    used = [core for slot in (*plain, *with_gpu) for core in slot.cores]
    assert sorted(used) == sorted(cores)
    assert plain
    assert all(len(slot.cores) == 1 for slot in plain)
    assert len(with_gpu) == min(n_gpus, len(cores) - 1)
    assert len({len(slot.cores) for slot in with_gpu}) <= 1
    assert all(1 <= len(slot.cores) <= GPU_CORES for slot in with_gpu)
    assert [slot.gpu for slot in with_gpu] == [f"GPU-{number}" for number in range(len(with_gpu))]


@pytest.mark.parametrize("slot", [Slot((3,)), Slot((4, 5), A), Slot((1,), OLD_MIG)])
def test_a_slot_is_read_as_it_was_written(slot):
    assert slot_of(slot.text) == slot
    assert "," not in slot.text


def test_cores_beside_gpus_are_set_apart_and_free_again_where_no_gpu_is_to_be_used(tmp_path, machine):
    assert machine_slots(settings(tmp_path), "core", "demo") == (Slot((0,)), Slot((1,)))
    assert machine_slots(settings(tmp_path), "gpu", "gpu") == (Slot((2,), A), Slot((3,), B))
    assert len(machine_slots(settings(tmp_path, gpus="none"), "core", "demo")) == 4
    assert machine_slots(settings(tmp_path, gpus=B), "gpu", "gpu") == (Slot((1, 2, 3), B),)


def test_the_number_of_experiments_at_a_time_bounds_both_kinds(tmp_path, machine):
    assert machine_slots(settings(tmp_path, slots=1), "core", "demo") == (Slot((0,)),)
    assert machine_slots(settings(tmp_path, slots=1), "gpu", "gpu") == (Slot((2,), A),)


def test_a_machine_without_a_gpu_refuses_the_preset_in_one_sentence_that_says_what_to_do(tmp_path, machine):
    machine.shows(nvidia.NO_DRIVER, "")
    for changed in ({}, {"gpus": "none"}):
        with pytest.raises(NoSlot, match=r"^The preset gpu needs an NVIDIA GPU .* choose --preset workshop, .*\.$"):
            machine_slots(settings(tmp_path, **changed), "gpu", "gpu")
    assert len(machine_slots(settings(tmp_path), "core", "demo")) == 4


def test_a_machine_with_one_core_keeps_it_for_cpu_presets_and_says_so(tmp_path, machine, monkeypatch):
    monkeypatch.setattr("autoresearch_dagster.containers.machine_slots.available_cores", lambda: (0,))
    with pytest.raises(NoSlot, match="give it more cores"):
        machine_slots(settings(tmp_path), "gpu", "gpu")
    assert machine_slots(settings(tmp_path), "core", "demo") == (Slot((0,)),)


def test_devices_of_different_kinds_are_not_used_together(tmp_path, machine):
    machine.shows(nvidia.UNEQUAL_MIG_CARD, facts(A, mig="Enabled"))
    with pytest.raises(NoSlot, match=r"different kinds \(.*1g.5gb.*3g.20gb\).*AUTORESEARCH_GPUS"):
        machine_slots(settings(tmp_path), "gpu", "gpu")
    named = machine_slots(settings(tmp_path, gpus=nvidia.MIG_ONE), "gpu", "gpu")
    assert [slot.gpu for slot in named] == [nvidia.MIG_ONE]


def test_a_gpu_that_is_named_and_not_there_is_told(tmp_path, machine):
    with pytest.raises(UserError, match=f"names GPU-wrong and this machine lists .*{A}"):
        machine_slots(settings(tmp_path, gpus=f"{A}, GPU-wrong"), "gpu", "gpu")


def test_a_failed_gpu_is_no_slot_for_any_process_until_it_is_put_back(tmp_path, machine):
    here, other = settings(tmp_path), settings(tmp_path)
    take_out(here, A, "NVIDIA A100", "fell off the bus", datetime(2026, 1, 1, tzinfo=UTC))
    take_out(here, A, "NVIDIA A100", "again")
    assert [(one.gpu, one.reason) for one in taken_out(other)] == [(A, "fell off the bus")]
    assert machine_slots(other, "gpu", "gpu") == (Slot((3,), B),)
    take_out(other, B, "NVIDIA A100", "lost")
    with pytest.raises(NoSlot, match=r"Every GPU .*fell off the bus; .*lost.*doctor --retry-gpus`\.$"):
        machine_slots(here, "gpu", "gpu")
    assert len(machine_slots(here, "core", "demo")) == 2
    assert [one.gpu for one in put_back(here)] == [A, B]
    assert len(machine_slots(other, "gpu", "gpu")) == 2


def test_a_failed_gpu_may_stay_named_in_the_settings_when_it_is_not_listed_any_more(tmp_path, machine):
    here = settings(tmp_path, gpus=f"{A},{B}")
    take_out(here, A, "NVIDIA A100", "lost")
    machine.shows(TWO_GPUS.splitlines()[1], facts(B))
    assert [slot.gpu for slot in machine_slots(here, "gpu", "gpu")] == [B]


def test_a_record_that_is_damaged_takes_nothing_out(tmp_path, machine):
    take_out(settings(tmp_path), OLD_MIG, "", "lost")
    for path in (tmp_path / "home" / "gpus").iterdir():
        path.write_text("{")
    assert still_in(settings(tmp_path), (Slot((0,), OLD_MIG),)) == (Slot((0,), OLD_MIG),)


def test_two_processes_that_take_one_gpu_out_leave_one_record(tmp_path):
    threads = [
        threading.Thread(target=take_out, args=(settings(tmp_path), A, "", f"reason {number}"))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(taken_out(settings(tmp_path))) == 1


def test_a_crash_on_a_sound_gpu_is_the_candidates(tmp_path, machine):
    assert on_sound_device(settings(tmp_path), Slot((2,), A), lambda: CRASHED) == CRASHED
    assert taken_out(settings(tmp_path)) == []


@pytest.mark.parametrize("outcome", [Outcome.CRASHED, Outcome.TIMED_OUT, Outcome.REFUSED])
def test_a_gpu_that_is_lost_under_its_experiment_is_taken_out_and_the_attempt_does_not_count(
    tmp_path, machine, outcome
):
    def work():
        machine.shows(TWO_GPUS.splitlines()[1], facts(B))
        return ExperimentResult(outcome=outcome)

    with pytest.raises(DeviceLost, match=f"NVIDIA A100-SXM4-40GB .{A}. failed .*was taken out: .*--retry-gpus"):
        on_sound_device(settings(tmp_path), Slot((2,), A), work)
    assert [one.gpu for one in taken_out(settings(tmp_path))] == [A]
    assert [slot.gpu for slot in machine_slots(settings(tmp_path), "gpu", "gpu")] == [B]


@pytest.mark.parametrize("fault", [ContainerError("could not be started"), EvaluationFault("no answer")])
def test_a_fault_of_ours_on_a_lost_gpu_is_the_gpus_and_on_a_sound_one_stays_what_it_is(tmp_path, machine, fault):
    def work():
        raise fault

    with pytest.raises(type(fault), match=str(fault)):
        on_sound_device(settings(tmp_path), Slot((3,), B), work)
    machine.shows("", "No devices were found\n")
    with pytest.raises(DeviceLost):
        on_sound_device(settings(tmp_path), Slot((3,), B), work)


def test_what_a_candidate_says_of_its_gpu_counts_for_nothing(tmp_path, machine):
    lie = ExperimentResult(outcome=Outcome.CRASHED, error="CUDA error: GPU is lost. Xid 79", log_tail="ERR!")
    assert on_sound_device(settings(tmp_path), Slot((2,), A), lambda: lie) == lie


def test_nobody_is_asked_about_a_success_or_a_slot_without_a_gpu(tmp_path, machine):
    trained = ExperimentResult(outcome=Outcome.TRAINED)
    on_sound_device(settings(tmp_path), Slot((0,)), lambda: CRASHED)
    assert (machine.folder / "calls").read_text() == ""
    on_sound_device(settings(tmp_path), Slot((2,), A), lambda: trained)
    assert "--id=" not in (machine.folder / "calls").read_text()


def test_the_cores_of_this_machine_are_slots_whatever_gpus_it_has(tmp_path):
    found = machine_slots(settings(tmp_path, gpus="none"), "core", "demo")
    assert tuple(core for slot in found for core in slot.cores) == available_cores()
