"""The wire between the evaluator and a sealed model server: a Unix socket, exact byte counts, deadlines.

The evaluator listens; the server connects and can only ever fill a buffer whose size we chose.

Frames (little-endian), see `trainer_image/harness.py` for the other end:
    hello    evaluator -> server   `<4sIIIII`: b"ARE1", version 1, rows B, targets T, vocabulary V, itemsize
    request  evaluator -> server   int32 [B, T]
    answer   server -> evaluator   one status byte, then 0: float [B, T, V]; 1: an error text of fixed length
"""

import contextlib
import socket
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from autoresearch_dagster.containers.escape import printable
from autoresearch_dagster.core.limits import ERROR_MESSAGE_BYTES, POLL_S
from autoresearch_dagster.evaluation.failures import ServerFailed

HELLO = struct.Struct("<4sIIIII")
MAGIC = b"ARE1"
VERSION = 1
OK = b"\0"
SOCKET_NAME = "channel.sock"
Wire = Literal["fp16", "fp32"]
DTYPES: dict[Wire, type[np.floating]] = {"fp16": np.float16, "fp32": np.float32}


@dataclass(frozen=True, slots=True)
class Shape:
    """The fixed shape of every request (B, T) and answer (B, T, V) of one evaluation."""

    rows: int
    targets: int
    vocab: int
    wire: Wire

    @property
    def answer_bytes(self) -> int:
        """Exact length of a good answer."""
        return self.rows * self.targets * self.vocab * np.dtype(DTYPES[self.wire]).itemsize


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
        self._buffer = bytearray(shape.answer_bytes)

    def __enter__(self) -> "Channel":
        return self

    def __exit__(self, *_: object) -> None:
        for end in (self._connection, self._listener):
            if end is not None:
                end.close()
        with contextlib.suppress(FileNotFoundError):
            self._path.unlink()

    def accept(self, seconds: float, alive: Callable[[], bool]) -> None:
        """Wait for the server to connect, load its model and say so.

        Raises:
            ServerFailed: it ended, was silent for `seconds`, or reported that it cannot load.
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
        itemsize = np.dtype(DTYPES[self._shape.wire]).itemsize
        shape = self._shape
        self._send(HELLO.pack(MAGIC, VERSION, shape.rows, shape.targets, shape.vocab, itemsize), deadline)
        self._status(deadline)

    def request(self, tokens: npt.NDArray[np.int32], seconds: float) -> None:
        """Send one batch of inputs, int32 [B, T], without waiting for the answer."""
        if tokens.shape != (self._shape.rows, self._shape.targets):
            raise ValueError(f"A request is {self._shape.rows} x {self._shape.targets}, not {tokens.shape}.")
        self._send(np.ascontiguousarray(tokens, dtype="<i4").tobytes(), time.monotonic() + seconds)

    def answer(self, seconds: float) -> npt.NDArray[np.floating]:
        """Receive the answer to the oldest request: float [B, T, V], a copy.

        Raises:
            ServerFailed: it is late, cut short, or an error.
        """
        deadline = time.monotonic() + seconds
        self._status(deadline)
        self._receive(memoryview(self._buffer), deadline)
        flat = np.frombuffer(self._buffer, dtype=DTYPES[self._shape.wire])
        return flat.reshape(self._shape.rows, self._shape.targets, self._shape.vocab).copy()

    def _status(self, deadline: float) -> None:
        status = bytearray(1)
        self._receive(memoryview(status), deadline)
        if bytes(status) == OK:
            return
        message = bytearray(ERROR_MESSAGE_BYTES)
        self._receive(memoryview(message), deadline)
        told = printable(bytes(message).rstrip(b"\0"), ERROR_MESSAGE_BYTES)
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
