"""Which runner this machine offers, and one sentence that says what it means."""

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from autoresearch_dagster.containers.bubblewrap_runner import BubblewrapRunner, find_sandbox
from autoresearch_dagster.containers.docker_runner import DockerRunner, ping
from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.protocol import Capabilities, Runner
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings

HARNESS = PROJECT_ROOT / "trainer_image" / "harness.py"
GPU_QUERY_S = 10.0
UNSANDBOXED = "not a sandbox (network, files and processes of this machine are open); scores are marked unsandboxed"
MISSING = {
    "memory_by_kernel": "the kernel does not limit its memory",
    "pids_capped": "its processes are not counted",
    "syscalls_filtered": "no filter refuses rare system calls",
    "cpu_pinned": "it may use every core",
}
"""In words, what a sandbox is without one of its capabilities."""


@dataclass(frozen=True, slots=True)
class Selection:
    """The runner and why it was chosen."""

    runner: Runner
    reason: str


def daemon_version() -> str:
    """Version of the Docker daemon, or '' where none answers."""
    return ping()


def gpu_names() -> list[str]:
    """Names of the NVIDIA GPUs that the driver lists."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        found = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=GPU_QUERY_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return [line.split(" (UUID")[0] for line in found.stdout.splitlines() if line.startswith("GPU ")]


def select_runner(settings: Settings) -> Selection:
    """Choose Docker, else a sandbox of bubblewrap, else plain processes, what works first; or what is asked for.

    Raises:
        ContainerError: Docker was asked for and no daemon answers.
    """
    if settings.runner == "plain":
        return Selection(_plain(settings), f"Runner local, as asked: plain processes, {UNSANDBOXED}.")
    if settings.runner == "local":
        return _local(settings, "as asked")
    version = daemon_version()
    if version:
        return _docker(settings, version)
    if settings.runner == "docker":
        raise ContainerError(
            "No Docker daemon answers: start Docker, or set AUTORESEARCH_RUNNER=local for a sandbox of bubblewrap "
            "(plain processes where that does not work)."
        )
    return _local(settings, "because no Docker daemon answers")


def _docker(settings: Settings, version: str) -> Selection:
    runner = DockerRunner(settings)
    sealed = f"Runner docker (daemon {version}): each candidate in a sealed container"
    return Selection(runner, f"{sealed}{_except(runner.capabilities)}.")


def _local(settings: Settings, why: str) -> Selection:
    found = find_sandbox()
    if found.host is None:
        said = f"Runner local, {why}: {found.problem}, so candidates run as plain processes, {UNSANDBOXED}."
        return Selection(_plain(settings), said)
    runner = BubblewrapRunner(HARNESS, _registry(settings), found.host)
    return Selection(
        runner, f"Runner bubblewrap, {why}: each candidate in a sandbox{_except(runner.capabilities)}."
    )


def _except(found: Capabilities) -> str:
    """Say what a sandbox does not keep."""
    missing = [words for name, words in MISSING.items() if not getattr(found, name)]
    return f", except that {' and '.join(missing)}" if missing else ""


def _plain(settings: Settings) -> LocalRunner:
    return LocalRunner(HARNESS, _registry(settings))


def _registry(settings: Settings) -> Path:
    return settings.home.resolve() / "jobs"


def every_runner(settings: Settings) -> list[Runner]:
    """Return each runner that may have left jobs here; the local one ends sandboxes too, they share its records."""
    return [_plain(settings), DockerRunner(settings)] if daemon_version() else [_plain(settings)]
