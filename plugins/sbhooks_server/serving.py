"""Runs the application: the socket, signals, and who else is running one.

One server per home: whoever serves holds the lock of ``server.json``, in which it says where
it can be reached. A file without a lock was left by a server that was killed, and is taken
over.

On ``SIGTERM`` (or Ctrl-C) a server stops accepting, answers what it has begun to answer,
collects once more, closes the store, and ends with 0.
"""

from __future__ import annotations

import asyncio
import fcntl
import gc
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import uvicorn

from sbhooks.errors import ConfigError, SbhooksError
from sbhooks.events import utc_now
from sbhooks.folders import make_private
from sbhooks.runtime import Runtime
from sbhooks_server.app import create_app
from sbhooks_server.audit import AuditLog
from sbhooks_server.connections import (
    HttpConnection,
    State,
    WebSocketConnection,
    keep_quiet_about_clients,
)
from sbhooks_server.guard import Policy
from sbhooks_server.hosts import Allowed, is_every_address, is_loopback
from sbhooks_server.tokens import TokenFile

_DRAIN_S = 20
#: When garbage is looked for. By default thousands of listeners are looked through at every other
#: message to them: half a second at 5,000. Nearly all garbage goes without it.
GARBAGE = (100_000, 20, 20)
_MOST_CONNECTIONS = 12_000
_BACKLOG = 2048


class Address(msgspec.Struct, frozen=True, kw_only=True):
    """Where and how to serve.

    Attributes:
        host: Address or name to listen on.
        port: 0 for any that is free.
        metrics_port: A further port, on which nothing but ``/metrics`` is answered.
        names: Further names in ``Host``, as of a proxy in front.
        origins: Pages of others that may ask.
        require_token: Ask for tokens where it is not necessary.
        tls_cert: File of the certificate chain (PEM).
        tls_key: File of its key.
    """

    host: str = "127.0.0.1"
    port: int = 8765
    metrics_port: int | None = None
    names: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    require_token: bool = False
    tls_cert: Path | None = None
    tls_key: Path | None = None

    @property
    def needs_token(self) -> bool:
        """Whether others than this machine's users could reach it."""
        return self.require_token or not all(map(is_loopback, (self.host, *self.names)))


class Running(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks server status --json` prints.

    Attributes:
        running: Whether there is one.
        url: Where it can be reached.
        metrics_url: Where its metrics are too, if they have a port of their own.
        pid: Its process.
        started_at: UTC.
        needs_token: Whether everybody must show a token.
    """

    running: bool = False
    url: str | None = None
    metrics_url: str | None = None
    pid: int | None = None
    started_at: datetime | None = None
    needs_token: bool = False


class Started(Running, frozen=True, kw_only=True):
    """What `sbhooks server start --json` prints: the server that runs now."""

    is_new: bool = False  #: Whether it was started just now.


class Stopped(Running, frozen=True, kw_only=True):
    """What `sbhooks server stop --json` prints: the server that ran until now, if any."""


def policy(address: Address) -> Policy:
    """What a server at an address lets in."""
    names = {name.lower() for name in (address.host, *address.names)}
    everywhere = is_every_address(address.host)
    if everywhere or is_loopback(address.host):
        names |= {"localhost", "127.0.0.1", "::1"}
    if everywhere:
        names.add(socket.gethostname().lower())
    allowed = Allowed(
        hosts=frozenset(names),
        origins=frozenset(origin.lower().rstrip("/") for origin in address.origins),
        any_address=everywhere,
    )
    return Policy(allowed=allowed, needs_token=address.needs_token)


def check(address: Address, home: Path) -> None:
    """Refuse what would let strangers in.

    Raises:
        ConfigError: Tokens are needed and there is none, or half of TLS is given.
    """
    if (address.tls_cert is None) != (address.tls_key is None):
        raise ConfigError("TLS needs both --tls-cert and --tls-key")
    if address.needs_token and not TokenFile(home).usable(utc_now()):
        raise ConfigError(
            f"refuses to serve {address.host} without a token: others could read and write. "
            "Run: sbhooks token create NAME --scope read --scope ingest"
        )


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
    with _only_one(home) as announce, _all_listening(address) as sockets:
        ports = [sock.getsockname()[1] for sock in sockets]
        running = _running(address, *ports)
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


def status(home: Path) -> Running:
    """The server that has this home, if there is one."""
    try:
        fd = os.open(_file(home), os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return Running()
    try:
        if _take(fd, fcntl.LOCK_SH):
            return Running()
        return msgspec.json.decode(os.read(fd, 1 << 16), type=Running)
    except msgspec.DecodeError:  # it is just starting
        return Running()
    finally:
        os.close(fd)


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
        """Take signals as a wish to end, which is then no failure."""
        loop = asyncio.get_running_loop()
        wanted = (signal.SIGINT, signal.SIGTERM)
        for number in wanted:
            loop.add_signal_handler(number, self.end)
        try:
            yield
        finally:
            for number in wanted:
                loop.remove_signal_handler(number)

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


def _running(address: Address, port: int, metrics_port: int | None = None) -> Running:
    host = address.host
    if is_every_address(host):
        host = socket.gethostname()
    scheme = "http" if address.tls_cert is None else "https"
    shown = f"[{host}]" if ":" in host else host
    return Running(
        running=True,
        url=f"{scheme}://{shown}:{port}",
        metrics_url=f"{scheme}://{shown}:{metrics_port}/metrics" if metrics_port else None,
        pid=os.getpid(),
        started_at=utc_now(),
        needs_token=address.needs_token,
    )


@contextmanager
def _all_listening(address: Address) -> Iterator[list[socket.socket]]:
    """The socket at the address, and that for metrics, if there is one."""
    with ExitStack() as stack:
        ports = [address.port, *([] if address.metrics_port is None else [address.metrics_port])]
        yield [stack.enter_context(_listening(address.host, port)) for port in ports]


@contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    """A socket at an address.

    Raises:
        SbhooksError: It is taken, or none of this machine's.
    """
    try:
        family, kind, protocol, _, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(place)
            sock.listen(_BACKLOG)
        except BaseException:
            sock.close()
            raise
    except OSError as error:
        raise SbhooksError(
            f"cannot listen on {host} port {port}: {error.strerror}. Choose another port"
        ) from error
    with sock:
        yield sock


@contextmanager
def _only_one(home: Path) -> Iterator[Callable[[Running], None]]:
    """Hold the lock of this home's server; yields how to say where it is.

    Raises:
        SbhooksError: Another server holds it.
    """
    make_private(str(home))
    fd = os.open(_file(home), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        if not _take(fd, fcntl.LOCK_EX):
            other = status(home)
            raise SbhooksError(
                f"there is a server for {home} already, at {other.url}. Run: sbhooks server stop"
            )

        def announce(running: Running) -> None:
            os.ftruncate(fd, 0)
            os.pwrite(fd, msgspec.json.encode(running), 0)

        yield announce
        os.ftruncate(fd, 0)
    finally:
        os.close(fd)


def _take(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def _file(home: Path) -> Path:
    return home / "server.json"
