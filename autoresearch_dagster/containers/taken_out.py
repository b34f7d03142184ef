"""GPUs that failed and are no slots until a person puts them back: a file for each, seen by every process."""

from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from autoresearch_dagster.core.experiment import Data, digest_of
from autoresearch_dagster.core.folders import write_whole
from autoresearch_dagster.core.settings import Settings

NAME_CHARS = 32  # of a digest: the UUID of an old MIG instance has slashes in it


class TakenOut(Data):
    """A device that failed: what was wrong, and when that was found."""

    gpu: str
    name: str
    reason: str
    at: datetime


def take_out(settings: Settings, gpu: str, name: str, reason: str, now: datetime | None = None) -> TakenOut:
    """Let no experiment have this device any more; the first reason stays.

    Args:
        settings: of this machine.
        gpu: its UUID.
        name: for a person.
        reason: what is wrong with it, in words.
        now: the time; the clock's by default.
    """
    found = next((one for one in taken_out(settings) if one.gpu == gpu), None)
    if found is not None:
        return found
    record = TakenOut(gpu=gpu, name=name, reason=reason, at=now or datetime.now(UTC))
    path = _folder(settings) / f"{digest_of(gpu.encode())[:NAME_CHARS]}.json"
    write_whole(path, record.model_dump_json().encode())  # several experiments may find it at once
    return record


def taken_out(settings: Settings) -> list[TakenOut]:
    """Return the devices that are out, the first one first."""
    found: list[TakenOut] = []
    for path in _folder(settings).glob("*.json"):
        try:
            found.append(TakenOut.model_validate_json(path.read_bytes()))
        except (OSError, ValidationError):  # put back meanwhile, or no record of ours
            continue
    return sorted(found, key=lambda record: record.at)


def put_back(settings: Settings) -> list[TakenOut]:
    """Let every device be a slot again; return those that were out."""
    found = taken_out(settings)
    for path in _folder(settings).glob("*.json"):
        path.unlink(missing_ok=True)
    return found


def _folder(settings: Settings) -> Path:
    return settings.home.resolve() / "gpus"
