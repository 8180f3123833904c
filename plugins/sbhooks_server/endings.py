"""How connections end: their clients are heard out.

The guard hears out those whom it refuses, but some answers are not its own: a head of a request
that cannot be read, more connections than are taken, a WebSocket message that is too large. A
connection with unread data that is closed is reset, and its client may lose the answer. So here
closing means: no more is written, what still comes is thrown away, and the connection ends when
its client ends it, falls silent, or has sent far too much.
"""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from sbhooks_server.bodies import SILENCE_S, THROWING_S, THROWN_AWAY_BYTES

STALLED_S = 30.0  #: A client that reads nothing for so long, while something waits, is let go.


class Talker(Protocol):
    """A protocol that knows whether its client may still be sending."""

    def is_heard_out(self) -> bool:
        """Whether nothing is expected to come any more."""


class _Nobody:
    def is_heard_out(self) -> bool:
        return True


NOBODY = _Nobody()


class Ending(asyncio.Transport):
    """A transport that can be closed while its client is still sending.

    Args:
        transport: The real one.
        talker: Who uses it.
    """

    def __init__(self, transport: asyncio.Transport, talker: Talker) -> None:
        super().__init__()
        self._transport = transport
        self._is_closed = False
        self.talker = talker
        # Called for each message to each listener: no detour.
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]
        self.pause_reading = transport.pause_reading  # type: ignore[method-assign]
        self.resume_reading = transport.resume_reading  # type: ignore[method-assign]
        self.set_protocol = transport.set_protocol  # type: ignore[method-assign]
        self.get_protocol = transport.get_protocol  # type: ignore[method-assign]
        self.abort = transport.abort  # type: ignore[method-assign]

    def write(self, data: Any) -> None:
        """Send, unless it has been closed or lost: asyncio would log each of those."""
        if not self._is_closed and not self._transport.is_closing():
            self._transport.write(data)

    def is_closing(self) -> bool:
        """Whether it has been closed, or lost."""
        return self._is_closed or self._transport.is_closing()

    def close(self) -> None:
        """Send what has been written, and end when the client has been heard out."""
        if self.is_closing():
            return
        self._is_closed = True
        transport = self._transport
        if self.talker.is_heard_out() and not transport.get_write_buffer_size():
            transport.close()
            return
        transport.set_protocol(_HearsOut(transport, transport.get_protocol()))
        if transport.can_write_eof():  # not with TLS
            transport.write_eof()
        transport.resume_reading()


class _HearsOut(asyncio.Protocol):
    """Throws away what still comes; the protocol before it only learns that it is over."""

    def __init__(self, transport: asyncio.Transport, before: asyncio.BaseProtocol) -> None:
        self._transport = transport
        self._before = before
        self._size = 0
        self._heard = 0  #: Of ``_size``, at the last look.
        self._unsent = transport.get_write_buffer_size()
        self._patience_s = STALLED_S  #: Until something of the answer has been taken.
        self._throwing_s = THROWING_S  #: After all of it has been taken.
        self._next = asyncio.get_running_loop().call_later(SILENCE_S, self._look)

    def data_received(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > THROWN_AWAY_BYTES:
            self._transport.abort()

    def pause_writing(self) -> None:
        self._before.pause_writing()

    def resume_writing(self) -> None:
        self._before.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        self._next.cancel()
        self._before.connection_lost(exc)

    def _look(self) -> None:
        """See whether it goes on; if not, end it."""
        unsent, is_silent = self._transport.get_write_buffer_size(), self._heard == self._size
        if unsent:
            self._patience_s = STALLED_S if unsent < self._unsent else self._patience_s - SILENCE_S
        else:
            self._throwing_s -= SILENCE_S
        if min(self._patience_s, self._throwing_s) <= 0 or (is_silent and not unsent):
            self._transport.abort()
            return
        self._unsent, self._heard = unsent, self._size
        self._next = asyncio.get_running_loop().call_later(SILENCE_S, self._look)
