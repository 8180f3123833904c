"""Runs the application under uvicorn: the loop, signals, and the end.

On ``SIGTERM`` (or Ctrl-C) a server stops accepting, answers what it has begun to answer,
collects once more, closes the store, and ends with 0.
"""

from __future__ import annotations

import gc
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec
import uvicorn

from sbhooks.errors import SbhooksError
from sbhooks.runtime import Runtime
from sbhooks_server.address import Address, all_listening, check, policy
from sbhooks_server.app import create_app
from sbhooks_server.audit import AuditLog
from sbhooks_server.connections import (
    HttpConnection,
    State,
    WebSocketConnection,
    keep_quiet_about_clients,
)
from sbhooks_server.policy import Policy
from sbhooks_server.running import Running, only_one, running_at

_DRAIN_S = 20
#: When garbage is looked for. By default thousands of listeners are looked through at every other
#: message to them: half a second at 5,000. Nearly all garbage goes without it.
GARBAGE = (100_000, 20, 20)
_MOST_CONNECTIONS = 12_000


def serve(runtime: Runtime, address: Address, ready: Callable[[Running], None]) -> None:
    """Serve until told to stop.

    Args:
        runtime: Settings, plugins and store.
        address: Where and how.
        ready: Called once, as soon as requests are answered.

    Raises:
        SbhooksError: It cannot be served there, or another server has this home.
    """
    home = runtime.config.home
    check(address, home)
    runtime.store.high_water()  # a store that cannot be read is told now, not per request
    gc.set_threshold(*GARBAGE)
    audit = AuditLog(home)
    with only_one(home) as announce, all_listening(address) as sockets:
        ports = [sock.getsockname()[1] for sock in sockets]
        running = running_at(address, *ports)
        announce(running)
        audit.write("server started", about=str(running.url))
        rules = msgspec.structs.replace(policy(address), metrics_ports=frozenset(ports[1:]))
        files = {"ssl_certfile": address.tls_cert, "ssl_keyfile": address.tls_key}
        server = Server(config(runtime, rules, **files), lambda: ready(running))
        try:
            server.run(sockets=sockets)
        finally:
            audit.write("server stopped", about=str(running.url))
    if not server.was_ready:
        raise SbhooksError("the server could not start; its log says why")


class Server(uvicorn.Server):
    """Ends with 0 when it is told to end, and says when it is ready."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self.server_state = self._state = State()
        self._ready = ready
        self.was_ready = False

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start, and say so."""
        await super().startup(sockets)
        if self.started:
            self.was_ready = True
            self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take no more connections, and end those that there are."""
        self._state.is_ending = True
        await super().shutdown(sockets)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take signals as a wish to end, which is then no failure.

        Not by the event loop: that hears of signals through a pipe, which is full when much has
        been finished by threads since it last looked. Then the signal would be lost.
        """
        wanted = (signal.SIGINT, signal.SIGTERM)
        before = [(number, signal.signal(number, lambda *_: self.end())) for number in wanted]
        try:
            yield
        finally:
            for number, handler in before:
                signal.signal(number, handler)

    def end(self) -> None:
        """Begin to end.

        To be told so again changes nothing: the end is bounded in time, and to cut it short, as
        uvicorn does when Ctrl-C is pressed twice, would leave out the last collection.
        """
        self.should_exit = True


def config(runtime: Runtime, rules: Policy, **more: Any) -> uvicorn.Config:
    """How the application is run, with further settings of uvicorn."""
    keep_quiet_about_clients()
    return uvicorn.Config(
        create_app(runtime, rules),
        http=HttpConnection,
        ws=WebSocketConnection,
        ws_max_size=rules.max_message_bytes,
        ws_per_message_deflate=False,  # doubles the cost of each client
        ws_ping_interval=rules.idle_s / 3,
        ws_ping_timeout=rules.idle_s,
        lifespan="on",
        loop="asyncio",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_DRAIN_S,
        **more,
    )
