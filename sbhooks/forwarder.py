"""From the spool to a server, in the place of the store.

With the setting ``forward_to``, a collector hands its batches to a :class:`Forwarder`, which
sends them and returns when the server has acknowledged them; only then are segments deleted.
So it is the same way online and offline: what cannot be sent stays in the spool, and what is
sent twice is stored once.

After a failure it waits before it tries again, longer each time, across processes: the note
is kept in ``forward.json`` in the home.
"""

from __future__ import annotations

import gzip
import os
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import msgspec

from sbhooks import problems
from sbhooks.errors import ConfigError, ForwardError
from sbhooks.events import Codec, Event
from sbhooks.folders import make_private
from sbhooks.whole_files import replace

PATH = "/api/v1/events"
MAX_BATCH_BYTES = 8 << 20  #: Of one request, before compression.
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 300.0
REFUSED = "forward.refused"  #: File beside the spool's other lines that nobody understands.
_TIMEOUT_S = 30.0
_MAX_ANSWER_BYTES = 16 << 20
_WAITING = frozenset({429, 502, 503, 504})
_TOO_LARGE = 413
_OK = 200


class _Rejected(msgspec.Struct):
    index: int
    error: str = ""


class _Answer(msgspec.Struct):
    accepted: int
    duplicates: int
    rejected: list[_Rejected] = []


class _Wait(msgspec.Struct):
    """What is remembered of failures: how many in a row, and when to try again."""

    failures: int = 0
    not_before: float = 0.0


class _Reply(NamedTuple):
    status: int
    retry_after_s: float
    body: bytes


class Forwarder:
    """Sends events to a server; stands where a collector expects a store.

    Args:
        url: Of the server, such as ``"https://stats.example.org"``.
        token: What it knows this installation by; ``None`` for one that asks for none.
        home: The folder of sbhooks' data.
        codec: Knows every declared kind.

    Raises:
        ConfigError: The URL is none, or would send the token readable to another machine.
    """

    def __init__(self, url: str, token: str | None, home: Path, codec: Codec) -> None:
        self.url = _endpoint(url, token)
        self._token = token
        self._home = home
        self._note = home / "forward.json"
        self._encode = codec.encode

    def wait_s(self) -> float:
        """Seconds until it is worth to try again; 0 for now."""
        wait = self._read()
        # A clock that was set back must not make us wait for years.
        return min(max(0.0, wait.not_before - time.time()), LONGEST_WAIT_S)

    def append(self, events: Sequence[Event]) -> int:
        """Send events; they are on the server's disk when this returns.

        What the server refuses for good is kept aside, so that it holds up nothing.

        Returns:
            How many were new to the server.

        Raises:
            ForwardError: The server did not acknowledge them; they may be sent again.
        """
        lines = [self._encode(event) for event in events]
        new = sum(self._send(part) for part in _parts(lines))
        if self._note.exists():
            self._note.unlink(missing_ok=True)
        return new

    def _send(self, lines: Sequence[bytes]) -> int:
        reply = self._post(gzip.compress(b"\n".join(lines), compresslevel=3))
        if reply.status == _OK:
            return self._taken(reply.body, lines)
        if reply.status == _TOO_LARGE and len(lines) > 1:
            half = len(lines) // 2
            return self._send(lines[:half]) + self._send(lines[half:])
        if reply.status == _TOO_LARGE:
            self._set_aside(lines, "it is too large for the server")
            return 0
        raise self._failed(_reason(reply), at_least_s=reply.retry_after_s)

    def _taken(self, body: bytes, lines: Sequence[bytes]) -> int:
        try:
            answer = msgspec.json.decode(body, type=_Answer)
            refused = [lines[one.index] for one in answer.rejected]
        except (msgspec.DecodeError, UnicodeDecodeError, IndexError) as error:
            raise self._failed("its answer is none of an sbhooks server") from error
        if refused:
            self._set_aside(refused, answer.rejected[0].error)
        return answer.accepted

    def _post(self, body: bytes) -> _Reply:
        """Send one request; follows no redirect, for a token is meant for one server."""
        from http.client import HTTPException
        from urllib.request import (
            HTTPHandler,
            HTTPSHandler,
            OpenerDirector,
            ProxyHandler,
            Request,
        )

        headers = {"Content-Type": "application/x-ndjson", "Content-Encoding": "gzip"}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        request = Request(self.url, data=body, headers=headers)  # noqa: S310 - checked: http(s)
        opener = OpenerDirector()
        for handler in (ProxyHandler(), HTTPHandler(), HTTPSHandler()):
            opener.add_handler(handler)
        try:
            with opener.open(request, timeout=_TIMEOUT_S) as answer:
                text = answer.headers.get("Retry-After", "")
                wait_s = float(text) if text.isascii() and text.isdigit() else 0.0
                return _Reply(answer.status, wait_s, answer.read(_MAX_ANSWER_BYTES))
        except (OSError, HTTPException) as error:
            reason = getattr(error, "reason", None) or error
            raise self._failed(str(reason) or type(reason).__name__) from error

    def _failed(self, why: str, *, at_least_s: float = 0.0) -> ForwardError:
        """Remember a failure, and how long to wait because of it."""
        failures = min(self._read().failures + 1, 30)
        wait_s = min(FIRST_WAIT_S * 2 ** (failures - 1), LONGEST_WAIT_S)
        # Many machines that lost the same server must not all come back at the same moment.
        wait_s = max(wait_s * random.uniform(0.5, 1.0), min(at_least_s, LONGEST_WAIT_S))  # noqa: S311
        self._write(_Wait(failures=failures, not_before=time.time() + wait_s))
        return ForwardError(
            f"cannot send to {self.url}: {why}. What is recorded waits in the spool; "
            f"next attempt in {wait_s:.0f} s, or at once with: sbhooks collect"
        )

    def _set_aside(self, lines: Sequence[bytes], why: str) -> None:
        folder = self._home / "spool" / "aside"
        make_private(str(folder))
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC
        fd = os.open(folder / REFUSED, flags, 0o600)
        with os.fdopen(fd, "ab") as file:
            file.write(b"".join(line + b"\n" for line in lines))
        problems.record(str(self._home), "forward", f"{self.url} refused an event: {why}")

    def _read(self) -> _Wait:
        try:
            return msgspec.json.decode(self._note.read_bytes(), type=_Wait)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError):
            return _Wait()

    def _write(self, wait: _Wait) -> None:
        try:
            make_private(str(self._home))
            replace(str(self._note), msgspec.json.encode(wait))
        except OSError:
            return  # then we try a little too often


