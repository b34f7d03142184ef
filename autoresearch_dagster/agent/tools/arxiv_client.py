"""The `arxiv` library within bounds of our own: it sets none to a request's time or to the size of an answer."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import arxiv

from autoresearch_dagster.core import limits


@dataclass(frozen=True, slots=True)
class Paper:
    """What the agent is told of a paper; both texts are a stranger's."""

    title: str
    summary: str


@dataclass(frozen=True, slots=True)
class _Page:
    status_code: int
    content: bytes


class _BoundedSession:
    """The library's connection, with a time for each read and a size for each answer."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def get(self, url: str, headers: Mapping[str, str]) -> _Page:
        """Fetch a page.

        Raises:
            OSError: the connection failed, or the answer is too large.
        """
        content = bytearray()
        with self._session.get(url, headers=headers, timeout=limits.ARXIV_READ_S, stream=True) as reply:
            for chunk in reply.iter_content(64 * 1024):
                content += chunk
                if len(content) > limits.ARXIV_BYTES:
                    raise OSError("the answer is too large")
            return _Page(reply.status_code, bytes(content))


class _Client(arxiv.Client):
    def __init__(self, url: str, delay_s: float) -> None:
        super().__init__(page_size=limits.ARXIV_RESULTS, delay_seconds=delay_s, num_retries=0)
        self.query_url_format = f"{url}?{{}}"
        self._session: Any = _BoundedSession(self._session)  # the library offers no other place for its bounds


@cache
def _client(url: str, delay_s: float) -> _Client:
    """One client for the whole process: it is what keeps requests apart, as arXiv's terms ask."""
    return _Client(url, delay_s)


def find_papers(url: str, query: str, count: int, delay_s: float) -> list[Paper]:
    """Ask for the papers that fit a query best; a server that cannot answer is asked once more.

    Raises:
        arxiv.HTTPError: the server answered something else than papers.
        OSError: it cannot be reached.
        ValueError: its answer cannot be read.
    """
    search = arxiv.Search(query=f"all:{query}", max_results=count)
    for left in reversed(range(limits.ARXIV_TRIES)):
        try:
            return [Paper(found.title, found.summary) for found in _client(url, delay_s).results(search)]
        except arxiv.HTTPError as fault:
            if fault.status < 500 or not left:
                raise
        except OSError:
            if not left:
                raise
    raise AssertionError("the last try returns or raises")


def status_of(fault: BaseException) -> int | None:
    """Return the status that a server answered with instead of papers; None: it did not answer at all."""
    return fault.status if isinstance(fault, arxiv.HTTPError) else None
