"""Which boot of the machine this is, and when within it a process was started: neither moves with the clock."""

from functools import cache
from pathlib import Path

import psutil

BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


@cache
def boot_id() -> str:
    """Return the kernel's name for this boot; '' where it gives none."""
    try:
        return BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


def start_of(pid: int) -> str:
    """Return when a process was started, which tells it from a later one with the same id.

    Raises:
        psutil.NoSuchProcess: it is gone.
    """
    try:
        # Ticks since boot: psutil's create_time moves with the wall clock, and a living process would look dead.
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return f"{psutil.Process(pid).create_time():.0f}"
