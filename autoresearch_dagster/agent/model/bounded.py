"""Ends what a server sends without end: comments and pings that keep a connection alive, or bytes by the million.

It hangs on the client, so that it holds for replies, counts and texts of errors alike.
"""

import time
from collections.abc import Iterator

import httpx2

from autoresearch_dagster.core import limits
from autoresearch_dagster.core.errors import ModelFault


def bound(response: httpx2.Response) -> None:
    """Let the body of a response have `MODEL_REPLY_S` from now on, and `MODEL_REPLY_BYTES`; for an event hook."""
    assert isinstance(response.stream, httpx2.SyncByteStream)
    response.stream = _Bounded(response.stream)


class _Bounded(httpx2.SyncByteStream):
    """A body that is looked at whenever bytes of it come, whether or not they make an event."""

    def __init__(self, stream: httpx2.SyncByteStream) -> None:
        self._stream = stream
        self._ends = time.monotonic() + limits.MODEL_REPLY_S

    def __iter__(self) -> Iterator[bytes]:
        """Read on.

        Raises:
            ModelFault: it takes too long, or is too long.
        """
        read = 0
        for chunk in self._stream:
            read += len(chunk)
            if time.monotonic() > self._ends:
                raise ModelFault(
                    f"The model did not finish a reply in {limits.MODEL_REPLY_S:.0f} s.",
                    "cut",
                    possibly_charged=True,
                )
            if read > limits.MODEL_REPLY_BYTES:
                raise ModelFault(
                    f"The model's reply is longer than {limits.MODEL_REPLY_BYTES:,} bytes.",
                    "cut",
                    possibly_charged=True,
                )
            yield chunk

    def close(self) -> None:
        """Give the connection back."""
        self._stream.close()