def _parts(lines: Sequence[bytes]) -> list[Sequence[bytes]]:
    """Cut a batch so that no part is larger than a server reads."""
    parts: list[Sequence[bytes]] = []
    begin, size = 0, 0
    for place, line in enumerate(lines):
        if size + len(line) > MAX_BATCH_BYTES and place > begin:
            parts.append(lines[begin:place])
            begin, size = place, 0
        size += len(line) + 1
    return [*parts, lines[begin:]] if lines else []


def _endpoint(url: str, token: str | None) -> str:
    """Where to send to.

    Raises:
        ConfigError: The setting is no URL of a server.
    """
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if host is None or parts.scheme not in {"http", "https"} or parts.query or parts.username:
        raise ConfigError(
            "'forward_to' is no address of a server. Write https://HOST or http://HOST:PORT"
        )
    if (
        token is not None
        and parts.scheme == "http"
        and host not in {"localhost", "127.0.0.1", "::1"}
    ):
        raise ConfigError(
            f"'forward_to' would send the token readable over the network to {host}: write https://"
        )
    path = parts.path.rstrip("/")
    path = path if path.endswith(PATH) else path + PATH
    return f"{parts.scheme}://{parts.netloc}{path}"


def _reason(reply: _Reply) -> str:
    if reply.status in {401, 403}:
        return f"it answers {reply.status}: check the token (SBHOOKS_TOKEN) and its scope 'ingest'"
    if reply.status in _WAITING:
        return f"it is busy or not ready ({reply.status})"
    return f"it answers {reply.status}: is it the address of an sbhooks server?"
