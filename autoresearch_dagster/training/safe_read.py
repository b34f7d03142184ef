"""Read files that a candidate wrote.

What is covered: links, pipes, devices, files with a second name and oversized files are refused with the
reason; JSON of any shape gives plain, finite, bounded values or nothing.
What is not covered: a checkpoint's content.  It is copied and hashed here, and opened only in a sealed process.
"""

import json
import math
import os
import stat
from pathlib import Path
from typing import Any

from autoresearch_dagster.containers.escape import printable, printable_line
from autoresearch_dagster.core.experiment import Claims, CurvePoint
from autoresearch_dagster.core.limits import (
    CURVE_POINTS,
    ERROR_MESSAGE_BYTES,
    LOG_TAIL_CHARS,
    MODEL_NAME_CHARS,
    PROGRESS_BYTES,
)

ANY_SIZE = 1 << 62
"""For files of which only a part is read."""


class Unreadable(Exception):
    """The file is not what it must be; the text says how."""


def open_regular(folder: Path, name: str, limit: int) -> int:
    """Open a plain file of a folder without following anything; the caller closes the descriptor.

    Raises:
        Unreadable: it is a link, a pipe, a device, has several names, or exceeds `limit` bytes.
        FileNotFoundError: there is none.
    """
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # NONBLOCK: a pipe would hang us
    directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        descriptor = os.open(name, flags, dir_fd=directory)
    except FileNotFoundError:
        raise
    except OSError as fault:
        raise Unreadable(f"{name} is not a plain file that may be read") from fault
    finally:
        os.close(directory)
    found = os.fstat(descriptor)
    reason = ""
    if not stat.S_ISREG(found.st_mode):
        reason = f"{name} is not a plain file"
    elif found.st_nlink != 1:
        reason = f"{name} has several names"
    elif found.st_size > limit:
        reason = f"{name} has {found.st_size} bytes and may have {limit}"
    if reason:
        os.close(descriptor)
        raise Unreadable(reason)
    return descriptor


def read_regular(folder: Path, name: str, limit: int) -> bytes:
    """Return the bytes of a plain file; see `open_regular`."""
    with os.fdopen(open_regular(folder, name, limit), "rb") as file:
        data = file.read(limit + 1)
    if len(data) > limit:
        raise Unreadable(f"{name} has more than {limit} bytes")
    return data


def read_part(folder: Path, name: str, limit: int, *, from_end: bool = False) -> bytes:
    """Return the first or the last `limit` bytes of a plain file, however long it is; see `open_regular`."""
    with os.fdopen(open_regular(folder, name, ANY_SIZE), "rb") as file:
        if from_end:
            file.seek(max(0, os.fstat(file.fileno()).st_size - limit))
        return file.read(limit)


def copy_regular(folder: Path, name: str, limit: int, target: Path) -> None:
    """Freeze a plain file: copy its bytes to a path that the candidate never saw."""
    copied = 0
    with os.fdopen(open_regular(folder, name, limit), "rb") as file, target.open("wb") as frozen:
        while chunk := file.read(1 << 20):
            copied += len(chunk)
            if copied > limit:
                raise Unreadable(f"{name} has more than {limit} bytes")
            frozen.write(chunk)


def parse_curve(data: bytes) -> tuple[CurvePoint, ...]:
    """Read progress lines, skipping what is not a finite point; evenly thinned to a bounded number."""
    points = [point for line in data.splitlines() if (point := _point(line)) is not None]
    step = max(1, -(-len(points) // CURVE_POINTS))
    return tuple(points[::-1][::step][::-1])


def read_curve(out: Path, limit: int = PROGRESS_BYTES, *, from_end: bool = False) -> tuple[CurvePoint, ...]:
    """Return what a candidate reports of its training so far; nothing where it wrote nothing that can be used."""
    try:
        return parse_curve(read_part(out, "progress.jsonl", limit, from_end=from_end))
    except (Unreadable, OSError):
        return ()


def _point(line: bytes) -> CurvePoint | None:
    found = _json(line)
    if not isinstance(found, dict):
        return None
    step, loss, elapsed = (_number(found.get(name)) for name in ("step", "loss", "elapsed_s"))
    if step is None or loss is None or elapsed is None:
        return None
    point = CurvePoint(step=int(step), loss=loss, elapsed_s=elapsed)
    return point if point.plausible else None


def parse_outcome(data: bytes) -> tuple[str, str, Claims]:
    """Return (error, traceback, claims) from what the harness wrote; the candidate may have forged it."""
    found = _json(data)
    if not isinstance(found, dict):
        return "", "", Claims()
    raw = found.get("claims")
    claims: dict[str, Any] = raw if isinstance(raw, dict) else {}
    return (
        _line(found.get("error"), ERROR_MESSAGE_BYTES),
        _text(found.get("traceback"), LOG_TAIL_CHARS),
        Claims(
            model_name=_line(claims.get("model_name"), MODEL_NAME_CHARS),
            n_params=_count(claims.get("n_params")),
            steps=_count(claims.get("steps")),
            device=_line(claims.get("device"), MODEL_NAME_CHARS),
            val_bpb=_number(claims.get("val_bpb")),
            notes=_line(claims.get("notes"), ERROR_MESSAGE_BYTES),
        ),
    )


def parse_batches(data: bytes) -> int | None:
    """Return the last count of batches that the harness took down for a train.py that reports no steps."""
    for line in reversed(data.splitlines()):
        found = _json(line)
        if isinstance(found, dict) and found.get("loss", 0) is None:
            return _count(found.get("step"))
    return None


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


def _text(value: object, limit: int) -> str:
    return printable(value, limit) if isinstance(value, str) else ""


def _line(value: object, limit: int) -> str:
    return printable_line(value, limit) if isinstance(value, str) else ""


def _number(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _count(value: object) -> int | None:
    number = _number(value)
    return int(number) if number is not None and 0 <= number < 1e15 else None
