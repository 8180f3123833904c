"""How connections end when a client is still sending, or does nothing at all."""

from __future__ import annotations

import asyncio
import gc
import socket
import time
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvicorn

from sbhooks.garbage import no_cycles
from sbhooks_server import connections, endings
from sbhooks_server.connections import HttpConnection, WebSocketConnection

from .conftest import PATIENCE_S, Listening, Process, Serving
from .crowd import UPGRADE, frame

MORE_THAN_BUFFERS = b"x" * (20 << 20)
LARGE = 40 << 20


async def large(scope: Any, receive: Any, send: Any) -> None:
    """Answers with more than any buffer holds."""
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    for left in range(LARGE >> 20, 0, -1):
        piece = b" " * (1 << 20)
        await send({"type": "http.response.body", "body": piece, "more_body": left > 1})


@pytest.fixture
def listening() -> Iterator[Callable[..., Listening]]:
    begun: list[Listening] = []

    def start(**settings: Any) -> Listening:
        config = uvicorn.Config(
            large, http=HttpConnection, ws=WebSocketConnection, lifespan="off",
            log_config=None, log_level="critical", **settings,
        )  # fmt: skip
        begun.append(Listening(config))
        return begun[-1]

    yield start
    for each in begun:
        each.stop()


def connected(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S)


def answered(sock: socket.socket, asked: bytes) -> bytes:
    """What comes for something, sent on although it has been answered."""
    sock.sendall(asked)
    first = sock.recv(1)
    sock.sendall(MORE_THAN_BUFFERS)
    return first + b"".join(iter(lambda: sock.recv(65536), b""))


def all_gone(server: Listening) -> None:
    """Wait until no connection is left."""
    deadline = time.monotonic() + PATIENCE_S
    while server.connections:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_head_that_is_too_long_is_answered(listening: Callable[..., Listening]) -> None:
    server = listening()
    with connected(server.port) as sock:
        told = answered(sock, b"GET / HTTP/1.1\r\nX: " + b"x" * 100_000)
    assert told.startswith(b"HTTP/1.1 400 ")
    assert told.endswith(b"Invalid HTTP request received.")
    all_gone(server)


def test_more_than_can_be_served_at_once_are_answered(listening: Callable[..., Listening]) -> None:
    server = listening(limit_concurrency=1)
    with connected(server.port) as sock:
        told = answered(
            sock, b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % (21 << 20)
        )
    assert told.startswith(b"HTTP/1.1 503 ")
    assert told.endswith(b"Service Unavailable")
    all_gone(server)


def test_a_message_that_is_too_large_is_answered(server: Serving) -> None:
    with connected(server.port) as sock:
        sock.sendall(UPGRADE)
        assert sock.recv(12) == b"HTTP/1.1 101"
        told = answered(sock, b"\x81\xff" + (24 << 20).to_bytes(8) + bytes(4))
    assert told.split(b"\r\n\r\n", 1)[1].startswith(b"\x88")
    assert (1009).to_bytes(2) in told
    all_gone(server)


def test_a_large_answer_arrives_whole_although_its_reader_waits(
    listening: Callable[..., Listening], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "SILENCE_S", 0.01)
    server = listening()
    with connected(server.port) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        size = sum(map(len, iter(lambda: sock.recv(1 << 20), b"")))
    assert size > LARGE
    all_gone(server)


@pytest.mark.parametrize("begun", [b"", b"GET / HTTP/1.1\r\nHost: a\r\n", b"GE"])
def test_who_does_not_go_on_is_let_go(
    listening: Callable[..., Listening], monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(connections, "HEAD_S", 0.05)
    server = listening()
    with connected(server.port) as sock:
        sock.sendall(begun)
        assert sock.recv(1) == b""
    all_gone(server)


def test_who_asks_and_does_not_read_is_let_go(
    listening: Callable[..., Listening], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "STALLED_S", 0.05)
    server = listening()
    with connected(server.port) as sock:
        sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        sock.recv(1)
        all_gone(server)


def test_a_listener_that_is_stuck_when_it_is_told_to_go_is_let_go(
    server: Serving, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endings, "STALLED_S", 0.05)
    monkeypatch.setattr(endings, "SILENCE_S", 0.02)
    with connected(server.port) as sock:
        sock.sendall(UPGRADE)
        assert sock.recv(12) == b"HTTP/1.1 101"
        sock.sendall(b"\x81\xff" + (24 << 20).to_bytes(8) + bytes(4))
        all_gone(server)  # it never says that it ends, too


def test_heads_that_never_end_keep_nobody_waiting(
    listening: Callable[..., Listening],
) -> None:
    server = listening()
    stuck = [connected(server.port) for _ in range(200)]
    try:
        for each in stuck:
            each.sendall(b"GET / HTTP/1.1\r\n")
        with connected(server.port) as sock:
            sock.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert sock.recv(12) == b"HTTP/1.1 200"
    finally:
        for each in stuck:
            each.close()
    all_gone(server)


def test_who_comes_while_the_server_ends_is_not_waited_for(
    listening: Callable[..., Listening],
) -> None:
    server = listening()
    server._server.server_state.is_ending = True  # type: ignore[attr-defined]
    with connected(server.port) as sock:
        assert sock.recv(1) == b""
    all_gone(server)


def test_nobody_can_fill_the_log(process: Callable[..., Process]) -> None:
    started = process()
    port = int(started.url.rpartition(":")[2])
    for wrong in (b"x", b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: h2c"):
        with connected(port) as sock:
            sock.sendall(wrong + b"\r\n\r\n")
            assert sock.recv(9) == b"HTTP/1.1 "
    with connected(port) as sock:
        sock.sendall(UPGRADE)
        assert sock.recv(12) == b"HTTP/1.1 101"
        sock.sendall(b"\x81\x81\0\0\0\0\xff")  # a text that is none
        told = b"".join(iter(lambda: sock.recv(65536), b""))
    assert (1007).to_bytes(2) in told
    assert started.end() == (0, "")


def test_nothing_is_left_of_a_listener_who_is_gone(
    serving: Callable[..., Serving], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even until garbage is looked for, which is seldom: thousands would add up."""
    made: weakref.WeakSet[WebSocketConnection] = weakref.WeakSet()
    taken = WebSocketConnection.connection_made

    def connection_made(self: WebSocketConnection, transport: asyncio.BaseTransport) -> None:
        made.add(self)
        taken(self, transport)

    monkeypatch.setattr(WebSocketConnection, "connection_made", connection_made)
    server = serving()
    gc.collect()
    with no_cycles():
        for farewell in (b"\x88\x82" + bytes(4) + b"\x03\xe8", b"\x88\x80" + bytes(4), b""):
            with connected(server.port) as sock:
                sock.sendall(UPGRADE + frame(b'{"type":"subscribe","events":true}'))
                assert sock.recv(12) == b"HTTP/1.1 101"
                assert len(made) == 1
                sock.sendall(farewell)
            deadline = time.monotonic() + PATIENCE_S
            while made:
                assert time.monotonic() < deadline
                time.sleep(0.01)
