"""Stores batches of events, and says of each of them what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import msgspec

from sbhooks.errors import StoreError
from sbhooks.events import Event
from sbhooks.runtime import Runtime
from sbhooks.store import EventStore


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch.

    Attributes:
        new: Events that were not there before.
        known: Events that were.
        poison: Place in the batch → why that event cannot be stored.
    """

    new: int = 0
    known: int = 0
    poison: dict[int, str] = {}

    def __add__(self, other: Kept) -> Kept:
        return Kept(
            new=self.new + other.new,
            known=self.known + other.known,
            poison={**self.poison, **other.poison},
        )


def keep(runtime: Runtime, batches: Sequence[Sequence[Event]]) -> list[Kept]:
    """Store batches and tell plugins; durable on return.

    Args:
        runtime: Has the store and the plugins.
        batches: Of several senders; if possible, all are stored in one transaction.

    Returns:
        What became of each of them.

    Raises:
        StoreError: Nothing can be stored at present. Some batches may be; to send them again
            does no harm.
    """
    if (refusal := runtime.refusal) is not None:
        raise refusal
    kept = _together(runtime.store, batches)
    good = [*chain.from_iterable(map(_good, batches, kept))]
    if good:
        for event in good:
            runtime.hooks.deliver(event)
        runtime.hooks.events_stored(good, runtime.store)
    return kept


def _good(events: Sequence[Event], kept: Kept) -> Sequence[Event]:
    """Those that could be stored."""
    if not kept.poison:
        return events
    return [event for place, event in enumerate(events) if place not in kept.poison]


def _together(store: EventStore, batches: Sequence[Sequence[Event]]) -> list[Kept]:
    """Store all at once; each by itself when some event cannot be stored."""
    if len(batches) > 1:
        before = store.high_water()
        try:
            new = store.append([*chain.from_iterable(batches)])
        except StoreError as error:
            if not _is_event_at_fault(error):
                raise
        else:
            return _shares(store, before, batches, new)
    return [_alone(store, events, 0) for events in batches]


def _shares(
    store: EventStore, before: int, batches: Sequence[Sequence[Event]], new: int
) -> list[Kept]:
    """Of batches that were stored together, how many events of each were new.

    A store says so of all only. As a rule all are; otherwise it is read what was stored.
    """
    if new == sum(map(len, batches)):
        return [Kept(new=len(events)) for events in batches]
    fresh = _ids_behind(store, before) if new else set()
    kept = []
    for events in batches:
        own = fresh.intersection(event.id for event in events)
        fresh -= own  # of two batches with the same event the first one counts
        kept.append(Kept(new=len(own), known=len(events) - len(own)))
    return kept


def _ids_behind(store: EventStore, position: int) -> set[str]:
    """Ids of the events that were stored since, by whomever."""
    ids: set[str] = set()
    newest = store.high_water()
    while position < newest:
        tail = store.tail(position)
        ids.update(event.id for event in tail.events)
        position = tail.position
    return ids


def _alone(store: EventStore, events: Sequence[Event], first: int) -> Kept:
    """Store a batch; what the store cannot hold is found by halving and left out."""
    if not events:
        return Kept()
    try:
        new = store.append(events)
    except StoreError as error:
        if not _is_event_at_fault(error):
            raise
        if len(events) == 1:
            return Kept(poison={first: f"cannot be stored: {error.__cause__}"[:300]})
        half = len(events) // 2
        return _alone(store, events[:half], first) + _alone(store, events[half:], first + half)
    return Kept(new=new, known=len(events) - new)


def _is_event_at_fault(error: StoreError) -> bool:
    """Whether an event is at fault, and not the store."""
    return isinstance(error.__cause__, ValueError | TypeError | OverflowError)
