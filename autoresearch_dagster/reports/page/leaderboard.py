"""The tab of all candidates, ranked, with the words by which they are filtered."""

from collections import Counter
from dataclasses import dataclass

from autoresearch_dagster.core.experiment import ExperimentKey, Standing
from autoresearch_dagster.core.figures import NONE
from autoresearch_dagster.core.progress import in_time
from autoresearch_dagster.reports.page.figures import clock
from autoresearch_dagster.reports.page.markup import short
from autoresearch_dagster.reports.page.view import ReportView
from autoresearch_dagster.reports.tables import delta_text, gain_text, score_text, standing_word
from autoresearch_dagster.store.leaderboard import Row, leaderboard

ORDER = (
    *(str(one) for one in (Standing.CHAMPION, Standing.CONFIRMED, Standing.SCREENED)),
    *(str(one) for one in (Standing.WITHIN_NOISE, Standing.REGRESSION)),
)
"""Standings from the best to the worst; what has none comes after them."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """One row: what is shown, and beside it what it is sorted by."""

    rank: int
    key: ExperimentKey
    title: str
    parent: str
    score: str
    val_bpb: float | None
    delta: str
    delta_bpb: float | None
    gain: str
    gain_bpb: float | None
    word: str
    labels: str
    steps: str
    n_steps: int | None
    took: str
    took_s: float
    planned_at: str
    why: str


@dataclass(frozen=True, slots=True)
class Filter:
    """A word and how many candidates have it."""

    word: str
    name: str
    count: int


@dataclass(frozen=True, slots=True)
class Leaderboard:
    """All of the tab but its chart."""

    rows: tuple[Candidate, ...]
    filters: tuple[Filter, ...]

    @property
    def first(self) -> tuple[int, ...]:
        """Places of the rows, the most valuable first: the champion, then by rank."""
        order = sorted(range(len(self.rows)), key=lambda at: self.rows[at].word != str(Standing.CHAMPION))
        return tuple(order)


def leaderboard_of(view: ReportView) -> Leaderboard:
    """Rank the candidates."""
    rows = tuple(_candidate(view, row) for row in leaderboard(view.state))
    counts = Counter(row.word for row in rows)
    known = [word for word in ORDER if word in counts]
    words = [*known, *sorted(word for word in counts if word not in ORDER)]
    return Leaderboard(rows, tuple(Filter(word, named(word), counts[word]) for word in words))


def named(word: str) -> str:
    """Write a standing or an outcome as words."""
    return word.replace("_", " ")


def _candidate(view: ReportView, row: Row) -> Candidate:
    finished = row.outcome is not None
    return Candidate(
        rank=row.rank,
        key=row.key,
        title=short(row.title),
        parent=short(row.parent_title or ""),
        score=score_text(row),
        val_bpb=row.val_bpb,
        delta=delta_text(row) or NONE,
        delta_bpb=row.delta_vs_best,
        gain=gain_text(row) or NONE,
        gain_bpb=row.gain_bpb,
        word=standing_word(row),
        labels=", ".join(named(label) for label in row.labels),
        steps=str(row.steps) if row.steps is not None else NONE,
        n_steps=row.steps,
        took=in_time(row.duration_sec) if finished else NONE,
        took_s=row.duration_sec,
        planned_at=clock(row.planned_at, view.zone),
        why=short(row.judgement or row.error),
    )
