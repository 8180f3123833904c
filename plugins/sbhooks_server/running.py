"""Which server has a home, and where it can be reached.

One server per home: whoever serves holds the lock of ``server.json``, in which it says where
it can be reached. A file without a lock was left by a server that was killed, and is taken
over.
"""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import msgspec

from sbhooks.errors import SbhooksError
from sbhooks.events import utc_now
from sbhooks.folders import make_private
from sbhooks_server.address import Address
from sbhooks_server.hosts import is_every_address


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


def running_at(address: Address, port: int, metrics_port: int | None = None) -> Running:
    """What this process says of itself when it serves an address."""
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


@contextmanager
def only_one(home: Path) -> Iterator[Callable[[Running], None]]:
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
