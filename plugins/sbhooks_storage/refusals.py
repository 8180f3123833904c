"""Names the event for whose sake a batch cannot be stored."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sbhooks.errors import StoreError
from sbhooks.events import Event, kind_of

T = TypeVar("T")

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


def refused(event: Event, error: Exception) -> StoreError:
    """What the caller is told of one event."""
    return StoreError(
        f"cannot store event {event.id!r} ({kind_of(event)}): {error}. "
        "Nothing of its batch was stored; correct the event"
    )
