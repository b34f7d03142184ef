"""Which revision an edit starts from: the rule by which history and report compare code."""

from collections.abc import Sequence
from typing import Generic, TypeVar

from autoresearch_dagster.core.experiment import title_key
from autoresearch_dagster.store import events as ev

T = TypeVar("T")


class Latest(Generic[T]):
    """Remembers something of each title's newest revision."""

    def __init__(self) -> None:
        self._known: dict[str, T] = {}

    def parent(self, edit: ev.EditSaved) -> T | None:
        """Return what is known of the revision that an edit starts from; None: it starts from the baseline.

        That is the newest revision of the title it was forked from, as the rules of research have it
        (`agent.rules.edit_rules.parent_of`).  Saving a title again without naming what it is forked from starts
        from the baseline once more, never from the title's last revision.
        """
        return self._known.get(title_key(edit.parent_title)) if edit.parent_title is not None else None

    def save(self, edit: ev.EditSaved, value: T) -> None:
        """Make an edit the newest revision of its title."""
        self._known[title_key(edit.title)] = value


def parents(edits: Sequence[ev.EditSaved]) -> list[int | None]:
    """Return for each edit, in the order in which they were saved, the index of its parent."""
    latest = Latest[int]()
    found: list[int | None] = []
    for index, edit in enumerate(edits):
        found.append(latest.parent(edit))
        latest.save(edit, index)
    return found
