"""From a job to the command line of bubblewrap: one pure function, so that a test can hold every flag.

The sandbox sees system libraries, the interpreter with its packages, the program's folder and the job's mounts,
each at a path of its own; not the rest of the host.
"""

import os
import platform
import re
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from autoresearch_dagster.containers.environment import process_environment
from autoresearch_dagster.containers.protocol import JobSpec
from autoresearch_dagster.core import limits as lim

NOBODY = 65534
PROGRAM_FOLDER = "/opt/trainer"
SYSTEM = (
    *("/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libexec", "/usr/include"),
    *("/usr/local/bin", "/usr/local/lib", "/usr/share/zoneinfo", "/etc/ld.so.cache", "/etc/alternatives"),
)
"""Of the host, where it is there.  Not /usr as a whole: some keep their projects below it."""
TOP_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64")
PREFIX_PARTS = ("bin", "lib", "lib64", "include", "pyvenv.cfg")
"""Of an interpreter's folder: not what else somebody keeps there."""
PASSWD = b"nobody:x:65534:65534:nobody:/tmp:/bin/false\n"
"""Its only user: libraries ask for a name."""
COUNTS_BY_NAMESPACE = (5, 14)
"""Linux that counts the processes of a user by user namespace; before, all that the user has would count."""
SCRATCH = ("--size", str(lim.SCRATCH_BYTES), "--perms", "1777", "--tmpfs")


@dataclass(frozen=True, slots=True)
class Host:
    """What a sandbox needs of this machine.

    `changes_user`: we are root, so a job gets a real user of its own; else it runs in a user namespace, and
    `closes_namespaces` says whether that can be closed against further ones.
    `grouped`: control groups cap memory and processes.  `counts_processes`: without them, the kernel counts the
    processes of a user namespace by themselves.
    """

    bwrap: str
    python: str
    binds: tuple[str, ...]
    links: tuple[tuple[str, str], ...]
    changes_user: bool
    closes_namespaces: bool = True
    grouped: bool = True
    counts_processes: bool = False

    @property
    def caps_processes(self) -> bool:
        """Whether a job cannot have more than its share of processes."""
        return self.grouped or (self.counts_processes and not self.changes_user)


@dataclass(frozen=True, slots=True)
class Descriptors:
    """Open files that bubblewrap reads or writes: the filter of system calls, the user list, its own report."""

    seccomp: int
    passwd: int
    status: int


def find_host(bwrap: str) -> Host:
    """Look at this machine: where libraries and the interpreter are, and who we are."""
    prefixes = {sys.prefix, sys.base_prefix, str(Path(sys.base_prefix).resolve())}
    prefixes.add(str(Path(sys.executable).resolve().parents[1]))  # a venv's link may pass by another name
    parts = [f"{prefix}/{part}" for prefix in sorted(prefixes) for part in PREFIX_PARTS]
    top = [Path("/", name) for name in TOP_FOLDERS]
    found = [*SYSTEM, *parts, *(str(path) for path in top if not path.is_symlink())]
    return Host(
        bwrap=bwrap,
        python=sys.executable,
        binds=_outermost(path for path in found if Path(path).exists()),
        links=tuple((str(path.readlink()), str(path)) for path in top if path.is_symlink()),
        changes_user=os.geteuid() == 0,
        counts_processes=os.geteuid() != 0 and _kernel() >= COUNTS_BY_NAMESPACE,
    )


