"""Reads the body of a request: to its end, within bounds, or only to get rid of it."""

from __future__ import annotations

import asyncio

from sbhooks_server.asgi import Connection, Message, Receive

_KINDS = frozenset({"application/json", "application/x-ndjson"})
_ENCODINGS = frozenset({"", "identity", "gzip", "zstd"})
#: What is read of a body that nobody wants, so that its sender reads our answer. It costs next
#: to nothing: no more is in memory than one piece.
THROWN_AWAY_BYTES = 64 << 20
SILENCE_S = 5.0
THROWING_S = 30.0


class TooLarge(Exception):
    """More bytes than are read."""


class Gone(Exception):
    """The client went away in the middle."""


class Body:
    """The body of one request.

    Args:
        scope: Of the request.
        receive: The next message of the client.

    Attributes:
        is_read: Whether nothing of it is left to come.
    """

    def __init__(self, scope: Connection, receive: Receive) -> None:
        self._receive = receive
        headers = dict(scope["headers"])
        # HTTP/2 needs no announcement, so only those methods can do without one that have none.
        silent = b"" if scope["method"] == "POST" else b"0"
        length = headers.get(b"content-length", silent)
        self.is_read = length == b"0" and b"transfer-encoding" not in headers

    async def read(self, most: int) -> bytes:
        """The whole body.

        Args:
            most: Bytes that it may have.

        Raises:
            TooLarge: It has more.
            Gone: It ends too early.
        """
        pieces: list[bytes] = []
        size = 0
        while not self.is_read:
            pieces.append(await self._piece())
            size += len(pieces[-1])
            if size > most:
                raise TooLarge
        return b"".join(pieces)

    async def throw_away(self) -> None:
        """Read what is left, until its sender is silent, gone, or has sent far too much."""
        size = 0
        try:
            async with asyncio.timeout(THROWING_S):
                while not self.is_read and size < THROWN_AWAY_BYTES:
                    async with asyncio.timeout(SILENCE_S):
                        size += len(await self._piece())
        except (TimeoutError, Gone):
            pass

    async def _piece(self) -> bytes:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.is_read = True
            raise Gone
        self.is_read = not message.get("more_body", False)
        piece: bytes = message.get("body", b"")
        return piece


def is_kind_read(content_type: str) -> bool:
    """Whether bodies of a content type are read: none that a form of a page can send is."""
    return content_type.partition(";")[0].strip().lower() in _KINDS


def is_encoding_read(content_encoding: str) -> bool:
    """Whether a compression is understood."""
    return content_encoding.strip().lower() in _ENCODINGS


def replayed(body: bytes, receive: Receive) -> Receive:
    """A body that has already been read, then whatever the client does."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay
