"""Which boot of the machine this is: clocks that count from it cannot be compared with another's."""

from functools import cache
from pathlib import Path


@cache
def boot_id() -> str:
    """Return the kernel's name for this boot; '' where it gives none."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""
