"""When to try again what did not go away: at once for something new, then ever more seldom."""

from collections.abc import Collection, Mapping

from pydantic import TypeAdapter, ValidationError

from autoresearch_dagster.core.experiment import Data
from autoresearch_dagster.core.limits import MAINTENANCE_AGAIN_MAX_S, MAINTENANCE_AGAIN_S


class Waiting(Data):
    """How often something was asked for, and when it may be asked for again (seconds since the epoch)."""

    times: int
    until: float


Memory = Mapping[str, Waiting]
_MEMORY: TypeAdapter[dict[str, Waiting]] = TypeAdapter(dict[str, Waiting])


def recall(text: str | None) -> Memory:
    """Read a memory; an empty or unreadable one is forgotten."""
    try:
        return _MEMORY.validate_json(text or "{}")
    except ValidationError:
        return {}


def retain(memory: Memory) -> str:
    """Write a memory down."""
    return _MEMORY.dump_json(dict(memory)).decode()


def due(found: Collection[str], memory: Memory, now: float) -> tuple[bool, Memory]:
    """Whether to ask now, and what to remember: whatever is not found any more is forgotten."""
    known = {name: waiting for name, waiting in memory.items() if name in found}
    if not any(name not in known or known[name].until <= now for name in found):
        return False, known
    return True, {name: _again(known.get(name), now) for name in found}


def _again(waiting: Waiting | None, now: float) -> Waiting:
    times = waiting.times + 1 if waiting else 1
    pause = MAINTENANCE_AGAIN_S * 2.0 ** min(times - 1, 32)
    return Waiting(times=times, until=now + min(pause, MAINTENANCE_AGAIN_MAX_S))
