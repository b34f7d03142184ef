"""Which GPUs a machine lists, and when one counts as failed: from what the real tools print, without a GPU."""

import os
import time

import pytest

from autoresearch_dagster.containers import gpus
from autoresearch_dagster.containers.gpus import Gpu, devices, diagnosis, health, list_gpus
from autoresearch_dagster.containers.kernel_log import kernel_log
from tests import nvidia
from tests.nvidia import MIG_CARD, MIG_ONE, MIG_TWO, OLD_MIG, TWO_FACTS, TWO_GPUS, A, B, Machine, facts

GPU_A = Gpu(A, "NVIDIA A100-SXM4-40GB", A, "0000:3b:00", 40960)
INSTANCE = Gpu(MIG_ONE, "NVIDIA A100-SXM4-40GB MIG 3g.20gb", A, "0000:3b:00", 40960)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    machine = Machine(tmp_path / "bin")
    monkeypatch.setenv("PATH", machine.path)
    return machine


def test_gpus_are_listed_with_name_memory_and_place():
    assert devices(TWO_GPUS, TWO_FACTS) == (GPU_A, Gpu(B, GPU_A.name, B, "0000:af:00", 40960))


def test_instances_of_a_card_in_mig_mode_are_devices_and_the_card_is_none():
    assert devices(nvidia.UNEQUAL_MIG_CARD, "")[1].name.endswith("MIG 1g.5gb+me")
    found = devices(MIG_CARD + TWO_GPUS.splitlines()[1], facts(A, mig="Enabled") + facts(B))
    assert [gpu.uuid for gpu in found] == [MIG_ONE, MIG_TWO, B]
    assert found[0] == INSTANCE
    assert [gpu.uuid for gpu in devices(nvidia.OLD_MIG_CARD, "")] == [OLD_MIG]


def test_a_card_in_mig_mode_without_instances_is_no_device():
    assert [gpu.uuid for gpu in devices(TWO_GPUS, facts(A, mig="Enabled") + facts(B, mig="[N/A]"))] == [B]


@pytest.mark.parametrize(
    "query", ["", 'Field "mig.mode.current" is not a valid field to query.\n', f"{A}, [N/A], [N/A], [N/A]\n"]
)
def test_without_further_facts_a_gpu_is_a_gpu(query):
    assert devices(TWO_GPUS, query)[0] == Gpu(A, GPU_A.name, A)


@pytest.mark.parametrize(
    "rubbish",
    [
        "",
        nvidia.NO_DRIVER,
        "No devices were found\n",
        "GPU 0: half a line (UUID: ",
        "  MIG 1g.5gb Device 0: (UUID: MIG-of-nobody)\n",
        "\x00\xff\ufffd GPU 0: NVIDIA (UUID: GPU-; rm -rf /)\n",
        "{" * 100_000,
    ],
)
def test_anything_else_that_is_printed_lists_no_device(rubbish):
    assert devices(rubbish, rubbish) == ()


def test_the_tool_is_asked_and_nothing_raises_where_it_is_missing_hangs_or_fails(machine, monkeypatch):
    machine.shows(TWO_GPUS, TWO_FACTS)
    assert [gpu.uuid for gpu in list_gpus()] == [A, B]
    (machine.folder / "broken").touch()
    machine.shows(nvidia.NO_DRIVER, nvidia.NO_DRIVER)
    assert list_gpus() == ()
    (machine.folder / "listing").write_bytes(b"\xff\xfe\x00")
    assert list_gpus() == ()
    (machine.folder / "hangs").touch()
    monkeypatch.setattr(gpus, "GPU_QUERY_S", 0.2)
    assert list_gpus() == ()
    (machine.folder / "nvidia-smi").write_text("not a program", encoding="utf-8")
    assert list_gpus() == ()
    (machine.folder / "nvidia-smi").unlink()
    assert list_gpus() == ()
    assert health(GPU_A, 1.0) == ""


