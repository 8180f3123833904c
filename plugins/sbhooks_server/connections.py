"""The connections of our own server: who is not waited for any longer, and how they are told.

Somebody who begins a request and does not go on, or who asks and does not read what is answered,
would hold a connection for ever; after a while they are let go. Listeners are told without the
detour over their tasks, and what is sent to all of them is encoded once.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import lru_cache
from http import HTTPStatus
from typing import cast

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import OPEN

from sbhooks_server.asgi import SEND_NOW, Connection
from sbhooks_server.endings import NOBODY, STALLED_S, Ending

HEAD_S = 30.0  #: Time in which the head of a request must have arrived.
_HEARD = frozenset({h11.IDLE, h11.DONE, h11.MUST_CLOSE, h11.CLOSED})


#: What uvicorn says when a client does something wrong: whoever reaches us could fill our log.
_SAID_OF_CLIENTS = (
    "Invalid HTTP request received.",
    "Invalid UTF-8 sequence received from client.",
    "Unsupported upgrade request.",
    "No supported WebSocket library detected.",
    "Exceeded concurrency limit.",
)


def keep_quiet_about_clients() -> None:
    """Have what clients do wrong answered, and not written down."""
    logging.getLogger("uvicorn.error").addFilter(_is_about_us)


def _is_about_us(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_SAID_OF_CLIENTS)


class State(ServerState):
    """What all connections of a server know.

    Attributes:
        is_ending: Whether it takes no more connections.
    """

    is_ending = False


class HttpConnection(H11Protocol):
    """HTTP, with an end."""

    _head: asyncio.TimerHandle | None = None
    _stalled: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for the first request."""
        super().connection_made(Ending(transport, self))
        self._await_head()
        if getattr(self.server_state, "is_ending", False):
            # Taken while the others were told to end: nobody would tell this one.
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """Take in what the client sent."""
        super().data_received(data)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait for nothing any more."""
        _cancel(self._head, self._stalled)
        super().connection_lost(exc)
        cast("Ending", self.transport).talker = NOBODY

    def pause_writing(self) -> None:
        """Begin to wait for the client to read."""
        super().pause_writing()
        self._stalled = self.loop.call_later(STALLED_S, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on: it has read."""
        _cancel(self._stalled)
        super().resume_writing()

    def is_heard_out(self) -> bool:
        """Whether the request has come to its end."""
        return self.conn.their_state in _HEARD

    def _await_head(self) -> None:
        """Give the client a while for its next request, once it has begun one."""
        if self.conn.their_state is not h11.IDLE:
            _cancel(self._head)
            self._head = None
        elif self._head is None:
            self._head = self.loop.call_later(HEAD_S, self.transport.close)


class WebSocketConnection(WebSocketsSansIOProtocol):
    """A WebSocket, with an end."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take over from HTTP."""
        self._offered: dict[str, Callable[[str], bool]] = {}
        cast("Ending", transport).talker = self
        super().connection_made(transport)

    def handle_connect(self, event: Request) -> None:
        """Begin to talk; the application may send without a detour."""
        super().handle_connect(event)
        if self.response.status_code == HTTPStatus.SWITCHING_PROTOCOLS:
            self._offered["send"] = self.send_now
            cast("Connection", self.scope)["extensions"][SEND_NOW] = self._offered

    def send_now(self, text: str) -> bool:
        """Send a message, unless that must wait or cannot be done; says whether it did."""
        if not self.writable.is_set() or self.conn.state is not OPEN:
            return False
        self.transport.write(_framed(text))
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Let go of everything: what holds itself would stay until garbage is looked for."""
        super().connection_lost(exc)
        cast("Ending", self.transport).talker = NOBODY
        self.conn.parser.close()
        self._offered.clear()

    def is_heard_out(self) -> bool:
        """Whether the client has said that it ends, or never began."""
        return not self.conn.close_sent or self.conn.close_rcvd is not None


@lru_cache(8)
def _framed(text: str) -> bytes:
    """What is sent for a message; the same for all clients, as nothing is masked or packed."""
    return Frame(Opcode.TEXT, text.encode()).serialize(mask=False)


def _cancel(*timers: asyncio.TimerHandle | None) -> None:
    for timer in timers:
        if timer is not None:
            timer.cancel()
