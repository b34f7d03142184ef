"""Sealed containers on a Docker daemon.

What is covered: network, file system, capabilities, user, memory, processes, one core; a container is removed
however its job ends, and found again by its labels after the driver died.
What is not covered: faults of the kernel or of Docker itself; the total that is written to a writable mount
(the trainer watches it); CPU time of the last moments between the last look and the end.
"""

import contextlib
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, cast

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
from autoresearch_dagster.containers.cgroup import Meter, find_meter
from autoresearch_dagster.containers.escape import printable
from autoresearch_dagster.containers.image import ImageFacts, describe_image, ensure_image, find_image
from autoresearch_dagster.containers.protocol import Capabilities, JobSpec, JobStatus
from autoresearch_dagster.core.errors import ContainerError, RunnerGone
from autoresearch_dagster.core.limits import DOCKER_PING_S, LOG_BYTES, REMOVE_S
from autoresearch_dagster.core.progress import Report
from autoresearch_dagster.core.settings import Settings

NANO = 1e9
KILLED, TERMINATED = 137, 143
SIGNALLED = (KILLED, TERMINATED)
LOG_LINES = 1000
CONFLICT = 409


def ping() -> str:
    """Version of the daemon, or '' where none answers within a few seconds."""
    try:
        with contextlib.closing(docker.from_env(timeout=DOCKER_PING_S)) as client:
            return str(client.version()["Version"])
    except (docker.errors.DockerException, RequestException):
        return ""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Turn the daemon's faults into one sentence."""
    try:
        yield
    except docker.errors.NotFound as fault:
        raise ContainerError(
            f"Docker could not {doing}, because it is gone ({fault.explanation}); did somebody remove it?"
        ) from fault
    except docker.errors.APIError as fault:
        raise ContainerError(f"Docker could not {doing}: {fault.explanation or fault}.") from fault
    except (docker.errors.DockerException, RequestException) as fault:
        raise RunnerGone(f"Docker does not answer while it should {doing}; start the daemon again.") from fault


class DockerJob:
    """One container."""

    def __init__(self, client: docker.DockerClient, container: Container, memory_limit: int) -> None:
        self._client = client
        self._container = container
        self._limit = memory_limit
        self._started_at = int(time.time())
        self._meter: Meter | None = None
        self._cpu_s = 0.0
        self._peak = 0
        self._oom = False
        self._outside = False
        self._code: int | None = None
        self._log = ""

    @property
    def id(self) -> str:
        """Short container id."""
        return str(self._container.short_id)

    def status(self) -> JobStatus:
        """Read its usage, then its state; the last usage is kept when it has ended."""
        if self._code is None:
            with translated("report on a container"):
                self._measure()
                state = self._state()
                if state.get("Status") in ("exited", "dead"):
                    self._end(int(state["ExitCode"]))
                self._oom = self._oom or bool(state.get("OOMKilled"))
            if self._oom:  # it was at its limit, whether we looked then or not
                self._peak = max(self._peak, self._limit)
        return JobStatus(self._code, self._oom, self._cpu_s, self._peak, self._outside)

    def _end(self, code: int) -> None:
        """Take down how it ended: some versions leave the flag out when a child was killed for memory."""
        if code:
            self._oom = self._oom or self._happened("oom")
        if code in SIGNALLED:
            self._outside = self._happened("kill")
        self._code = code

    def ran_s(self) -> float | None:
        """Ask the daemon, whose clock saw both ends."""
        with translated("report on a container"):
            state = self._state()
        if state.get("Status") != "exited":
            return None
        return (_moment(state["FinishedAt"]) - _moment(state["StartedAt"])).total_seconds()

    def _state(self) -> dict[str, Any]:
        return self._client.api.inspect_container(self.full_id)["State"]

    @property
    def full_id(self) -> str:
        """Container id in full."""
        return str(self._container.id)

    def _measure(self) -> None:
        if self._meter is None:
            self._meter = find_meter(int(self._state().get("Pid", 0)), self.full_id)
        if self._meter is None:
            self._ask_for_usage()
        elif (reading := self._meter()) is not None:
            self._cpu_s, self._peak = reading.cpu_s, max(self._peak, reading.peak_bytes)
            self._oom = self._oom or reading.oom_kills > 0

    def _ask_for_usage(self) -> None:
        stats = cast(dict[str, Any], self._container.stats(stream=False, one_shot=True))
        usage = stats.get("cpu_stats", {}).get("cpu_usage", {}).get("total_usage", 0)
        memory = stats.get("memory_stats", {})
        self._cpu_s = max(self._cpu_s, usage / NANO)
        self._peak = max(self._peak, memory.get("max_usage", 0), memory.get("usage", 0))

    def _happened(self, event: str) -> bool:
        """Ask the daemon whether it has seen this happen to the container; it forgets when it ends."""
        filters = {"container": self.full_id, "event": event}
        events = self._client.api.events(since=self._started_at, until=int(time.time()) + 1, filters=filters)
        with contextlib.closing(events):
            return any(True for _ in events)

    def log(self) -> str:
        """Return the last part of what it printed."""
        with contextlib.suppress(docker.errors.DockerException, RequestException):
            data = self._container.logs(tail=LOG_LINES)
            self._log = printable(data[-LOG_BYTES:], LOG_BYTES)
        return self._log

    def remove(self) -> None:
        """Kill and delete the container; one that is gone already is fine."""
        with translated("remove a container"):
            _remove(self._container)
        if self._code is None:
            self._code = KILLED


def _moment(stamp: str) -> datetime:
    """Read the daemon's time, which has nanoseconds."""
    whole, _dot, fraction = stamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}").replace(tzinfo=UTC)


def _remove(container: Container) -> None:
    """Delete a container and wait until it is gone, also where a removal is under way already."""
    deadline = time.monotonic() + REMOVE_S
    while True:
        try:
            container.remove(force=True, v=True)
        except docker.errors.NotFound:
            return
        except docker.errors.APIError as fault:
            if fault.status_code != CONFLICT or time.monotonic() > deadline:
                raise
            time.sleep(REMOVE_S / 100)
        else:
            return


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
                _remove(self._client.containers.get(arguments["name"]))  # left by a driver that died
            container = self._client.containers.create(**arguments)
            try:
                container.start()
            except BaseException:
                _remove(container)
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
                _remove(container)
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
                _remove(container)
        return len(found)

    def labelled(self, name: str) -> set[str]:
        """Ask the daemon for our containers."""
        with translated("list containers"):
            return {str(container.labels[name]) for container in self._ours([name])}

    def _ours(self, labels: list[str]) -> list[Container]:
        wanted = [JOB_LABEL, f"{OWNER_LABEL}={self._owner}", *labels]
        return self._client.containers.list(all=True, filters={"label": wanted}, ignore_removed=True)
