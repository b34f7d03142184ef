"""The wire to a model server, against one that ends, is silent, does not read, or breaks off."""

import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from autoresearch_dagster.evaluation.channel import SOCKET_NAME, Channel, Shape
from autoresearch_dagster.evaluation.failures import ServerFailed

SMALL = Shape(rows=2, targets=3, vocab=5, wire="fp32")
LARGE = Shape(rows=4, targets=200_000, vocab=2, wire="fp16")
SHORT_S = 0.05


@pytest.fixture
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("c")  # short: the path of a socket has 103 bytes at most


@pytest.fixture
def ends(folder: Path) -> Iterator[tuple[Channel, socket.socket]]:
    """Our end and the server's."""
    with Channel(folder, SMALL) as channel, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.connect(str(folder / SOCKET_NAME))
        channel.accept(5, lambda: True)
        yield channel, server


def test_a_server_that_ends_before_it_connects_is_not_waited_for(folder: Path) -> None:
    with Channel(folder, SMALL) as channel, pytest.raises(ServerFailed, match="ended before it connected"):
        channel.accept(60, lambda: False)


def test_a_server_that_never_connects_is_given_up(folder: Path) -> None:
    with Channel(folder, SMALL) as channel, pytest.raises(ServerFailed, match="did not connect within"):
        channel.accept(0, lambda: True)


def test_a_server_that_takes_its_time_to_connect_is_waited_for(folder: Path) -> None:
    with Channel(folder, SMALL) as channel, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:

        def alive() -> bool:
            server.connect(str(folder / SOCKET_NAME))
            return True

        channel.accept(60, alive)
        channel.greet(0, 5)
        assert server.recv(4) == b"ARE1"


def test_nothing_is_sent_before_it_connects(folder: Path) -> None:
    with Channel(folder, SMALL) as channel, pytest.raises(ServerFailed, match="is not connected"):
        channel.load(SHORT_S)


def test_a_channel_that_was_left_leaves_no_socket(folder: Path) -> None:
    with Channel(folder, SMALL):
        assert (folder / SOCKET_NAME).exists()
    assert not (folder / SOCKET_NAME).exists()


def test_a_request_of_another_shape_is_our_mistake(ends: tuple[Channel, socket.socket]) -> None:
    channel, _ = ends

    with pytest.raises(ValueError, match="2 x 3"):
        channel.request(np.zeros((2, 4), dtype=np.int32), SHORT_S)
    with pytest.raises(ValueError, match="single positions"):
        channel.request(np.zeros((2, 3), dtype=np.int32), SHORT_S, np.zeros(2, dtype=np.int32))


def test_a_server_that_is_silent_is_given_up(ends: tuple[Channel, socket.socket]) -> None:
    channel, _ = ends

    with pytest.raises(ServerFailed, match="did not answer in time"):
        channel.answer(SHORT_S)


def test_an_answer_that_is_cut_short_is_none(ends: tuple[Channel, socket.socket]) -> None:
    channel, server = ends
    server.sendall(b"\0" + b"x" * 7)
    server.close()

    with pytest.raises(ServerFailed, match="closed the connection"):
        channel.answer(5)


def test_a_connection_that_breaks_while_we_listen_is_told(ends: tuple[Channel, socket.socket]) -> None:
    channel, server = ends
    channel.request(np.zeros((2, 3), dtype=np.int32), 5)
    server.close()  # with a request unread: a reset

    with pytest.raises(ServerFailed, match="broke the connection"):
        channel.answer(5)


def test_a_connection_that_is_gone_when_we_speak_is_told(ends: tuple[Channel, socket.socket]) -> None:
    channel, server = ends
    server.close()

    with pytest.raises(ServerFailed, match="broke the connection"):
        channel.load(5)


def test_a_server_that_does_not_read_is_given_up(folder: Path) -> None:
    with Channel(folder, LARGE) as channel, socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as server:
        server.connect(str(folder / SOCKET_NAME))
        channel.accept(5, lambda: True)
        with pytest.raises(ServerFailed, match="did not read its request in time"):
            channel.request(np.zeros((4, 200_000), dtype=np.int32), SHORT_S)


def test_what_a_server_reports_is_one_printable_line(ends: tuple[Channel, socket.socket]) -> None:
    channel, server = ends
    server.sendall(b"\1" + b"first\n\x1b[2Jsecond".ljust(1024, b"\0"))

    with pytest.raises(ServerFailed) as failed:
        channel.answer(5)
    assert "\n" not in failed.value.told
    assert "\x1b" not in failed.value.told
    assert "second" in failed.value.told
