"""From a job to the arguments of its container: one pure function, so that a test can hold every flag."""

from typing import Any

from docker.types import DeviceRequest, LogConfig, Ulimit

from autoresearch_dagster.containers.environment import job_environment
from autoresearch_dagster.containers.protocol import JobSpec
from autoresearch_dagster.core import limits as lim

UNPRIVILEGED = "65534:65534"
JOB_LABEL = "autoresearch.job"
OPEN_FILES = 1024


def container_arguments(spec: JobSpec, image: str) -> dict[str, Any]:
    """Return the keyword arguments of docker-py's `containers.create`.

    No network, read-only root, no capabilities, no new privileges, an unprivileged user, one core, capped
    memory without swap, capped processes and files.
    """
    inside = [(mount, f"/mnt/{mount.name.lower()}") for mount in spec.mounts]
    arguments: dict[str, Any] = {
        "image": image,
        "name": f"autoresearch-{spec.name}",
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
        "cpuset_cpus": str(spec.limits.core),
        "init": True,
        "ipc_mode": "private",
        "shm_size": lim.SCRATCH_BYTES,
        "ulimits": [
            Ulimit(name="nofile", soft=OPEN_FILES, hard=OPEN_FILES),
            Ulimit(name="core", soft=0, hard=0),
            Ulimit(name="fsize", soft=lim.OUTPUT_BYTES, hard=lim.OUTPUT_BYTES),
        ],
        "log_config": _log_config(spec),
        "labels": {JOB_LABEL: spec.name, **spec.labels},
        "environment": dict(job_environment(inside, "/tmp")),
        "volumes": {
            str(mount.source): {"bind": path, "mode": "ro" if mount.read_only else "rw"} for mount, path in inside
        },
    }
    if spec.limits.gpu:
        arguments["device_requests"] = [DeviceRequest(device_ids=[spec.limits.gpu], capabilities=[["gpu"]])]
    return arguments


def _log_config(spec: JobSpec) -> LogConfig:
    """Keep what training prints; discard what a model server prints, which has seen validation rows."""
    if spec.mode == "answer":
        return LogConfig(type="none")
    return LogConfig(type="json-file", config={"max-size": "1m", "max-file": "2"})
