"""What the kernel has said lately, where this process may read it."""

import os
import re
import time
from pathlib import Path

from autoresearch_dagster.core.limits import KERNEL_LOG_BYTES, KERNEL_LOG_SLACK_S

DEVICE = Path("/dev/kmsg")
RECORD = re.compile(r"\d+,\d+,(?P<at_us>\d+),[^;]*;(?P<text>.*)")
RECORD_BYTES = 8192  # of one record at most: the kernel's own bound


def kernel_log(since_s: float, device: Path = DEVICE) -> str:
    """Return the kernel's messages of the last seconds, oldest first; '' where they may not be read.

    Args:
        since_s: how far back, in seconds.
        device: where the kernel hands them out, one record a read.
    """
    oldest_s = time.monotonic() - since_s - KERNEL_LOG_SLACK_S
    lines: list[str] = []
    for record in _records(device):
        found = RECORD.match(record)
        if found is not None and int(found["at_us"]) / 1e6 >= oldest_s:
            lines.append(found["text"])
    return "\n".join(lines)


def _records(device: Path) -> list[str]:
    """Read every record that is there now, without waiting for the next."""
    found: list[str] = []
    try:
        descriptor = os.open(device, os.O_RDONLY | os.O_NONBLOCK)
    except OSError:  # not Linux, or not permitted
        return found
    try:
        size = 0
        while size < KERNEL_LOG_BYTES:
            try:
                record = os.read(descriptor, RECORD_BYTES)
            except BrokenPipeError:  # overwritten meanwhile; the next read goes on behind the gap
                continue
            if not record:
                break
            size += len(record)
            found.extend(record.decode("utf-8", "replace").splitlines())
    except OSError:  # nothing more yet
        pass
    finally:
        os.close(descriptor)
    return found
