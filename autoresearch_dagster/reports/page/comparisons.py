"""An edit beside what it was made from: its difference, and what a person should look at, while there is room."""

from dataclasses import dataclass

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.experiment import Digest, digest_of
from autoresearch_dagster.evaluation.review import Finding, new_findings, review
from autoresearch_dagster.reports.comparing import too_long
from autoresearch_dagster.reports.page.diffs import Diff, diff
from autoresearch_dagster.reports.page.view import ReportView
from autoresearch_dagster.store.state import Edit

NO_ROOM = "Left out for size."
NOT_REVIEWED = "Not reviewed here: so many edits would take too long."
TOO_LONG = "The code is too long to be compared here."
NOT_KEPT = "The code is not kept any more."
SAME = "train.py is the same."
SAME_AS_PARENT = "The parent's train.py is the baseline's, so this is the difference above."


@dataclass(frozen=True, slots=True)
class Comparison:
    """A diff, or the sentence that stands for it."""

    diff: Diff | None
    note: str = ""
    known_size: str = ""
    """Where the diff is left out and its size is known."""

    @property
    def size(self) -> str:
        """Lines that came and went; '' where that is not known."""
        if self.diff is None:
            return "code unchanged" if self.note == SAME else self.known_size
        return f"+{self.diff.added} −{self.diff.removed} lines"

    @property
    def elsewhere(self) -> bool:
        """Whether a command shows what is not here."""
        return self.note == NO_ROOM

    def brief(self) -> "Comparison":
        """Leave the diff out."""
        return self if self.diff is None else Comparison(None, NO_ROOM, self.size)


@dataclass(frozen=True, slots=True)
class Review:
    """Lines that came with an edit and that a person should look at, or why they are not known."""

    findings: tuple[Finding, ...] = ()
    left_out: int = 0
    note: str = ""

    @property
    def count(self) -> int:
        """All of them, shown or not."""
        return len(self.findings) + self.left_out

    def brief(self) -> "Review":
        """Keep the count."""
        return Review((), self.count, self.note)


class Comparer:
    """Compares and reviews until the page has no room or no time for more."""

    def __init__(self, view: ReportView) -> None:
        """Begin with all the room."""
        self._view = view
        self.baseline = digest_of(view.baseline.encode())
        self._room = limits.REPORT_DIFFS_BYTES
        self._missed = 0
        self._reviews = limits.REPORT_REVIEWS

    def compare(self, before: Digest | None, edit: Edit) -> Comparison:
        """Return the difference of an edit to a train.py, by default to the baseline's."""
        found = self._pair(before, edit)
        if isinstance(found, str):
            return Comparison(None, found)
        if self._missed >= limits.REPORT_DIFFS_MISSED:
            return Comparison(None, NO_ROOM)
        made = diff(*found)
        size = len(made.html.encode())
        if size > self._room:
            self._missed += 1
            return Comparison(made).brief()
        self._room -= size
        return Comparison(made)

    def review(self, before: Digest | None, edit: Edit) -> Review:
        """Return what an edit has that a person should look at and its parent has not."""
        found = self._pair(before, edit)
        if isinstance(found, str):
            return Review(note="" if found == SAME else found)
        if self._reviews <= 0:
            return Review(note=NOT_REVIEWED)
        self._reviews -= 1
        old, new = found
        findings = new_findings(review(new, old))
        shown = findings[: limits.REPORT_REVIEW_LINES]
        return Review(shown, len(findings) - len(shown))

    def _pair(self, before: Digest | None, edit: Edit) -> tuple[str, str] | str:
        """Return both texts, or why they cannot be compared."""
        before = before or self.baseline
        if before == edit.saved.train_py:
            return SAME
        old, new = self._text(before), self._text(edit.saved.train_py)
        if old is None or new is None:
            return NOT_KEPT
        return TOO_LONG if too_long(old, new) else (old, new)

    def _text(self, digest: Digest) -> str | None:
        return self._view.baseline if digest == self.baseline else self._view.code(digest)
