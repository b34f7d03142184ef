"""One container on a Docker daemon: what it uses, how it ended, what it printed, how it is removed.

What is not covered: CPU time of the last moments between the last look and the end.
"""

import contextlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, cast

import docker
import docker.errors
from docker.models.containers import Container
from requests.exceptions import RequestException  # noqa: TID251 (docker-py raises it)

from autoresearch_dagster.containers.cgroup import Meter, find_meter
from autoresearch_dagster.containers.escape import printable
from autoresearch_dagster.containers.protocol import KILLED, JobStatus
from autoresearch_dagster.core.errors import ContainerError, RunnerGone
from autoresearch_dagster.core.limits import LOG_BYTES, REMOVE_S

NANO = 1e9
LOG_LINES = 1000
CONFLICT = 409


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
        if code in KILLED:
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
            remove_container(self._container)
        if self._code is None:
            self._code = KILLED[0]


def _moment(stamp: str) -> datetime:
    """Read the daemon's time, which has nanoseconds."""
    whole, _dot, fraction = stamp.rstrip("Z").partition(".")
    return datetime.fromisoformat(f"{whole}.{fraction[:6]:0<6}").replace(tzinfo=UTC)


def remove_container(container: Container) -> None:
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
