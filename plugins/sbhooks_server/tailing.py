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
        limit: How many events to try next: what fits now is likely to fit then.
    """

    text: str | None
    position: int
    limit: int


def next_piece(store: EventReader, after: int, limit: int = EVENTS_PER_FRAME) -> Piece:
    """The next events behind a position; none only when there are no more.

    Args:
        store: Has them.
        after: The position.
        limit: How many to try, 1 to :data:`EVENTS_PER_FRAME`: what the last piece says, so that
            of many large events few are read again. It grows only by as many as were sent, so
            what is read stays in proportion to what is sent.

    Raises:
        StoreError: The store cannot be read.
    """
    while True:
        tail = store.tail(after, limit=limit)
        number = len(tail.events)
        if not number:
            return Piece(None, tail.position, limit)
        text = frames.events(tail.events, tail.position)
        size = len(text) if text.isascii() else len(text.encode())
        if size <= BYTES_PER_FRAME or number == 1:
            is_small = number == limit and 2 * size <= BYTES_PER_FRAME
            following = min(2 * limit, EVENTS_PER_FRAME) if is_small else limit
            return Piece(text, tail.position, following)
        # Positions inside of what was read are not known, so less is read.
        limit = max(1, min(number // 2, number * BYTES_PER_FRAME // size))
