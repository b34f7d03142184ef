"""NVIDIA GPUs of this machine: which there are, and whether one still works.

Both are asked of the host, with `nvidia-smi` and the kernel's log, never of a container: a candidate may say that
its GPU is broken, or break its own process in any way that it likes.  Where the tool is missing, hangs or prints
something else, there are no GPUs; nothing raises.
"""

import re
import shutil
import subprocess
from dataclasses import dataclass

from autoresearch_dagster.containers.kernel_log import kernel_log
from autoresearch_dagster.core.limits import GPU_QUERY_S

TOOL = "nvidia-smi"
SILENT = f"{TOOL} did not answer within {GPU_QUERY_S:.0f} s"
DEVICE = re.compile(r"GPU \d+: (?P<name>.+?) \(UUID: (?P<uuid>GPU-[0-9A-Za-z-]+)\)\s*")
INSTANCE = re.compile(r"\s+MIG (?P<profile>\S+)\s+Device\s+\d+: \(UUID: (?P<uuid>MIG-[0-9A-Za-z/-]+)\)\s*")
ADDRESS = re.compile(r"(?P<address>[0-9A-Fa-f]{4,8}:[0-9A-Fa-f]{2}:[0-9A-Fa-f]{2})(?:\.[0-9A-Fa-f])?")
XID = re.compile(rf"Xid \(PCI:{ADDRESS.pattern}\): (?P<code>\d+)\b")
FIELDS = "uuid,pci.bus_id,memory.total,mig.mode.current"
BROKEN_WORDS = (
    "GPU is lost",
    "Unknown Error",
    "ERR!",
    "GPU requires reset",
    "Unable to determine the device handle",
    "couldn't communicate with the NVIDIA driver",
    "Driver/library version mismatch",
)
BROKEN_XIDS = {
    48: "double-bit memory error",
    62: "its own controller halted",
    64: "a memory row could not be replaced",
    74: "NVLink error",
    79: "fell off the bus",
    95: "uncontained memory error",
    119: "its system processor does not answer",
    120: "its system processor failed",
    140: "unrecovered memory error",
    143: "it could not be initialised",
}
"""Reports of the driver after which a device needs a reset at least.  Others are left out on purpose: a program
causes 13, 31, 43 and 45 by itself, with a wrong address for instance, and a candidate must not be able to take a
GPU out.  Source: NVIDIA's Xid catalog, docs.nvidia.com/deploy/xid-errors."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """A device that a container can have for itself: a whole GPU, or one MIG instance of it.

    `card` is the UUID of the GPU that it is, or is part of; `address` where that sits on the PCI bus, '' where
    nobody says.  Units: `memory_mib` of the whole card; 0: not known.
    """

    uuid: str
    name: str
    card: str
    address: str = ""
    memory_mib: int = 0


def list_gpus() -> tuple[Gpu, ...]:
    """Return the devices that a slot can have, in the tool's order: GPUs, and instances where MIG is on."""
    return devices(_ask("-L"), _ask(f"--query-gpu={FIELDS}", "--format=csv,noheader,nounits"))


def devices(listing: str, query: str) -> tuple[Gpu, ...]:
    """Read what `nvidia-smi -L` and the query of `FIELDS` print; a pure function.

    A GPU in MIG mode is no device itself, even where it has no instance yet: a container cannot have it whole.
    """
    facts = _facts(query)
    found: list[Gpu] = []
    split: set[str] = {card for card, (_, _, mig) in facts.items() if mig == "Enabled"}
    card = name = ""
    for line in listing.splitlines():
        if device := DEVICE.fullmatch(line):
            card, name = device["uuid"], device["name"]
            found.append(_gpu(card, name, card, facts))
        elif card and (instance := INSTANCE.fullmatch(line)):
            split.add(card)
            found.append(_gpu(instance["uuid"], f"{name} MIG {instance['profile']}", card, facts))
    return tuple(gpu for gpu in found if gpu.uuid not in split)


def health(gpu: Gpu, since_s: float) -> str:
    """Ask the host whether a device still works.

    Args:
        gpu: as it was listed when it worked.
        since_s: seconds for which the kernel's log is looked at.

    Returns:
        What is wrong with it, in words for a person; '' if nothing is, or the host cannot say.
    """
    if shutil.which(TOOL) is None:
        return ""
    listing = _ask("-L")
    query = _ask(f"--id={gpu.card}", f"--query-gpu={FIELDS}", "--format=csv,noheader,nounits")
    return diagnosis(gpu, listing, query, kernel_log(since_s))


def diagnosis(gpu: Gpu, listing: str, query: str, log: str) -> str:
    """Judge what the host says of a device; a pure function.

    Args:
        gpu: as it was listed when it worked.
        listing: what `nvidia-smi -L` prints.
        query: what the query of this card prints.
        log: the kernel's log since the work began.
    """
    for report in XID.finditer(log):
        code = int(report["code"])
        if gpu.address and _address(report["address"]) == gpu.address and code in BROKEN_XIDS:
            return f"the driver reported Xid {code}: {BROKEN_XIDS[code]}"
    if query == SILENT:  # a driver that waits for a dead card; no program in a container does that to the host
        return SILENT
    for line in query.splitlines():
        if any(word in line for word in BROKEN_WORDS):
            return f"{TOOL} says {line.strip()!r}"
    if gpu.uuid in (device.uuid for device in devices(listing, query)):
        return ""
    blamed = {_address(found["address"]) for found in ADDRESS.finditer(listing)}
    if gpu.address and blamed and gpu.address not in blamed:
        return ""  # the tool stopped at another card before it came to this one
    said = next((line.strip() for line in listing.splitlines() if any(word in line for word in BROKEN_WORDS)), "")
    return f"{TOOL} does not list it any more" + (f" and says {said!r}" if said else "")


def _gpu(uuid: str, name: str, card: str, facts: dict[str, tuple[str, int, str]]) -> Gpu:
    address, memory_mib, _ = facts.get(card, ("", 0, ""))
    return Gpu(uuid, name, card, address, memory_mib)


def _facts(query: str) -> dict[str, tuple[str, int, str]]:
    """Return address, MiB and MIG mode by card; a line that is no such answer is passed over."""
    found: dict[str, tuple[str, int, str]] = {}
    for line in query.splitlines():
        parts = [part.strip() for part in line.split(",")]
        if len(parts) == len(FIELDS.split(",")) and parts[0].startswith("GPU-"):
            found[parts[0]] = (_address(parts[1]), int(parts[2]) if parts[2].isdecimal() else 0, parts[3])
    return found


def _address(text: str) -> str:
    """Bring a PCI address to one form: the tool writes `00000000:3B:00.0` and the kernel `0000:3b:00`."""
    found = ADDRESS.fullmatch(text.strip())
    if found is None:
        return ""
    domain, rest = found["address"].split(":", 1)
    return f"{int(domain, 16):04x}:{rest.lower()}"


def _ask(*arguments: str) -> str:
    """Return all that the tool prints; '' where there is none, and a word of ours where it does not end."""
    tool = shutil.which(TOOL)
    if tool is None:
        return ""
    try:
        done = subprocess.run(
            [tool, *arguments], capture_output=True, timeout=GPU_QUERY_S, check=False, stdin=subprocess.DEVNULL
        )
    except subprocess.TimeoutExpired:
        return SILENT
    except OSError:
        return ""
    return (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
