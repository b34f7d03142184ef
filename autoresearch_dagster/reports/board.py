"""What is running now, for a person who watches.  In memory only: nothing rests on it."""

import threading
from dataclasses import dataclass, field, replace
from typing import Protocol

from autoresearch_dagster.core.experiment import CurvePoint, ExperimentKey, ExperimentResult
from autoresearch_dagster.core.slot import Slot


@dataclass(frozen=True, slots=True)
class Card:
    """One experiment as a watcher sees it."""

    key: ExperimentKey
    title: str
    stage: str = "waiting"
    slot: str = ""
    point: CurvePoint | None = None
    used_s: float = 0.0
    left_s: float = 0.0
    losses: tuple[float, ...] = field(default=())
    result: ExperimentResult | None = None


class Cards(Protocol):
    """Whoever knows what runs."""

    def cards(self) -> list[Card]:
        """Return the cards as they are now, in planned order."""
        ...


class Board:
    """A thread-safe set of cards in planned order."""

    def __init__(self) -> None:
        self._cards: dict[ExperimentKey, Card] = {}
        self._news: list[Card] = []
        self._lock = threading.Lock()

    def add(self, key: ExperimentKey, title: str) -> None:
        """Show an experiment that waits for a slot."""
        with self._lock:
            self._cards.setdefault(key, Card(key, title))

    def stage(self, key: ExperimentKey, stage: str, slot: Slot | None = None) -> None:
        """Say what happens to it now and in which slot."""
        with self._lock:
            card = self._cards[key]
            now = self._cards[key] = replace(card, stage=stage, slot=str(slot) if slot else card.slot)
            if now != card:
                self._news.append(now)

    def progress(self, key: ExperimentKey, point: CurvePoint | None, used_s: float, left_s: float) -> None:
        """Record a look at its training."""
        with self._lock:
            card = self._cards[key]
            fresh = point is not None and point != card.point
            losses = (*card.losses, point.loss) if fresh and point is not None else card.losses
            self._cards[key] = replace(card, point=point or card.point, used_s=used_s, left_s=left_s, losses=losses)

    def finish(self, key: ExperimentKey, result: ExperimentResult) -> None:
        """Show its result."""
        with self._lock:
            self._cards[key] = replace(self._cards[key], stage="done", result=result)

    def cards(self) -> list[Card]:
        """Return the cards as they are now."""
        with self._lock:
            return list(self._cards.values())

    def news(self) -> list[Card]:
        """Return a card for each stage that an experiment came to since this was asked last, in their order."""
        with self._lock:
            news, self._news = self._news, []
            return news
