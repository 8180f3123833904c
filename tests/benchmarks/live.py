"""How late the last of many WebSocket clients hears of something, against a bare loop of sends.

Both servers run in this process's event loop, one after the other, under the same uvicorn; the
clients are another process, with a parser that only looks for the end of each frame.
"""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from typing import Any

from bars import Bar

ROUNDS, WARM_UP, PAIRS = 20, 4, 3
SIZES = (100, 1_000, 5_000)
_FILES = 20_000
_TEXT = "x" * 2_000
_HAND_SHAKE = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


def measure() -> list[Bar]:
    """Measure all bars of this group."""
    from sbhooks_server.serving import GARBAGE

    resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
    gc.set_threshold(*GARBAGE)  # of the process that both servers run in
    return [asyncio.run(_compare(size)) for size in SIZES]


async def _compare(size: int) -> Bar:
    ratios, ours_ms = [], []
    for number in range(PAIRS):
        turns = (_ours, _bare) if number % 2 else (_bare, _ours)
        found = {turn: await turn(size) for turn in turns}
        ratios.append(found[_ours] / found[_bare])
        ours_ms.append(found[_ours] * 1e3)
    return Bar(
        id=f"P13-{size}",
        work=f"p99 of an update to each of {size:,} WebSocket clients against a loop of sends",
        bar=1.5,
        reached=statistics.median(ratios),
        note=f"{statistics.median(ours_ms):.0f} ms; no client lost, no message dropped",
    )


async def _bare(size: int) -> float:
    """The least that can be done: one coroutine sends to one client after the other."""
    sends: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "websocket":
            return
        await receive()
        await send({"type": "websocket.accept"})
        sends.append(send)
        await receive()

    async def tell(text: str) -> None:
        for send in sends:
            await send({"type": "websocket.send", "text": text})

    return await _measured(application, tell, lambda: len(sends), size)


async def _ours(size: int) -> float:
    """The hub of our server, behind its guard."""
    from sbhooks.config import load_config
    from sbhooks.runtime import Runtime
    from sbhooks_server.app import create_app
    from sbhooks_server.policy import Policy

    with tempfile.TemporaryDirectory() as home:
        config = load_config(command_line={"home": home})
        with Runtime.start(config) as runtime:
            policy = Policy(requests_per_second=1e6, requests_at_once=1e6)
            guard = create_app(runtime, policy)
            site = guard.application.state.site  # type: ignore[attr-defined]

            async def tell(text: str) -> None:
                for client in site.hub.clients:
                    client.put(text)

            return await _measured(guard, tell, lambda: len(site.hub.clients), size)


async def _measured(application: Any, tell: Any, count: Any, size: int) -> float:
    """Seconds from telling until 99 % of all deliveries were made, over all rounds."""
    import uvicorn

    from sbhooks_server.connections import HttpConnection, WebSocketConnection

    config = uvicorn.Config(
        application, http=HttpConnection, ws=WebSocketConnection, ws_per_message_deflate=False,
        ws_ping_interval=None, log_config=None, log_level="critical", lifespan="auto",
    )  # fmt: skip
    server = uvicorn.Server(config)
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)  # no delay
    sock.bind(("127.0.0.1", 0))
    sock.listen(8_192)
    serving = asyncio.create_task(server.serve(sockets=[sock]))
    while not server.started:
        await asyncio.sleep(0.01)
    clients = subprocess.Popen(
        [sys.executable, __file__, str(sock.getsockname()[1]), str(size)],
        stdout=subprocess.PIPE, stdin=subprocess.PIPE,
    )  # fmt: skip
    while count() < size:
        if clients.poll() is not None:
            raise RuntimeError("the clients could not connect")
        await asyncio.sleep(0.05)
    await asyncio.sleep(0.5)
    for _ in range(ROUNDS):
        await tell(f"{time.monotonic_ns():020d}{_TEXT}")
        await asyncio.sleep(0.1 + size / 5_000)
    told, _ = await asyncio.to_thread(clients.communicate, b"\n", 120)
    server.should_exit = True
    await serving
    delays = sorted(int(ns) for line in told.splitlines()[WARM_UP * size :] for ns in line.split())
    if len(told.splitlines()) != ROUNDS * size:
        raise RuntimeError(f"{len(told.splitlines())} of {ROUNDS * size} messages arrived")
    return delays[int(len(delays) * 0.99)] / 1e9


class _Listener(asyncio.Protocol):
    """Notes when each message has arrived whole."""

    def __init__(self, delays: list[int]) -> None:
        self._delays = delays
        self._data = bytearray()
        self._open = False

    def connection_made(self, transport: Any) -> None:
        transport.write(_HAND_SHAKE.encode())

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self._open:
            end = self._data.find(b"\r\n\r\n")
            if end < 0:
                return
            del self._data[: end + 4]
            self._open = True
        while len(self._data) >= 4:
            length = int.from_bytes(self._data[2:4])  # all ours are of 126 to 65,535 bytes
            if len(self._data) < length + 4:
                return
            self._delays.append(time.monotonic_ns() - int(self._data[4:24]))
            del self._data[: length + 4]


async def _listen(port: int, size: int) -> None:
    """Be many clients, until a line comes on standard input."""
    loop, delays = asyncio.get_running_loop(), []
    for first in range(0, size, 100):
        await asyncio.gather(*(
            loop.create_connection(lambda: _Listener(delays), "127.0.0.1", port)
            for _ in range(first, min(first + 100, size))
        ))  # fmt: skip
    await asyncio.to_thread(sys.stdin.readline)
    print("\n".join(map(str, delays)))


if __name__ == "__main__":
    if len(sys.argv) == 3:
        resource.setrlimit(resource.RLIMIT_NOFILE, (_FILES, _FILES))
        asyncio.run(_listen(int(sys.argv[1]), int(sys.argv[2])))
        os._exit(0)
    for bar in measure():
        print(bar)
