"""Sealed containers on a Docker daemon.

What is covered: network, file system, capabilities, user, memory, processes, one core; a container is removed
however its job ends, and found again by its labels after the driver died.
What is not covered: faults of the kernel or of Docker itself.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from typing import Any

import docker
import docker.errors
from docker.models.containers import Container
from requests.exceptions import RequestException  # noqa: TID251 (docker-py raises it)

from autoresearch_dagster.containers.arguments import JOB_LABEL, container_arguments
from autoresearch_dagster.containers.escape import printable
from autoresearch_dagster.containers.image import ensure_image
from autoresearch_dagster.containers.protocol import Capabilities, JobSpec, JobStatus, Report
from autoresearch_dagster.core.errors import ContainerError
from autoresearch_dagster.core.limits import DOCKER_PING_S, LOG_BYTES
from autoresearch_dagster.core.settings import Settings

NANO = 1e9


def ping() -> str:
    """Version of the daemon, or '' where none answers within a few seconds."""
    try:
        client = docker.from_env(timeout=DOCKER_PING_S)
        return str(client.version()["Version"])
    except (docker.errors.DockerException, RequestException):
        return ""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn the daemon's faults into one sentence."""
    try:
        yield
    except docker.errors.APIError as fault:
        raise ContainerError(f"Docker could not {doing}: {fault.explanation or fault}.") from fault
    except (docker.errors.DockerException, RequestException) as fault:
        raise ContainerError(f"Docker does not answer while it should {doing}; is the daemon up?") from fault


class DockerJob:
    """One container."""

    def __init__(self, container: Container) -> None:
        self._container = container
        self._cpu_s = 0.0
        self._peak = 0
        self._oom = False
        self._code: int | None = None
        self._log = ""

    @property
    def id(self) -> str:
        """Short container id."""
        return str(self._container.short_id)

    def status(self) -> JobStatus:
        """Ask the daemon for usage, then for the state; the last usage is kept when it has ended."""
        if self._code is None:
            with translated("report on a container"):
                self._measure()
                self._container.reload()
            state = self._container.attrs["State"]
            self._oom = bool(state.get("OOMKilled"))
            if state.get("Status") in ("exited", "dead"):
                self._code = int(state["ExitCode"])
        return JobStatus(self._code, self._oom, self._cpu_s, self._peak)

    def _measure(self) -> None:
        stats = self._container.stats(stream=False, one_shot=True)
        if not isinstance(stats, dict):
            return
        usage = stats.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage", 0)
        memory = stats.get("memory_stats", {})
        self._cpu_s = max(self._cpu_s, usage / NANO)
        self._peak = max(self._peak, memory.get("max_usage", 0), memory.get("usage", 0))

    def log(self) -> str:
        """Return the last part of what it printed."""
        with contextlib.suppress(docker.errors.DockerException, RequestException):
            data = self._container.logs(tail=1000)
            self._log = printable(data[-LOG_BYTES:], LOG_BYTES)
        return self._log

    def remove(self) -> None:
        """Kill and delete the container; one that is gone already is fine."""
        with translated("remove a container"), contextlib.suppress(docker.errors.NotFound):
            _remove(self._container)


def _remove(container: Container) -> None:
    """Delete a container, waiting for a removal that is under way already."""
    try:
        container.remove(force=True, v=True)
    except docker.errors.APIError as fault:
        if fault.status_code != 409:
            raise
        time.sleep(1.0)  # "removal in progress"
        container.remove(force=True, v=True)


class DockerRunner:
    """Runs the trainer image."""

    name = "docker"
    capabilities = Capabilities(
        network_off=True,
        filesystem_sealed=True,
        memory_capped=True,
        pids_capped=True,
        unprivileged=True,
        cpu_pinned=True,
    )

    def __init__(self, settings: Settings, image: str = "", extra: Mapping[str, Any] | None = None) -> None:
        """Use `image` as it is, or the trainer image after `prepare`; `extra` arguments are for tests."""
        self._settings = settings
        self._image = image
        self._extra = dict(extra or {})

    @cached_property
    def _client(self) -> docker.DockerClient:
        with translated("connect"):
            return docker.from_env()

    def prepare(self, report: Report) -> str:
        """Build the trainer image if it is missing or older than its sources."""
        if not self._image:
            with translated("build the trainer image"):
                self._image = ensure_image(self._client, self._settings, report)
        return self._image

    def start(self, spec: JobSpec) -> DockerJob:
        """Create and start a container; one that fails to start is removed."""
        arguments = container_arguments(spec, self.prepare(lambda _line: None)) | self._extra
        with translated(f"start {spec.name}"):
            with contextlib.suppress(docker.errors.NotFound):
                _remove(self._client.containers.get(arguments["name"]))  # left by a driver that died
            container = self._client.containers.create(**arguments)
            try:
                container.start()
            except docker.errors.APIError:
                _remove(container)
                raise
        return DockerJob(container)

    def reap(self, labels: Mapping[str, str]) -> int:
        """Remove every container of ours that carries the labels, started or not."""
        wanted = [JOB_LABEL, *(f"{name}={value}" for name, value in labels.items())]
        with translated("list containers"):
            found = self._client.containers.list(all=True, filters={"label": wanted}, ignore_removed=True)
            for container in found:
                with contextlib.suppress(docker.errors.NotFound):
                    _remove(container)
        return len(found)
