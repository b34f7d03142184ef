"""Which runner this machine offers, and one sentence that says what it means."""

from dataclasses import dataclass
from pathlib import Path

from autoresearch_dagster.containers.bubblewrap_runner import BubblewrapRunner, find_sandbox
from autoresearch_dagster.containers.docker_runner import DockerRunner, ping
from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.protocol import Capabilities, Runner
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings

HARNESS = PROJECT_ROOT / "trainer_image" / "harness.py"
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


def select_runner(settings: Settings, program: Path = HARNESS) -> Selection:
    """Choose Docker, else a sandbox of bubblewrap, else plain processes, what works first; or what is asked for.

    Args:
        settings: of this machine.
        program: what its jobs run; the harness, but for tries of the runner itself.

    Raises:
        ContainerError: Docker was asked for and no daemon answers.
    """
    if settings.runner == "plain":
        return Selection(_plain(settings, program), f"Runner local, as asked: plain processes, {UNSANDBOXED}.")
    if settings.runner == "local":
        return _local(settings, program, "as asked")
    version = daemon_version()
    if version:
        return _docker(settings, program, version)
    if settings.runner == "docker":
        raise ContainerError(
            "No Docker daemon answers: start Docker, or set AUTORESEARCH_RUNNER=local for a sandbox of bubblewrap "
            "(plain processes where that does not work)."
        )
    return _local(settings, program, "because no Docker daemon answers")


def _docker(settings: Settings, program: Path, version: str) -> Selection:
    runner = DockerRunner(settings, program=None if program == HARNESS else program)
    sealed = f"Runner docker (daemon {version}): each candidate in a sealed container"
    return Selection(runner, f"{sealed}{_except(runner.capabilities)}.")


def _local(settings: Settings, program: Path, why: str) -> Selection:
    found = find_sandbox()
    if found.host is None:
        said = f"Runner local, {why}: {found.problem}, so candidates run as plain processes, {UNSANDBOXED}."
        return Selection(_plain(settings, program), said)
    runner = BubblewrapRunner(program, _registry(settings), found.host)
    return Selection(
        runner, f"Runner bubblewrap, {why}: each candidate in a sandbox{_except(runner.capabilities)}."
    )


def _except(found: Capabilities) -> str:
    """Say what a sandbox does not keep."""
    missing = [words for name, words in MISSING.items() if not getattr(found, name)]
    return f", except that {' and '.join(missing)}" if missing else ""


def _plain(settings: Settings, program: Path) -> LocalRunner:
    return LocalRunner(program, _registry(settings))


def _registry(settings: Settings) -> Path:
    return settings.home.resolve() / "jobs"


def every_runner(settings: Settings) -> list[Runner]:
    """Return each runner that may have left jobs here; the local one ends sandboxes too, they share its records."""
    local = _plain(settings, HARNESS)
    return [local, DockerRunner(settings)] if daemon_version() else [local]
