"""A control group for one job, where this process may make one: then the kernel caps its memory and processes.

Version 1: as root, below this process's own groups.  Version 2: below its own group or beside it, wherever the
controllers are handed down (a root without other processes, or what systemd delegates to a user).
"""

import time
from dataclasses import dataclass
from pathlib import Path

from autoresearch_dagster.containers import cgroup
from autoresearch_dagster.containers.cgroup import Meter
from autoresearch_dagster.core.limits import REMOVE_S

V1_CONTROLLERS = ("memory", "pids", "cpuacct")
V2_CONTROLLERS = {"memory", "pids"}
REMOVE_AGAIN_S = 0.02
"""Between two tries: a killed process leaves its group a moment later."""


@dataclass(frozen=True, slots=True)
class JobGroup:
    """The folders of one group: one for each controller in version 1, a single one in version 2."""

    folders: tuple[Path, ...]

    def join(self, pid: int) -> None:
        """Put a process in; its later children are born there.

        Raises:
            OSError: the kernel does not let us.
        """
        for folder in self.folders:
            (folder / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def meter(self) -> Meter | None:
        """Return what reads its usage."""
        if len(self.folders) == 1:
            return cgroup.version_2({"": self.folders[0]})
        return cgroup.version_1(dict(zip(V1_CONTROLLERS, self.folders, strict=True)))

    def remove(self) -> None:
        """Delete it once its processes have gone; one that still holds any after a while is left."""
        deadline = time.monotonic() + REMOVE_S
        for folder in self.folders:
            while True:
                try:
                    folder.rmdir()
                except FileNotFoundError:
                    break
                except OSError:
                    if time.monotonic() > deadline:
                        break
                    time.sleep(REMOVE_AGAIN_S)
                else:
                    break


def plan_group(name: str, root: Path = cgroup.ROOT) -> JobGroup | None:
    """Choose where a group of this name would be; nothing is made.  None: nowhere that is known."""
    own = cgroup.groups_of("self", root)
    if all(controller in own for controller in V1_CONTROLLERS):
        return JobGroup(tuple(own[controller] / name for controller in V1_CONTROLLERS))
    if "" in own:
        for parent in (own[""], own[""].parent):
            if parent.is_relative_to(root) and _handed_down(parent) >= V2_CONTROLLERS:
                return JobGroup((parent / name,))
    return None


def make_group(group: JobGroup, memory_bytes: int, pids: int) -> bool:
    """Make a planned group with its limits, swap included.  False, and nothing is left, where we may not."""
    if len(group.folders) == 1:
        limits = {group.folders[0]: {"memory.max": memory_bytes, "memory.swap.max": 0, "pids.max": pids}}
    else:
        memory, processes, cpu = group.folders
        capped = {"memory.limit_in_bytes": memory_bytes, "memory.memsw.limit_in_bytes": memory_bytes}
        limits = {memory: capped, processes: {"pids.max": pids}, cpu: {}}
    try:
        for folder, files in limits.items():
            folder.mkdir()
            for name, value in files.items():
                if "sw" not in name or (folder / name).exists():  # kernels without swap accounting lack the file
                    (folder / name).write_text(str(value), encoding="ascii")
    except OSError:
        group.remove()
        return False
    return True


def _handed_down(group: Path) -> set[str]:
    try:
        return set((group / "cgroup.subtree_control").read_text(encoding="ascii").split())
    except OSError:
        return set()
