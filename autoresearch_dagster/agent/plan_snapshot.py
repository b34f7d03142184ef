"""The cache of a sleeping plan: one file a session, which may be lost, damaged or foreign at any time."""

import json
import os
from dataclasses import dataclass
from pathlib import Path

from autoresearch_dagster.core.experiment import digest_of

SUFFIX = ".monty"


def snapshot_name(session: str, turn: int) -> str:
    """Name the snapshot file of a turn."""
    return f"{digest_of(session.encode())[:16]}-{turn}{SUFFIX}"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A plan asleep at call `sequence`; what it printed before is not in `state`."""

    sequence: int
    stdout: str
    state: bytes


@dataclass(frozen=True, slots=True)
class SnapshotFile:
    """Where the snapshot of one turn is kept."""

    path: Path

    def save(self, plan: str, version: str, snapshot: Snapshot) -> None:
        """Replace the file; a reader sees the old or the new one."""
        head = {
            "plan": plan,
            "version": version,
            "sequence": snapshot.sequence,
            "stdout": snapshot.stdout,
            "sha256": digest_of(snapshot.state),
        }
        self.path.parent.mkdir(parents=True, exist_ok=True)
        draft = self.path.with_name(f"{self.path.name}.{os.getpid()}")
        draft.write_bytes(json.dumps(head).encode() + b"\n" + snapshot.state)
        draft.replace(self.path)

    def load(self, plan: str, version: str) -> Snapshot | None:
        """Return the snapshot of this plan if every check passes, else None: the plan is then replayed."""
        try:
            line, _, state = self.path.read_bytes().partition(b"\n")
            head = json.loads(line)
            wanted = (plan, version, digest_of(state))
            if (head["plan"], head["version"], head["sha256"]) != wanted:
                return None
            return Snapshot(int(head["sequence"]), str(head["stdout"]), state)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def discard(self) -> None:
        """Remove the file, if there is one."""
        self.path.unlink(missing_ok=True)