def test_a_listed_device_is_healthy(machine):
    machine.shows(TWO_GPUS, TWO_FACTS)
    assert health(GPU_A, 1.0) == ""
    assert f"--id={A} --query-gpu={gpus.FIELDS}" in (machine.folder / "calls").read_text()
    assert diagnosis(INSTANCE, MIG_CARD, facts(A, mig="Enabled"), "") == ""


def test_a_device_that_is_not_listed_any_more_has_failed(machine):
    machine.shows(TWO_GPUS.splitlines()[1], facts(B))
    assert health(GPU_A, 1.0) == "nvidia-smi does not list it any more"
    assert diagnosis(INSTANCE, TWO_GPUS, TWO_FACTS, "")  # MIG was turned off under it
    machine.shows(nvidia.NO_DRIVER, nvidia.NO_DRIVER)
    assert "couldn't communicate with the NVIDIA driver" in health(GPU_A, 1.0)


def test_a_device_of_which_the_tool_says_nothing_for_long_has_failed(machine, monkeypatch):
    machine.shows(TWO_GPUS, TWO_FACTS)
    (machine.folder / "hangs").touch()
    monkeypatch.setattr(gpus, "GPU_QUERY_S", 0.2)
    assert health(GPU_A, 1.0) == gpus.SILENT


@pytest.mark.parametrize(
    "words",
    [
        "Unable to determine the device handle for GPU 0000:3B:00.0: GPU is lost.  Reboot the system to recover "
        "this GPU",
        "Unable to determine the device handle for GPU0000:3B:00.0: Unknown Error",
        f"{A}, 00000000:3B:00.0, [GPU is lost], [Unknown Error]",
        f"{A}, 00000000:3B:00.0, ERR!, Disabled",
        f"{A}, 00000000:3B:00.0, [GPU requires reset], [GPU requires reset]",
    ],
)
def test_the_tools_own_words_for_a_broken_card_are_believed(words):
    assert repr(words) in diagnosis(GPU_A, TWO_GPUS, words, "")


def test_a_healthy_gpu_is_not_blamed_where_the_tool_stops_at_another_one():
    stopped = "Unable to determine the device handle for GPU 0000:AF:00.0: Unknown Error\n"
    assert diagnosis(GPU_A, stopped, facts(A), "") == ""
    assert "0000:AF:00.0" in diagnosis(Gpu(B, "", B, "0000:af:00"), stopped, facts(A), "")


def test_reports_of_the_kernel_count_for_their_own_card_and_only_those_that_no_program_can_cause():
    fell = "NVRM: Xid (PCI:0000:3b:00): 79, pid=1234, name=python3, GPU has fallen off the bus.\n"
    assert diagnosis(GPU_A, TWO_GPUS, TWO_FACTS, fell) == "the driver reported Xid 79: fell off the bus"
    assert "Xid 79" in diagnosis(INSTANCE, MIG_CARD, facts(A, mig="Enabled"), fell)
    assert diagnosis(Gpu(B, "", B, "0000:af:00"), TWO_GPUS, TWO_FACTS, fell) == ""
    for code in (13, 31, 43, 45, 7, 790):
        assert diagnosis(GPU_A, TWO_GPUS, TWO_FACTS, fell.replace("79,", f"{code},")) == ""


def test_only_what_the_kernel_said_since_the_training_began_is_read(tmp_path):
    now = time.clock_gettime(time.CLOCK_MONOTONIC)
    records = [(now - 500, "before"), (now - 10, "since"), (now, "now")]
    log = tmp_path / "kmsg"
    log.write_text("".join(f"6,1,{at * 1e6:.0f},-;{text}\n SUBSYSTEM=pci\n" for at, text in records))
    assert kernel_log(60.0, log) == "since\nnow"
    assert kernel_log(60.0, tmp_path / "nothing") == ""
    os.mkfifo(tmp_path / "silent")
    assert kernel_log(60.0, tmp_path / "silent") == ""
