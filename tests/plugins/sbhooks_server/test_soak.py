"""A day of rude clients in minutes: what the server holds stays what it was."""

from __future__ import annotations

import asyncio
import itertools
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from sbhooks.config import load_config
from sbhooks.events import Codec
from sbhooks.ids import new_id
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks.testing.factories import Timeline

from .conftest import PATIENCE_S, Process, Serving, kept_port
from .crowd import UPGRADE, Watched, come_and_go, frame, fuzzed

# A crowd also stores events. Until every thread's connection has filled its caches of pages and of
# statements, which are bounded, memory grows by that.
ROUNDS, WARM_UP, CLIENTS = 60, 35, 1_000
MOST_FILES = 40  #: When everybody is gone: the store's, a few per thread, and our own question.


def port_of(url: str) -> int:
    return int(url.rpartition(":")[2])


def until(is_so: Callable[[], bool], within_s: float = PATIENCE_S) -> None:
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_whoever_comes_and_goes_leaves_nothing_behind(server: Serving) -> None:
    tasks = server.tasks
    before = len(tasks())
    asyncio.run(come_and_go(server.port, 150, random.Random(3)))
    until(lambda: server.connections == 0)
    hub = server.site.hub
    until(lambda: not hub.clients)
    until(lambda: len(tasks()) <= before)
    with server.client() as client:
        assert client.get("/health").json()["status"] == "healthy"


@pytest.mark.slow
def test_a_crowd_costs_no_memory_files_or_threads_for_ever(
    process: Callable[..., Process],
) -> None:
    server = process()
    port, watched = port_of(server.url), Watched(server.process.pid)
    chance = random.Random(11)
    held: list[tuple[int, int, int]] = []
    for _ in range(ROUNDS):
        asyncio.run(come_and_go(port, CLIENTS, chance))
        until(lambda: server.get("/livez").status_code == 200)
        until(lambda: watched.files() <= MOST_FILES, 300)
        held.append((watched.memory(), watched.files(), watched.threads()))
    warm, later = held[:WARM_UP], held[WARM_UP:]
    print(*(f"{memory / 1e6:.1f} MB, {files} files, {threads} threads" for memory, files, threads
            in held), sep="\n")  # fmt: skip
    assert max(m for m, _, _ in later) <= 1.05 * max(m for m, _, _ in warm)
    # Caches take a tenth; what only a collection of garbage frees would be a higher level.
    assert max(m for m, _, _ in held) <= 1.25 * held[0][0]
    assert max(t for _, _, t in later) <= max(t for _, _, t in warm)
    assert server.end() == (0, "")


@pytest.mark.slow
def test_a_million_damaged_frames_are_survived(process: Callable[..., Process]) -> None:
    server = process()
    port, watched = port_of(server.url), Watched(server.process.pid)
    chance = random.Random(12)
    sent, most = 0, 0
    while sent < 1_000_000:
        with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as sock:
            sock.sendall(UPGRADE)
            if sock.recv(12) != b"HTTP/1.1 101":  # too often
                time.sleep(0.1)
                continue
            reader = threading.Thread(target=_read_on, args=[sock])
            reader.start()
            try:
                for _ in range(50):
                    frames = [fuzzed(chance) for _ in range(20)]
                    sock.sendall(b"".join(frames))
                    sent += len(frames)
            except OSError:
                pass  # it threw us out
            finally:
                _shut(sock)
                reader.join()
        most = max(most, watched.memory())
    print(f"{sent:,} frames, at most {most / 1e6:.0f} MB")
    assert most < 350e6
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_S) as sock:
        until(lambda: server.get("/livez").status_code == 200)
        sock.sendall(UPGRADE)
        told = sock.recv(12)
        sock.sendall(frame(b'{"type":"ping"}'))
        while b"pong" not in told:
            told += sock.recv(4096)
    assert server.end() == (0, "")


def _read_on(sock: socket.socket) -> None:
    try:
        while sock.recv(1 << 16):
            pass
    except OSError:
        pass


def _shut(sock: socket.socket) -> None:
    try:
        sock.shutdown(socket.SHUT_WR)
    except OSError:
        pass


@pytest.mark.slow
def test_each_event_is_stored_once_however_often_the_server_is_down(
    process: Callable[..., Process], home: Path
) -> None:
    """Batches overlap, come out of order, and are sent again until they are acknowledged."""
    events = [Timeline(f"s-{n % 7}").invocation("lint", id=new_id()) for n in range(20_000)]
    lines = [Codec().encode(event) for event in events]
    chance = random.Random(13)
    batches = [lines[begin : begin + 150] for begin in range(0, len(lines), 100)]
    chance.shuffle(batches)
    waiting = iter(batches)
    lock = threading.Lock()

    with kept_port() as port:

        def send() -> None:
            with httpx.Client(
                base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=PATIENCE_S
            ) as client:
                for batch in _taken(waiting, lock):
                    while not _is_taken(client, b"\n".join(batch)):
                        time.sleep(0.05)

        threads = [threading.Thread(target=send) for _ in range(4)]
        for thread in threads:
            thread.start()
        for turn in itertools.count():
            server = process("--port", str(port))
            if not any(thread.is_alive() for thread in threads):
                break
            time.sleep(chance.random())
            status, said = server.end(signal.SIGKILL if turn % 2 else signal.SIGTERM)
            assert turn % 2 or (status, said) == (0, "")
        for thread in threads:
            thread.join()
        assert server.end() == (0, "")
    with Runtime.start(load_config()) as runtime:
        stored = [event.id for event in runtime.store.events(EventQuery())]
    assert sorted(stored) == sorted(event.id for event in events)


def _taken(waiting: Any, lock: threading.Lock) -> Any:
    while True:
        with lock:
            batch = next(waiting, None)
        if batch is None:
            return
        yield batch


def _is_taken(client: httpx.Client, body: bytes) -> bool:
    headers = {"content-type": "application/x-ndjson"}
    try:
        return client.post("/api/v1/events", content=body, headers=headers).status_code == 200
    except httpx.TransportError:
        return False
