"""How much memory the model thinks that experiments need: asked once for a dispatch, kept within floor and ceiling.

Whatever the model answers, or does not, every experiment gets a size: what runs out of memory all the same is
healed as any other.
"""

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from autoresearch_dagster.agent.model.asking import Asked, Desk, Model, ask
from autoresearch_dagster.agent.model.prices import Prices
from autoresearch_dagster.agent.model.wire import Request
from autoresearch_dagster.agent.prompt import rendered
from autoresearch_dagster.agent.researcher import Message
from autoresearch_dagster.agent.tools.untrusted import visible
from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import BudgetExceeded, ModelFault
from autoresearch_dagster.core.experiment import ExperimentKey, PlannedExperiment
from autoresearch_dagster.store import events as ev

_AMOUNT: Final = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*([KMGT]?)(i?)B?\s*$", re.IGNORECASE)
_POWERS: Final = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_NO_ANSWER: Final = "no estimate: the floor"


def estimate(
    desk: Desk,
    model: Model,
    prices: Prices,
    jobs: Sequence[PlannedExperiment],
    floor_bytes: int,
    ceiling_bytes: int,
) -> list[ev.Event]:
    """Ask once for all jobs; return what is to be written down: the cost, and a size for each.

    Units: bytes.
    """
    state = desk.journal.state(desk.session)
    request = Request(
        system=rendered("sizing", floor=_shown(floor_bytes), ceiling=_shown(ceiling_bytes)),
        messages=[Message("user", _told(desk, jobs))],
        max_tokens=limits.SIZING_TOKENS,
        cache=False,
    )
    try:
        asked = ask(desk, model, prices, request, "sizing", len(state.turns))
    except (BudgetExceeded, ModelFault):
        asked = None
    answer = _read(asked.answer.text) if isinstance(asked, Asked) else {}
    paid: list[ev.Event] = [asked.settled] if isinstance(asked, Asked) else []
    return [*paid, *(_sized(job.key, answer.get(job.key), floor_bytes, ceiling_bytes) for job in jobs)]


def _told(desk: Desk, jobs: Sequence[PlannedExperiment]) -> str:
    """Describe the jobs: config and code of each; one code that several share stands there once."""
    parts: list[str] = []
    codes = list(dict.fromkeys(job.train_py for job in jobs))
    for number, digest in enumerate(codes, start=1):
        source = desk.blobs.get(digest).decode(errors="replace")[: limits.SIZING_CODE_CHARS]
        parts.append(f"Code {number}:\n```python\n{source}\n```")
    for job in jobs:
        config = json.dumps(job.config.model_dump(), sort_keys=True)
        parts.append(f"Job {job.key}: code {codes.index(job.train_py) + 1}, config {config}")
    return "\n\n".join(parts)


def _read(text: str) -> Mapping[str, Any]:
    """Find the JSON object in an answer; nothing where there is none."""
    begin, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[begin : end + 1]) if 0 <= begin < end else {}
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _sized(key: ExperimentKey, said: Any, floor_bytes: int, ceiling_bytes: int) -> ev.ExperimentSized:
    asked = _bytes(said.get("memory")) if isinstance(said, dict) else None
    if asked is None:
        return ev.ExperimentSized(key=key, memory_bytes=floor_bytes, reason=_NO_ANSWER)
    reason = " ".join(visible(str(said.get("reason", ""))).split())[: limits.SIZING_REASON_CHARS]
    return ev.ExperimentSized(key=key, memory_bytes=min(max(asked, floor_bytes), ceiling_bytes), reason=reason)


def _bytes(text: Any) -> int | None:
    """Read an amount as Kubernetes writes it (`3Gi`, `512M`, plain bytes); None where it is none."""
    found = _AMOUNT.match(str(text))
    if found is None:
        return None
    base = 1024 if found[3] else 1000
    try:
        return int(Decimal(found[1]) * base ** _POWERS[found[2].upper()])
    except (InvalidOperation, OverflowError):
        return None


def _shown(amount: int) -> str:
    return f"{amount / limits.GIB:g}Gi"
