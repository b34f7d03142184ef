"""The trainer image as a person asks for it: built or found, and what is in it."""

from autoresearch_dagster.containers.docker_runner import DockerRunner
from autoresearch_dagster.containers.image import ImageFacts
from autoresearch_dagster.containers.select import daemon_version
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.settings import Settings


def obtain_image(settings: Settings, report: Report, *, rebuild: bool) -> ImageFacts:
    """Build or find the trainer image and describe it.

    Raises:
        ContainerError: no daemon answers, or it cannot be built.
    """
    if not daemon_version():
        raise ContainerError(
            "No Docker daemon answers: start Docker; AUTORESEARCH_RUNNER=local runs without an image."
        )
    return DockerRunner(settings).build_image(report, rebuild=rebuild)
