"""Names the event for whose sake a batch cannot be stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import msgspec

from sbhooks.errors import StoreError
from sbhooks.events import Event, kind_of

T = TypeVar("T")

_LEAST, _LARGEST = -(2**63), 2**63 - 1  # of SQLite's numbers
_encode = msgspec.json.Encoder().encode

#: What comes of events that hold something else than their fields say.
REFUSALS = (ValueError, TypeError, KeyError, AttributeError, OverflowError)


def named(work: Callable[[slice], T], events: Sequence[Event]) -> T:
    """Do something with many events at once.

    Args:
        work: What to do with those in a slice of ``events``; does nothing else.
        events: All of them.

    Raises:
        StoreError: Names the event that it cannot be done with.
    """
    try:
        return work(slice(len(events)))
    except REFUSALS:
        for place, event in enumerate(events):
            try:
                work(slice(place, place + 1))
            except REFUSALS as error:
                raise refused(event, error) from error
        raise


def culprit(events: Sequence[Event]) -> StoreError | None:
    """Of a batch that SQLite has refused, what to tell of the first event that it cannot take.

    Slow, and therefore only for batches that have failed: each text of each event is looked at.

    Args:
        events: The batch.

    Returns:
        Names the event; ``None`` when no event is at fault by itself.
    """
    for event in events:
        for field in event.__struct_fields__:
            wrong = _wrong(field, getattr(event, field))
            if wrong is not None:
                return refused(event, ValueError(f"{field} {wrong}"))
    return None


def _wrong(field: str, value: Any) -> str | None:
    if field == "id" and not isinstance(value, str):
        return f"is {value!r}, not text"
    if isinstance(value, int) and not _LEAST <= value <= _LARGEST:
        return f"is {value}, a number of more than 64 bits with its sign"
    try:
        _encode(value)
    except UnicodeEncodeError as error:
        return f"holds text that is no Unicode: {error}"
    except REFUSALS:
        return None  # of a type that is told elsewhere
    return None


def refused(event: Event, error: Exception) -> StoreError:
    """What the caller is told of one event."""
    return StoreError(
        f"cannot store event {event.id!r} ({kind_of(event)}): {error}. "
        "Nothing of its batch was stored; correct the event"
    )
