"""Whether the disks have room for one more attempt: looked at before each launch, with a reserve."""

import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from autoresearch_dagster.core import limits as lim
from autoresearch_dagster.core.errors import ContainerError, DiskFull
from autoresearch_dagster.core.progress import in_unit
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.data.disk import FULL


@contextmanager
def disk_faults_told(doing: str) -> Iterator[None]:
    """Tell what the disk refuses to us, which is never a candidate's fault.

    Raises:
        DiskFull: there is no room.
        ContainerError: something else; another attempt may succeed.
    """
    try:
        yield
    except OSError as fault:
        where = fault.filename or tempfile.gettempdir()
        if fault.errno in FULL:
            raise DiskFull(
                f"The disk with {where} is full; free some space and resume, nothing is lost."
            ) from fault
        raise ContainerError(f"{doing} met a fault of this machine ({fault}); it is tried again.") from fault


def ensure_room(settings: Settings, beside: int = 0) -> None:
    """Refuse to launch what might not fit: what a candidate may write, its frozen copy, and that among the blobs.

    Args:
        settings: of this machine.
        beside: experiments that run already, and may write as much.

    Raises:
        DiskFull: the text says where, how much is missing, and what to do.
    """
    needed: Counter[int] = Counter()
    places: dict[int, Path] = {}
    for folder, copies in ((Path(tempfile.gettempdir()), 2), (settings.home.resolve(), 1)):
        device = folder.stat().st_dev
        needed[device] += copies * lim.OUTPUT_BYTES * (1 + beside)
        places[device] = folder
    for device, folder in places.items():
        wanted, free = needed[device] + lim.DISK_RESERVE_BYTES, shutil.disk_usage(folder).free
        if free < wanted:
            raise DiskFull(
                f"The disk with {folder} has {in_unit(free, 'bytes')} free and the next training may need "
                f"{in_unit(wanted, 'bytes')}; free some space (`autoresearch gc` shows what can go) and resume, "
                "nothing is lost."
            )
