"""Sealed containers on a Docker daemon.

What is covered: network, file system, capabilities, user, memory, processes, one core; a container is removed
however its job ends, and found again by its labels after the driver died.
What is not covered: faults of the kernel or of Docker itself; the total that is written to a writable mount
(the trainer watches it).
"""

import contextlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path

import docker
import docker.errors
from docker.models.containers import Container
from requests.exceptions import RequestException  # noqa: TID251 (docker-py raises it)

from autoresearch_dagster.containers.arguments import (
    JOB_LABEL,
    OWNER_LABEL,
    container_arguments,
    container_name,
    cpuset,
)
from autoresearch_dagster.containers.docker_job import DockerJob, remove_container, translated
from autoresearch_dagster.containers.image import ImageFacts, describe_image, ensure_image, find_image
from autoresearch_dagster.containers.protocol import Capabilities, JobSpec
from autoresearch_dagster.core.limits import DOCKER_PING_S
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.settings import Settings


def ping() -> str:
    """Version of the daemon, or '' where none answers within a few seconds."""
    try:
        with contextlib.closing(docker.from_env(timeout=DOCKER_PING_S)) as client:
            return str(client.version()["Version"])
    except (docker.errors.DockerException, RequestException):
        return ""


class DockerRunner:
    """Runs the trainer image."""

    name = "docker"
    outlives_driver = True

    def __init__(self, settings: Settings, image: str = "", program: Path | None = None) -> None:
        """Use `image` as it is, or the trainer image after `prepare`; `program` replaces the harness."""
        self._settings = settings
        self._image = image
        self._program = program
        self._owner = settings.home_id

    @cached_property
    def _client(self) -> docker.DockerClient:
        with translated("connect"):
            return docker.from_env()

    @property
    def capabilities(self) -> Capabilities:
        """What this daemon says that it keeps: one without root may lack control groups, another its filter."""
        return self._capabilities

    @cached_property
    def _capabilities(self) -> Capabilities:
        with translated("describe itself"):
            info = self._client.info()
        return Capabilities(
            network_off=True,
            filesystem_sealed=True,
            memory_capped=bool(info.get("MemoryLimit")),
            pids_capped=bool(info.get("PidsLimit")),
            unprivileged=True,
            cpu_pinned=bool(info.get("CPUSet")),
            syscalls_filtered=any("seccomp" in option for option in info.get("SecurityOptions") or ()),
            memory_by_kernel=bool(info.get("MemoryLimit")),
            output_capped=True,
        )

    def prepare(self, report: Report) -> str:
        """Build the trainer image if it is missing or older than its sources."""
        if not self._image:
            with translated("build the trainer image"):
                self._image = ensure_image(self._client, self._settings, report)
        return self._image

    def has_image(self) -> bool:
        """Whether the trainer image is there and up to date; nothing is built."""
        with translated("look for the trainer image"):
            return bool(self._image or find_image(self._client, self._settings))

    def build_image(self, report: Report, *, rebuild: bool) -> ImageFacts:
        """Build or find the trainer image and describe it."""
        with translated("build the trainer image"):
            self._image = ensure_image(self._client, self._settings, report, rebuild=rebuild)
        with translated("look at the trainer image"):
            return describe_image(self._client, self._settings, self._image)

    def start(self, spec: JobSpec) -> DockerJob:
        """Create and start a container; one that fails to start is removed."""
        image = self.prepare(lambda _line: None)
        arguments = container_arguments(spec, image, self._owner, self._program)
        with translated(f"start {spec.name}"):
            with contextlib.suppress(docker.errors.NotFound):
                remove_container(self._client.containers.get(arguments["name"]))  # left by a driver that died
            container = self._client.containers.create(**arguments)
            try:
                container.start()
            except BaseException:
                remove_container(container)
                raise
        return DockerJob(self._client, container, spec.limits.memory_bytes)

    def answers(self) -> bool:
        """Ask the daemon for its version."""
        return bool(ping())

    def attach(self, spec: JobSpec) -> DockerJob | None:
        """Find the container by its name; the cores that its driver had may be another's by now."""
        with translated(f"look for {spec.name}"):
            try:
                container = self._client.containers.get(self._name_of(spec))
            except docker.errors.NotFound:
                return None
            if container.status not in ("running", "exited"):  # created and never started, for instance
                remove_container(container)
                return None
            if container.status == "running":
                container.update(cpuset_cpus=cpuset(spec.limits.slot))
        return DockerJob(self._client, container, spec.limits.memory_bytes)

    def _name_of(self, spec: JobSpec) -> str:
        return container_name(self._owner, spec.name)

    def reap(self, labels: Mapping[str, str]) -> int:
        """Remove every container of ours that carries the labels, started or not."""
        with translated("list containers"):
            found = self._ours([f"{name}={value}" for name, value in labels.items()])
            for container in found:
                remove_container(container)
        return len(found)

    def labelled(self, name: str) -> set[str]:
        """Ask the daemon for our containers."""
        with translated("list containers"):
            return {str(container.labels[name]) for container in self._ours([name])}

    def _ours(self, labels: list[str]) -> list[Container]:
        wanted = [JOB_LABEL, f"{OWNER_LABEL}={self._owner}", *labels]
        return self._client.containers.list(all=True, filters={"label": wanted}, ignore_removed=True)
