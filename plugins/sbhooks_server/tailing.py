"""Pieces of what was stored, each as one message that is not too large."""

from __future__ import annotations

from typing import NamedTuple

from sbhooks.store import EventReader
from sbhooks_server import frames

EVENTS_PER_FRAME = 200
BYTES_PER_FRAME = 256 << 10  #: A single event may be larger; it is sent alone then.


class Piece(NamedTuple):
    """Some events, ready to be sent.

    Attributes:
        text: The message; ``None`` when there are no events.
        position: Behind them.
    """

    text: str | None
    position: int


def next_piece(store: EventReader, after: int) -> Piece:
    """The next events behind a position; none only when there are no more.

    Raises:
        StoreError: The store cannot be read.
    """
    limit = EVENTS_PER_FRAME
    while True:
        tail = store.tail(after, limit=limit)
        if not tail.events:
            return Piece(None, tail.position)
        text = frames.events(tail.events, tail.position)
        size = len(text) if text.isascii() else len(text.encode())
        if size <= BYTES_PER_FRAME or limit == 1:
            return Piece(text, tail.position)
        # Positions inside of what was read are not known, so less is read.
        limit = max(1, min(limit // 2, limit * BYTES_PER_FRAME // size))
