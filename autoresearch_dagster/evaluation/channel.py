"""The wire between the evaluator and a sealed model server: a Unix socket, exact byte counts, deadlines.

The evaluator listens; the server connects and can only ever fill a buffer whose size we chose.

Frames (little-endian), see `trainer_image/harness.py` for the other end:
    hello    evaluator -> server   `<4s7I`: b"ARE1", version 2, rows B, targets T, vocabulary V, itemsize,
                                   1 if only one position of each row is answered, number of stand-in requests
    request  evaluator -> server   int32 [B, T]; for a server of single positions then int32 [B], the positions
    answer   server -> evaluator   one status byte, then 0: float [B, T, V] or float [B, V]; 1: an error text of
                                   fixed length
    load     evaluator -> server   b"L"; the server imports the candidate, loads its model and sends a status byte

The stand-in requests come before `load`: until then nothing of the candidate has run in the server.
"""

import contextlib
import math
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.containers.escape import printable_line
from autoresearch_dagster.core.limits import ERROR_MESSAGE_BYTES, POLL_S
from autoresearch_dagster.evaluation.failures import ServerFailed

HELLO = struct.Struct("<4s7I")
MAGIC = b"ARE1"
VERSION = 2
OK = b"\0"
LOAD = b"L"
SOCKET_NAME = "channel.sock"
Wire = Literal["fp16", "fp32"]
DTYPES: dict[Wire, type[np.floating]] = {"fp16": np.float16, "fp32": np.float32}


@dataclass(frozen=True, slots=True)
class Shape:
    """The fixed shape of every request and answer of one server.

    Shapes: requests int32 [rows, targets]; answers [rows, targets, vocab], or [rows, vocab] where `single`.
    """

    rows: int
    targets: int
    vocab: int
    wire: Wire
    single: bool = False

    @property
    def answer(self) -> tuple[int, ...]:
        """Shape of an answer."""
        return (self.rows, self.vocab) if self.single else (self.rows, self.targets, self.vocab)

    @property
    def itemsize(self) -> int:
        """Bytes of one logit."""
        return np.dtype(DTYPES[self.wire]).itemsize


class Channel:
    """One connection to one model server.  Use as a context manager around the server's life."""

    def __init__(self, folder: Path, shape: Shape) -> None:
        self._shape = shape
        self._path = folder / SOCKET_NAME
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(self._path))
        self._path.chmod(0o777)  # the server runs under another uid
        self._listener.listen(1)
        self._connection: socket.socket | None = None
        self._buffer = bytearray(math.prod(shape.answer) * shape.itemsize)

    def __enter__(self) -> "Channel":
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._connection, self._listener):
            if end is not None:
                end.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def accept(self, seconds: float, alive: Callable[[], bool]) -> None:
        """Wait for the server to connect: it has imported torch and nothing of the candidate.

        Raises:
            ServerFailed: it ended or was silent for `seconds`.
        """
        deadline = time.monotonic() + seconds
        self._listener.settimeout(POLL_S)
        while self._connection is None:
            try:
                self._connection, _ = self._listener.accept()
            except TimeoutError:
                if not alive():
                    raise ServerFailed("the model server ended before it connected") from None
                if time.monotonic() > deadline:
                    raise ServerFailed(f"the model server did not connect within {seconds:.0f} s") from None
        self._listener.close()  # one connection only: nothing else inside can speak for the model

    def greet(self, stand_ins: int, seconds: float) -> None:
        """Say what will be asked: the shape, and how many requests its stand-in answers first."""
        shape = self._shape
        sizes = (shape.rows, shape.targets, shape.vocab, shape.itemsize, int(shape.single), stand_ins)
        self._send(HELLO.pack(MAGIC, VERSION, *sizes), time.monotonic() + seconds)

    def load(self, seconds: float) -> None:
        """Let the server import the candidate and load its model.

        Raises:
            ServerFailed: it ended, was silent for `seconds`, or reported that it cannot load.
        """
        deadline = time.monotonic() + seconds
        self._send(LOAD, deadline)
        self._status(deadline)

    def request(
        self, tokens: npt.NDArray[np.integer], seconds: float, positions: npt.NDArray[np.integer] | None = None
    ) -> None:
        """Send one batch of inputs without waiting for the answer.

        Shapes: tokens [B, T]; positions [B], exactly where the server answers single positions.
        """
        if tokens.shape != (self._shape.rows, self._shape.targets):
            raise ValueError(f"A request is {self._shape.rows} x {self._shape.targets}, not {tokens.shape}.")
        if (positions is not None) != self._shape.single:
            raise ValueError("Positions belong to the requests of a server of single positions.")
        data = np.ascontiguousarray(tokens, dtype="<i4").tobytes()
        if positions is not None:
            data += np.ascontiguousarray(positions, dtype="<i4").tobytes()
        self._send(data, time.monotonic() + seconds)

    def answer(self, seconds: float) -> npt.NDArray[np.floating]:
        """Receive the answer to the oldest request, in the shape of `Shape.answer`.

        The array is the channel's own and is overwritten by the next answer.

        Raises:
            ServerFailed: it is late, cut short, or an error.
        """
        deadline = time.monotonic() + seconds
        self._status(deadline)
        self._receive(memoryview(self._buffer), deadline)
        return np.frombuffer(self._buffer, dtype=DTYPES[self._shape.wire]).reshape(self._shape.answer)

    def _status(self, deadline: float) -> None:
        status = bytearray(1)
        self._receive(memoryview(status), deadline)
        if bytes(status) == OK:
            return
        message = bytearray(ERROR_MESSAGE_BYTES)
        self._receive(memoryview(message), deadline)
        told = printable_line(bytes(message).rstrip(b"\0"), ERROR_MESSAGE_BYTES)
        raise ServerFailed("the model server reported an error", told)

    def _receive(self, view: memoryview, deadline: float) -> None:
        connection = self._connected()
        while view:
            left = deadline - time.monotonic()
            if left <= 0:
                raise ServerFailed("the model server did not answer in time")
            connection.settimeout(left)
            try:
                count = connection.recv_into(view)
            except TimeoutError:
                continue
            except OSError as fault:
                raise ServerFailed("the model server broke the connection") from fault
            if count == 0:
                raise ServerFailed("the model server closed the connection")
            view = view[count:]

    def _send(self, data: bytes, deadline: float) -> None:
        connection = self._connected()
        connection.settimeout(max(POLL_S, deadline - time.monotonic()))
        try:
            connection.sendall(data)
        except TimeoutError as fault:
            raise ServerFailed("the model server did not read its request in time") from fault
        except OSError as fault:
            raise ServerFailed("the model server broke the connection") from fault

    def _connected(self) -> socket.socket:
        if self._connection is None:
            raise ServerFailed("the model server is not connected")
        return self._connection
