"""What trains where, seen from outside: for a person who watches a session that another process drives.

The journal says which experiment is in which slot; its curve is read where its container writes it, which only
works on the machine that trains it.
"""

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from autoresearch_dagster.containers.machine_slots import machine_slots
from autoresearch_dagster.core.errors import AutoresearchError
from autoresearch_dagster.core.folders import find_folders
from autoresearch_dagster.core.presets import preset
from autoresearch_dagster.core.settings import Settings
from autoresearch_dagster.experiments.attempt_record import FILE, AttemptRecord
from autoresearch_dagster.experiments.laboratory import scratch_prefix
from autoresearch_dagster.experiments.outlook import time_left_s
from autoresearch_dagster.reports.board import Card
from autoresearch_dagster.reports.pulse import pulse
from autoresearch_dagster.store.journal import utc_now
from autoresearch_dagster.store.state import Experiment, SessionState
from autoresearch_dagster.store.store import Store
from autoresearch_dagster.training.safe_read import read_curve


class Watch:
    """Looks at one session again and again; writes nothing."""

    def __init__(self, settings: Settings, store: Store, session: str) -> None:
        """Watch a session; what was trained before this moment is not told again."""
        self._settings = settings
        self._store = store
        self._session = session
        self._known = {key for key, one in self.state().everything.items() if one.result is not None}
        self._slots = self._slots_here()

    def state(self) -> SessionState:
        """The session as it stands."""
        return self._store.journal.state(self._session)

    def pulse(self) -> str:
        """Say in a line how far the session is."""
        state = self.state()
        return pulse(state, time_left_s(state, utc_now(), self._slots))

    def _slots_here(self) -> int:
        """Count the slots of this machine; as many as the session may use where it has none of its kind."""
        config = self.state().config
        chosen = preset(config.preset)
        try:
            return len(machine_slots(self._settings, chosen.slot_kind, chosen.name))
        except AutoresearchError:
            return config.concurrency

    def cards(self) -> list[Card]:
        """Return what waits, runs, or was finished since the watch began, in planned order."""
        everything = self.state().everything
        return [self._card(one) for key, one in everything.items() if key not in self._known]

    def _card(self, one: Experiment) -> Card:
        card = Card(one.planned.key, one.planned.shown_as, slot=one.slot)
        if one.result is not None:
            return replace(card, stage="done", result=one.result)
        if one.started_at is None:
            return card
        record, out = self._under_way(one)
        if record is None or record.ready is None:
            return replace(card, stage="starting")
        if record.report is not None:
            return replace(card, stage="scoring", losses=tuple(point.loss for point in record.report.curve))
        return self._training(card, one, out)

    def _training(self, card: Card, one: Experiment, out: Path) -> Card:
        curve = read_curve(out)
        used_s = curve[-1].elapsed_s if curve else 0.0
        return replace(
            card,
            stage="training",
            point=curve[-1] if curve else None,
            losses=tuple(point.loss for point in curve),
            used_s=used_s,
            left_s=max(0.0, one.planned.config.time_budget_sec - used_s),
        )

    def _under_way(self, one: Experiment) -> tuple[AttemptRecord | None, Path]:
        for workspace in find_folders(scratch_prefix(self._settings, one.planned.key)):
            with suppress(OSError, ValueError):  # another user's, or being made or removed just now
                if workspace.stat().st_uid == os.geteuid():
                    record = AttemptRecord.model_validate_json((workspace / FILE).read_bytes())
                    if record.attempt == one.attempts:
                        return record, workspace / "out"
        return None, Path()
