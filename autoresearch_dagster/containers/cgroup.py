"""What a container used, read from its control group: 0.1 ms, where Docker's own statistics can take a second.

Only where the daemon runs on this machine and its groups are visible; both versions of control groups.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
NANOSECONDS, MICROSECONDS = 1e9, 1e6


@dataclass(frozen=True, slots=True)
class Reading:
    """Units: CPU seconds; bytes at most so far; processes that the kernel killed for memory."""

    cpu_s: float
    peak_bytes: int
    oom_kills: int


Meter = Callable[[], Reading | None]
"""Reads the group once; None when it is gone."""


def find_meter(pid: int, container_id: str) -> Meter | None:
    """Return a meter for the group of a container whose first process is `pid`, if this machine can see it."""
    # Without its id it is another machine's process, or a namespace of groups: not ours to read.
    groups = groups_of(str(pid), within=container_id)
    for reader in (version_1(groups), version_2(groups)):
        if reader is not None and reader() is not None:
            return reader
    return None


def groups_of(process: str, root: Path = ROOT, within: str = "") -> dict[str, Path]:
    """Return the groups of a process by controller; version 2 has no controller's name.

    Args:
        process: its id, or `self`.
        root: where control groups are mounted.
        within: what the path of a group must contain.
    """
    found: dict[str, Path] = {}
    try:
        lines = Path(f"/proc/{process}/cgroup").read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError):
        return found
    for line in lines:
        _number, controllers, path = line.split(":", 2)
        if within in path:
            found |= {controller: root / controller / path.lstrip("/") for controller in controllers.split(",")}
    return found


def version_1(groups: dict[str, Path]) -> Meter | None:
    """Return a meter for separate hierarchies (cpuacct, memory), by controller."""
    cpu, memory = groups.get("cpuacct"), groups.get("memory")
    if cpu is None or memory is None:
        return None

    def read() -> Reading | None:
        try:
            return Reading(
                int((cpu / "cpuacct.usage").read_text()) / NANOSECONDS,
                int((memory / "memory.max_usage_in_bytes").read_text()),
                _field(memory / "memory.oom_control", "oom_kill"),
            )
        except (OSError, ValueError):
            return None

    return read


def version_2(groups: dict[str, Path]) -> Meter | None:
    """Return a meter for the unified hierarchy, which has no controller's name."""
    group = groups.get("")
    if group is None:
        return None

    def read() -> Reading | None:
        peak = group / "memory.peak"  # since Linux 5.19
        try:
            return Reading(
                _field(group / "cpu.stat", "usage_usec") / MICROSECONDS,
                int((peak if peak.exists() else group / "memory.current").read_text()),
                _field(group / "memory.events", "oom_kill"),
            )
        except (OSError, ValueError):
            return None

    return read


def _field(path: Path, name: str) -> int:
    for line in path.read_text().splitlines():
        key, _blank, value = line.partition(" ")
        if key == name:
            return int(value)
    raise ValueError(f"{path} has no field {name}")
