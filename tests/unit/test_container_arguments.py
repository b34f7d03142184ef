"""The flags of a sealed container, each one held: a missing flag is a hole."""

from pathlib import Path

from autoresearch_dagster.containers.arguments import container_arguments
from autoresearch_dagster.containers.protocol import JobLimits, JobSpec, Mount
from autoresearch_dagster.core.limits import GIB, MIB
from autoresearch_dagster.core.slot import Slot


def spec(mode="train", gpu="") -> JobSpec:
    mounts = (
        Mount("BUNDLE", Path("/data/bundle")),
        Mount("OUT", Path("/data/out"), read_only=False),
    )
    return JobSpec(
        "s01_d01_e01-1-train",
        mode,
        mounts,
        JobLimits(2 * GIB, Slot((3,), gpu)),
        {"autoresearch.key": "s01_d01_e01"},
    )


def test_every_flag_of_a_sealed_container():
    assert container_arguments(spec(), "sha256:1", "me") == {
        "image": "sha256:1",
        "name": "autoresearch-me-s01_d01_e01-1-train",
        "command": ["train"],
        "detach": True,
        "network_mode": "none",
        "read_only": True,
        "tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,size={64 * MIB},mode=1777"},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": 128,
        "user": "65534:65534",
        "mem_limit": 2 * GIB,
        "memswap_limit": 2 * GIB,
        "cpuset_cpus": "3",
        "nano_cpus": 1_000_000_000,
        "init": True,
        "ipc_mode": "private",
        "shm_size": 64 * MIB,
        "ulimits": [
            {"Name": "nofile", "Soft": 1024, "Hard": 1024},
            {"Name": "core", "Soft": 0, "Hard": 0},
            {"Name": "fsize", "Soft": 512 * MIB, "Hard": 512 * MIB},
        ],
        "log_config": {"Type": "json-file", "Config": {"max-size": "1m", "max-file": "2"}},
        "labels": {
            "autoresearch.key": "s01_d01_e01",
            "autoresearch.job": "s01_d01_e01-1-train",
            "autoresearch.owner": "me",
        },
        "environment": {
            "HOME": "/tmp",
            "TMPDIR": "/tmp",
            "LANG": "C.UTF-8",
            "PYTHONHASHSEED": "0",
            "PYTHONUNBUFFERED": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            "OMP_NUM_THREADS": "1",
            "MKL_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "NUMEXPR_NUM_THREADS": "1",
            "AUTORESEARCH_BUNDLE": "/mnt/bundle",
            "AUTORESEARCH_OUT": "/mnt/out",
        },
        "volumes": {
            "/data/bundle": {"bind": "/mnt/bundle", "mode": "ro"},
            "/data/out": {"bind": "/mnt/out", "mode": "rw"},
        },
    }


def test_a_model_servers_output_is_kept_nowhere():
    assert container_arguments(spec("answer"), "i", "me")["log_config"] == {"Type": "none", "Config": {}}


def test_a_gpu_job_sees_one_device():
    [request] = container_arguments(spec(gpu="GPU-1"), "i", "me")["device_requests"]

    assert request["DeviceIDs"] == ["GPU-1"]
    assert request["Capabilities"] == [["gpu"]]


def test_a_gpu_job_has_all_cores_of_its_slot_and_a_thread_for_each():
    slot = Slot((4, 5, 6), "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f")
    found = container_arguments(JobSpec("a", "train", (), JobLimits(GIB, slot)), "i", "me")

    assert found["device_requests"][0]["DeviceIDs"] == [slot.gpu]
    assert found["cpuset_cpus"] == "4,5,6"
    assert found["nano_cpus"] == 3_000_000_000
    assert found["environment"]["OMP_NUM_THREADS"] == "3"
    assert "CUDA_VISIBLE_DEVICES" not in found["environment"]  # the one device is number 0 inside


def test_a_candidates_labels_cannot_stand_in_for_ours():
    forged = JobSpec("a", "train", (), JobLimits(GIB, Slot((0,))), {"autoresearch.owner": "other"})

    assert container_arguments(forged, "i", "me")["labels"]["autoresearch.owner"] == "me"
