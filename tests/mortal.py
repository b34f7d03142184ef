"""A journal whose process dies around the nth of its transactions."""

from contextlib import contextmanager
from typing import Any


class Killed(BaseException):
    pass


class Mortal:
    """A journal whose process dies around its nth transaction."""

    def __init__(self, journal: Any, fuse: list[int], when: str) -> None:
        self.journal, self.fuse, self.when = journal, fuse, when
        self.state, self.events = journal.state, journal.events

    @contextmanager
    def transaction(self, session: str, lease: Any = None):
        self.fuse[0] -= 1
        with self.journal.transaction(session, lease) as tx:
            yield tx
            if self.fuse[0] == 0 and self.when == "before":
                raise Killed
        if self.fuse[0] == 0:
            raise Killed
