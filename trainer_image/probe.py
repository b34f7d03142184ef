"""Tries, from within, every way out of a sandbox that `autoresearch doctor` lists.  Runs in the harness's place.

Standard library only.  BUNDLE/probe.json says what to try; OUT/seals.json gets one [state, words] for each seal:
`sealed`, `open`, or `untried` with the reason.  Whatever a try makes it takes away again.
"""

import contextlib
import ctypes
import errno
import hashlib
import json
import os
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

OUT, BUNDLE = (Path(os.environ[f"AUTORESEARCH_{name}"]) for name in ("OUT", "BUNDLE"))
MIB = 2**20
Answer = tuple[str, str]
SEALED, OPEN, UNTRIED = "sealed", "open", "untried"
KEYCTL = {"x86_64": 250, "aarch64": 219}
NEW_USER_NAMESPACE = 0x10000000
REFUSED = (errno.EPERM, errno.ENOSYS)
WATCHER_S = 0.5  # for which too much memory is held, where somebody only looks now and then


def network(wanted: dict) -> Answer:
    """Find a route outside, or the machine's own services."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as end:
        end.connect(("192.0.2.1", 9))  # sends nothing; fails where there is no route
        return OPEN, "there is a route to other machines"
    with contextlib.suppress(OSError):
        socket.create_connection(("127.0.0.1", wanted["port"]), timeout=1).close()
        return OPEN, "services of this machine can be reached"
    return SEALED, "no route, and the machine's own services are out of reach"


def writable(folders: Iterable[str | Path]) -> list[str]:
    """Return those folders in which a file can be made; it has no name where the file system knows such files."""
    found = []
    for folder in folders:
        with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder):
            found.append(str(folder))
    return found


def root(_: dict) -> Answer:
    """Write where programs and settings are."""
    found = writable(("/", "/etc", "/usr", "/usr/lib", "/usr/local", "/opt", "/var/tmp", "/dev", "/mnt"))
    return (OPEN, f"can be written: {', '.join(found)}") if found else (SEALED, "cannot be written")


def inputs(_: dict) -> Answer:
    """Write beside the corpus."""
    return (OPEN, "can be written") if writable((BUNDLE,)) else (SEALED, "cannot be written")


def execution(_: dict) -> Answer:
    """Execute a file that was made in the scratch folder."""
    path = Path(tempfile.mkdtemp()) / "program"
    path.write_text(f"#!{sys.executable}\n")
    path.chmod(0o700)
    try:
        subprocess.run([str(path)], check=True)
    except OSError:
        return SEALED, "what is written there cannot be executed"
    finally:
        path.unlink()
        path.parent.rmdir()
    return OPEN, "what is written there can be executed"


def privileges(_: dict) -> Answer:
    """Hold capabilities, or become root."""
    said = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    held = [name for name in ("CapEff", "CapPrm", "CapBnd") if int(said[name], 16)]
    if os.getuid() == 0 or held:
        return OPEN, f"user {os.getuid()}, capabilities in {', '.join(held) or 'no set'}"
    if said["NoNewPrivs"].strip() != "1":
        return OPEN, "no capabilities, but programs can give some (no_new_privs is off)"
    try:
        os.setuid(0)
    except OSError:
        return SEALED, f"user {os.getuid()}, no capabilities, none to be had"
    return OPEN, "became root"


def namespaces(_: dict) -> Answer:
    """Make a user namespace, in which one would be root."""
    unshare = ctypes.CDLL(None).unshare
    child = os.fork()
    if child == 0:
        os._exit(0 if unshare(NEW_USER_NAMESPACE) else 1)
    made = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1
    return (OPEN, "a user namespace can be made") if made else (SEALED, "none can be made")


def calls(_: dict) -> Answer:
    """Make a system call that ordinary programs do not make."""
    number = ctypes.c_long(KEYCTL[os.uname().machine])
    ctypes.CDLL(None, use_errno=True).syscall(number, *[ctypes.c_long(-1)] * 5)
    refused = ctypes.get_errno() in REFUSED
    return (SEALED, "rare ones are refused") if refused else (OPEN, "rare ones reach the kernel")


def processes(wanted: dict) -> Answer:
    """See the process that asked for this."""
    with contextlib.suppress(OSError):
        if Path(f"/proc/{wanted['pid']}/cmdline").read_bytes() == wanted["command"].encode():
            return OPEN, "those of this machine are visible"
    return SEALED, "those of this machine are invisible"


def files(wanted: dict) -> Answer:
    """Find files of the machine that are nothing to a job."""
    found = [path for path in wanted["files"] if os.path.lexists(path)]
    said = f"{len(found)} of {len(wanted['files'])} files are visible"
    return (OPEN, f"{said}, as {found[0]}") if found else (SEALED, said)


def environment(wanted: dict) -> Answer:
    """Find variables of the process that asked for this."""
    digests = {hashlib.sha256(f"{name}={value}".encode()).hexdigest(): name for name, value in os.environ.items()}
    found = sorted(digests[digest] for digest in digests.keys() & set(wanted["variables"]))
    return (OPEN, f"inherited: {', '.join(found)[:200]}") if found else (SEALED, "nothing is inherited")


def devices(_: dict) -> Answer:
    """Open memory, disks and drivers, or make a device.  Only those that it does no harm to open."""
    known = ["/dev/mem", "/dev/kmsg", "/dev/kvm", "/dev/fuse", "/dev/net/tun"]
    disks = sorted(str(path) for path in Path("/dev").iterdir() if path.is_block_device())
    found = []
    for path in known + disks:
        with contextlib.suppress(OSError):
            os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
            found.append(path)
    made = Path(tempfile.gettempdir()) / f"device-{os.getpid()}"
    with contextlib.suppress(OSError):
        os.mknod(made, 0o600 | stat.S_IFCHR, os.makedev(1, 1))
        made.unlink()
        found.append("new ones")
    return (OPEN, f"can be opened: {', '.join(found[:5])}") if found else (SEALED, "none but the harmless ones")


def cores(wanted: dict) -> Answer:
    """Move to every processor."""
    if wanted["all_cores"] <= wanted["cores"]:
        return UNTRIED, "this machine has no more than a job may use"
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, range(wanted["all_cores"]))
    got = len(os.sched_getaffinity(0))
    return (SEALED if got <= wanted["cores"] else OPEN), f"{got} of {wanted['all_cores']}"


def file_size(wanted: dict) -> Answer:
    """Make one file too long; it has no content."""
    path = OUT / "long"
    try:
        with path.open("wb") as file:
            file.truncate(wanted["file_bytes"] + 1)
    except OSError:
        return SEALED, f"not beyond {wanted['file_bytes'] // MIB} MiB"
    finally:
        path.unlink(missing_ok=True)
    return OPEN, f"beyond {wanted['file_bytes'] // MIB} MiB"


def scratch(wanted: dict) -> Answer:
    """Write more into the scratch folder than it may hold."""
    path = Path(tempfile.gettempdir()) / f"large-{os.getpid()}"
    size = wanted["scratch_bytes"] // MIB + 1
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while size and file.write(bytes(MIB)) == MIB:
            size -= 1
    path.unlink()
    return (SEALED, "has an end") if size else (OPEN, "as large as this machine's disk")


def process_count(wanted: dict) -> Answer:
    """Fork beyond the limit; the children wait for the end of a pipe."""
    read, write = os.pipe()
    children = []
    with contextlib.suppress(OSError):
        while len(children) <= wanted["pids"]:
            child = os.fork()
            if child == 0:
                os.close(write)
                os.read(read, 1)
                os._exit(0)
            children.append(child)
    os.close(write)
    for child in children:
        os.waitpid(child, 0)
    return (OPEN if len(children) > wanted["pids"] else SEALED), f"{len(children)} at once"


def memory(wanted: dict) -> Answer:
    """Take more than the limit, in a child; whoever ends us for it does not let us tell."""
    child = os.fork()
    if child == 0:
        try:
            kept = bytearray(wanted["memory_bytes"] + 64 * MIB)
            for at in range(0, len(kept), 4096):
                kept[at] = 1
        except MemoryError:
            os._exit(1)
        time.sleep(WATCHER_S)
        os._exit(0)
    if os.waitpid(child, 0)[1]:
        return SEALED, f"not beyond {wanted['memory_bytes'] // MIB} MiB"
    return OPEN, f"beyond {wanted['memory_bytes'] // MIB} MiB"


FIRST = (network, root, inputs, files, environment, processes, privileges, namespaces, calls, devices, execution)
TRIES = (*FIRST, scratch, file_size, process_count, cores, memory)


def main() -> None:
    """Try them all, the deadly one last; what is known is written before each."""
    wanted = json.loads((BUNDLE / "probe.json").read_text())
    found = {}
    for attempt in TRIES:
        name = attempt.__name__.replace("_", " ")
        found[name] = (UNTRIED, "it ended the try")
        tell(found)
        try:
            found[name] = attempt(wanted)
        except Exception as fault:  # noqa: BLE001 (whatever this system lacks, the other tries go on)
            found[name] = (UNTRIED, f"{type(fault).__name__}: {fault}"[:200])
    tell(found)


def tell(found: dict[str, Answer]) -> None:
    """Write what is known, whole."""
    (OUT / "seals.new").write_text(json.dumps(found))
    (OUT / "seals.new").replace(OUT / "seals.json")


main()
