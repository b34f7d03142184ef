"""Which runner this machine offers, and one sentence that says what it means."""

from dataclasses import dataclass

from autoresearch_dagster.containers.docker_runner import DockerRunner, ping
from autoresearch_dagster.containers.local_runner import LocalRunner
from autoresearch_dagster.containers.protocol import Runner
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.settings import PROJECT_ROOT, Settings

HARNESS = PROJECT_ROOT / "trainer_image" / "harness.py"


@dataclass(frozen=True, slots=True)
class Selection:
    """The runner and why it was chosen."""

    runner: Runner
    reason: str


def daemon_version() -> str:
    """Version of the Docker daemon, or '' where none answers."""
    return ping()


def select_runner(settings: Settings) -> Selection:
    """Choose Docker where a daemon answers, else local processes; or what the settings ask for.

    Raises:
        ContainerError: Docker was asked for and no daemon answers.
    """
    local = LocalRunner(HARNESS, settings.home.resolve() / "jobs")
    if settings.runner == "local":
        return Selection(local, "Runner local, as asked: plain processes, not a sandbox.")
    version = daemon_version()
    if version:
        return Selection(
            DockerRunner(settings), f"Runner docker (daemon {version}): each candidate in a sealed container."
        )
    if settings.runner == "docker":
        raise ContainerError(
            "No Docker daemon answers: start Docker, or set AUTORESEARCH_RUNNER=local to run without a sandbox."
        )
    return Selection(
        local,
        "Runner local: no Docker daemon answers, so candidates run as plain processes, not in a sandbox; "
        "scores are marked unsandboxed.",
    )


def every_runner(settings: Settings) -> list[Runner]:
    """Return each runner that may have left jobs here, whichever is used now."""
    local = LocalRunner(HARNESS, settings.home.resolve() / "jobs")
    return [local, DockerRunner(settings)] if daemon_version() else [local]
