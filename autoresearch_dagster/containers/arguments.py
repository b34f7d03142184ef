"""From a job to the arguments of its container: one pure function, so that a test can hold every flag."""

from pathlib import Path
from typing import Any

from docker.types import DeviceRequest, LogConfig, Ulimit

from autoresearch_dagster.containers.environment import job_environment
from autoresearch_dagster.containers.protocol import JobSpec
from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.slot import Slot

UNPRIVILEGED = "65534:65534"
JOB_LABEL = "autoresearch.job"
OWNER_LABEL = "autoresearch.owner"
"""Two checkouts may share a daemon and both have an `s01_d01_e01`: neither may touch the other's."""
ONE_CORE = 1_000_000_000  # nano-CPUs
PROGRAM = "/opt/trainer/program.py"


def container_name(owner: str, job: str) -> str:
    """Return the name that a job of this installation has on the daemon."""
    return f"autoresearch-{owner}-{job}"


def cpuset(slot: Slot) -> str:
    """Return a slot's cores as Docker writes them."""
    return ",".join(map(str, slot.cores))


def container_arguments(spec: JobSpec, image: str, owner: str, program: Path | None = None) -> dict[str, Any]:
    """Return the keyword arguments of docker-py's `containers.create`.

    No network, read-only root, no capabilities, no new privileges, an unprivileged user, the cores of its slot,
    capped memory without swap, capped processes and files.

    Args:
        spec: the job.
        image: id of the trainer image.
        owner: name of this installation, so that another one on the same daemon is left alone.
        program: a script that runs instead of the image's harness.
    """
    inside = [(mount, f"/mnt/{mount.name.lower()}") for mount in spec.mounts]
    arguments: dict[str, Any] = {
        "image": image,
        "name": container_name(owner, spec.name),
        "command": [spec.mode],
        "detach": True,
        "network_mode": "none",
        "read_only": True,
        "tmpfs": {"/tmp": f"rw,noexec,nosuid,nodev,size={lim.SCRATCH_BYTES},mode=1777"},
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "pids_limit": lim.PIDS_LIMIT,
        "user": UNPRIVILEGED,
        "mem_limit": spec.limits.memory_bytes,
        "memswap_limit": spec.limits.memory_bytes,
        "cpuset_cpus": cpuset(spec.limits.slot),
        "nano_cpus": ONE_CORE * len(spec.limits.slot.cores),
        "init": True,
        "ipc_mode": "private",
        "shm_size": lim.SCRATCH_BYTES,
        "ulimits": [
            Ulimit(name="nofile", soft=lim.OPEN_FILES, hard=lim.OPEN_FILES),
            Ulimit(name="core", soft=0, hard=0),
            Ulimit(name="fsize", soft=lim.OUTPUT_BYTES, hard=lim.OUTPUT_BYTES),
        ],
        "log_config": _log_config(spec),
        "labels": {**spec.labels, JOB_LABEL: spec.name, OWNER_LABEL: owner},
        "environment": dict(job_environment(inside, "/tmp", spec.limits.slot)),
        "volumes": {
            str(mount.source): {"bind": path, "mode": "ro" if mount.read_only else "rw"} for mount, path in inside
        },
    }
    if spec.limits.slot.gpu:
        arguments["device_requests"] = [DeviceRequest(device_ids=[spec.limits.slot.gpu], capabilities=[["gpu"]])]
    if program is not None:
        arguments["volumes"][str(program)] = {"bind": PROGRAM, "mode": "ro"}
        arguments["entrypoint"] = ["python3", PROGRAM]
    return arguments


def _log_config(spec: JobSpec) -> LogConfig:
    """Keep what training prints; discard what a model server prints, which has seen validation rows."""
    if spec.mode == "answer":
        return LogConfig(type="none")
    return LogConfig(type="json-file", config={"max-size": "1m", "max-file": "2"})
