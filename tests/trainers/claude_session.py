"""A session that Claude plans, for tests that harm it: what it replies, and faults to put before its next replies.

It looks around, makes a mistake and corrects it, launches two batches of two (the second in two launches) and ends
with a final answer.
"""

import random
import shutil
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.store import Store
from tests.anthropic_server import Held, Seen
from tests.claude import FINAL, LOOK, batch, turns_of
from tests.trainers.laboratory import sleeps

NOTE = "Mind the budget of tokens."
TRAINS_S = 0.3
CODES = tuple(sleeps(TRAINS_S, sharpness) for sharpness in (0.9, 0.8, 0.7, 0.6))
EDITS = tuple(
    {"title": title, "train_py": code, "config_overrides": overrides, "change_summary": title}
    for title, code, overrides in zip(
        ("first", "second", "third", "fourth"),
        CODES,
        ({"learning_rate": 0.002}, {"dropout": 0.1}, {"learning_rate": 0.004}, {"dropout": 0.2}),
        strict=True,
    )
)
MISTAKEN = "Now a mistake.\n\n```python\nprint('so far')\nget_budget()['no such thing']\n```"
TWO_LAUNCHES = f"""One after the other.

```python
claims = [
    {{"title": "third", "hypothesis": "it helps", "expected_effect": "-0.01 bpb"}},
    {{"title": "fourth", "hypothesis": "it helps more", "expected_effect": "-0.02 bpb"}},
]
record_batch_plan("second", claims)
record_batch_hypotheses(claims)
saved = edit_train_code_batch({list(EDITS[2:])!r})
one = run_experiment("third")
print("third", one["val_bpb"] is not None)
try:
    one["no such thing"]
except KeyError:
    two = run_experiment("fourth")
[saved["errors"], one["val_bpb"], two["val_bpb"]]
```"""
REPLIES = (LOOK, MISTAKEN, batch(*EDITS[:2]), TWO_LAUNCHES, FINAL)


class ClaudeScript:
    """Answers by the conversation; looks into the journal whether it may be asked at all.

    `faults` come before the next replies, one for each request: functions of the reply.
    """

    def __init__(self) -> None:
        self.faults: deque[Callable[[str], Any]] = deque()
        self.answered = threading.Semaphore(0)
        """Released whenever a whole reply is about to leave."""
        self.store: Store | None = None
        """The store of the session at hand, the only one in `session`."""
        self.session = ""

    def __call__(self, seen: Seen) -> Any:
        """Reply; a request that should not have been made is an error of the test."""
        turn = turns_of(seen)
        self._ensure_due(turn)
        reply = REPLIES[min(turn, len(REPLIES) - 1)]
        if self.faults:
            return self.faults.popleft()(reply)
        self.answered.release()
        return reply

    def _ensure_due(self, turn: int) -> None:
        if self.store is None:
            return
        records = [one.event for one in self.store.journal.events(self.session)]
        asked = {one.ticket: one.turn for one in records if isinstance(one, ev.ModelAsked)}
        answered = {asked[one.ticket] for one in records if isinstance(one, ev.ModelAnswered)}
        assert turn + 1 in asked.values(), f"turn {turn + 1} is sent, and no reservation is in the journal"
        assert turn + 1 not in answered, f"turn {turn + 1} is asked again after its answer was stored"


def held(reply: str) -> Held:
    """Let the model think until the server is told to release it."""
    return Held(reply)


def damage_snapshots(folder: Path, rng: random.Random) -> str:
    """Do one harm to the snapshots of sleeping plans, or none; return which."""
    found = sorted(folder.glob("*")) if folder.exists() else []
    harm = rng.choice(("kept", "deleted", "cut", "flipped"))
    if not found or harm == "kept":
        return "kept" if found else "none there"
    for path in found:
        data = bytearray(path.read_bytes())
        if harm == "cut":
            path.write_bytes(data[: rng.randrange(len(data))])
        elif harm == "flipped":
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
            path.write_bytes(data)
    if harm == "deleted":
        shutil.rmtree(folder)
    return harm