def bubblewrap_arguments(spec: JobSpec, program: Path, host: Host, open_files: Descriptors) -> list[str]:
    """Return the command line of a job.

    No network, a root that cannot be written, no capabilities, no new privileges, an unprivileged user, a clean
    environment, its own processes only, small scratch folders in memory.  Memory, cores and files are capped
    around it (process_runner.py, job_group.py).

    Args:
        spec: the job.
        program: the script to run; its folder is visible.
        host: this machine.
        open_files: descriptors that the process inherits.
    """
    mounts = [(mount, f"/mnt/{mount.name.lower()}") for mount in spec.mounts]
    binds = [("--ro-bind", path, path) for path in host.binds]
    binds.append(("--ro-bind", str(program.parent), PROGRAM_FOLDER))
    binds += [("--ro-bind" if mount.read_only else "--bind", str(mount.source), path) for mount, path in mounts]
    environment = process_environment(mounts, "/tmp", spec.limits.slot)
    return [
        host.bwrap,
        *_namespaces(host),
        *("--die-with-parent", "--new-session", "--hostname", "sandbox", "--clearenv"),
        *(word for name, value in environment.items() for word in ("--setenv", name, value)),
        *(*SCRATCH, "/tmp"),  # before the binds: a checkout may lie below it
        *(word for folder in _parents(binds) for word in ("--dir", folder)),  # others make them for root only
        *(word for bind in binds for word in bind),
        *(word for target, path in host.links for word in ("--symlink", target, path)),
        *("--perms", "0644", "--ro-bind-data", str(open_files.passwd), "/etc/passwd"),
        *(
            "--proc",
            "/proc",
            *_kernel_settings(host),
            "--dev",
            "/dev",
            *SCRATCH,
            "/dev/shm",
            *_gpu(spec.limits.slot.gpu),
        ),
        *("--remount-ro", "/dev", "--remount-ro", "/", "--chdir", "/tmp"),
        *("--seccomp", str(open_files.seccomp), "--json-status-fd", str(open_files.status), "--"),
        *_become_nobody(host),
        *(host.python, f"{PROGRAM_FOLDER}/{program.name}", spec.mode),
    ]


def _namespaces(host: Host) -> tuple[str, ...]:
    if host.changes_user:
        kept = [word for name in ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP") for word in ("--cap-add", name)]
        own = ("--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup-try")
        return (*own, "--cap-drop", "ALL", *kept)
    closed = ("--disable-userns",) if host.closes_namespaces else ()
    user = ("--unshare-user", *closed, "--uid", str(NOBODY), "--gid", str(NOBODY))
    return ("--unshare-all", *user, "--cap-drop", "ALL")


def _become_nobody(host: Host) -> tuple[str, ...]:
    """Root gives up itself and what is left of its capabilities; others cap the processes of their namespace."""
    if host.changes_user:
        ids = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
        return ("setpriv", *ids, "--bounding-set=-all", "--inh-caps=-all", "--ambient-caps=-all", "--")
    if host.grouped or not host.counts_processes:
        return ()
    return ("prlimit", f"--nproc={lim.PIDS_LIMIT}:{lim.PIDS_LIMIT}", "--")


def _kernel_settings(host: Host) -> tuple[str, ...]:
    """In a user namespace a job is its driver to the host: where that is root, it could set the kernel's values."""
    return () if host.changes_user else ("--ro-bind", "/proc/sys", "/proc/sys")


def _gpu(uuid: str) -> tuple[str, ...]:
    """NVIDIA's device files and what its library reads; which GPU is used is left to CUDA_VISIBLE_DEVICES."""
    if not uuid:
        return ()
    devices = sorted(str(path) for path in Path("/dev").glob("nvidia*"))
    return (*(word for path in devices for word in ("--dev-bind", path, path)), "--ro-bind", "/sys", "/sys")


def _parents(binds: Iterable[tuple[str, str, str]]) -> list[str]:
    """Every folder that must be there before the binds, outer ones first."""
    found = {str(parent) for _, _, path in binds for parent in PurePosixPath(path).parents}
    return sorted((found | {"/etc", "/mnt"}) - {"/", "/tmp"})


def _kernel() -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", platform.release())[:2])


def _outermost(paths: Iterable[str]) -> tuple[str, ...]:
    """Leave out what lies within another one."""
    kept: list[str] = []
    for path in sorted(set(paths)):
        if not any(PurePosixPath(path).is_relative_to(outer) for outer in kept):
            kept.append(path)
    return tuple(kept)
