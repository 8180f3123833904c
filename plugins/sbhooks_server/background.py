"""A server in the background: started, asked and stopped from a terminal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from sbhooks.errors import SbhooksError
from sbhooks.folders import make_private
from sbhooks_server.running import Running, Started, Stopped, status

R = TypeVar("R", bound=Running)
LOG = "server.log"
_PATIENCE_S = 60.0
_LOOK_EVERY_S = 0.05
_MAX_LOG_BYTES = 4 << 20
_TAIL_BYTES = 500


def start(home: Path, arguments: Sequence[str]) -> Started:
    """Start a server that outlives this process, unless there is one.

    Args:
        home: The folder of sbhooks' data.
        arguments: Of ``sbhooks serve``.

    Raises:
        SbhooksError: It did not start; the message holds its last words.
    """
    running = status(home)
    if running.running:
        return _as(Started, running)
    make_private(str(home))
    log = home / LOG
    if log.exists() and log.stat().st_size > _MAX_LOG_BYTES:
        log.replace(home / "server.1.log")
    with os.fdopen(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as file:
        begin = file.tell()
        process = subprocess.Popen(  # noqa: S603 - our own command, as a list
            [sys.executable, "-P", "-m", "sbhooks", "serve", *arguments],
            stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            env={**os.environ, "SBHOOKS_HOME": str(home)},
        )  # fmt: skip
    _until(lambda: _answers(home, process.pid) or process.poll() is not None)
    running = status(home)
    if process.poll() is None and running.pid == process.pid:
        process.returncode = 0  # it goes on without us: nothing to wait for
        return _as(Started, running, is_new=True)
    raise SbhooksError(f"the server did not start: {_last_words(log, begin)}")


def stop(home: Path) -> Stopped:
    """Stop the server of this home; says what was running.

    Raises:
        SbhooksError: It does not end.
    """
    running = status(home)
    if running.pid is None:
        return Stopped()
    try:
        os.kill(running.pid, signal.SIGTERM)
    except ProcessLookupError:
        return Stopped()
    except PermissionError as error:
        raise SbhooksError(f"process {running.pid} belongs to somebody else") from error
    if not _until(lambda: status(home).pid != running.pid):
        raise SbhooksError(f"process {running.pid} has not ended yet. Run: kill -9 {running.pid}")
    return _as(Stopped, running)


def _as(kind: type[R], running: Running, **more: Any) -> R:
    """What is running, told by another command."""
    return kind(**msgspec.structs.asdict(running), **more)


def _answers(home: Path, pid: int) -> bool:
    """Whether a server has said where it is, and takes connections there."""
    import socket
    from urllib.parse import urlsplit

    running = status(home)
    if running.pid != pid or running.url is None:
        return False
    where = urlsplit(running.url)
    try:
        with socket.create_connection((where.hostname or "", where.port or 0), timeout=1):
            return True
    except OSError:
        return False


def _until(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + _PATIENCE_S
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(_LOOK_EVERY_S)
    return True


def _last_words(log: Path, begin: int) -> str:
    with log.open("rb") as file:
        file.seek(begin)
        said = file.read()[-_TAIL_BYTES:].decode(errors="replace").strip()
    return said.removeprefix("sbhooks: ") or f"it said nothing in {log}"
