"""What the page is made from."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo

from autoresearch_dagster.reports.history import Code
from autoresearch_dagster.store import events as ev
from autoresearch_dagster.store.state import SessionState


@dataclass(frozen=True, slots=True)
class ReportView:
    """A session with everything that its report tells; equal views make equal pages."""

    state: SessionState
    events: Sequence[ev.Recorded]
    code: Code
    """Reads a text of the blob store by its digest: a train.py, a training curve."""
    baseline: str
    """The train.py that research starts from."""
    now: datetime
    """When the page is made."""
    zone: tzinfo | None = None
    """Of the times that are shown; None: this machine's."""

    @property
    def live(self) -> bool:
        """Whether the session goes on, so that the page will be made again."""
        return self.state.status == "active"
