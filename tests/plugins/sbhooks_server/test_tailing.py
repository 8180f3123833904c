"""Pieces of what was stored: all of it, in order, none too large, and read about once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sbhooks.events import Codec, Failure
from sbhooks.store import EventReader, EventStore
from sbhooks.testing.factories import Timeline
from sbhooks_server.tailing import BYTES_PER_FRAME, EVENTS_PER_FRAME, next_piece
from sbhooks_storage.sqlite import open_sqlite

LARGE = 90_000  # bytes: two of them are a message


class Counting:
    """A store that counts what is read from it."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self.read = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def tail(self, after: int, *, limit: int) -> Any:
        found = self._store.tail(after, limit=limit)
        self.read += len(found.events)
        return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Any]:
    opened = open_sqlite(tmp_path / "s.db", Codec())
    yield Counting(opened)
    opened.close()


def fill(store: Any, sizes: list[int]) -> list[str]:
    line = Timeline()
    made = [line.failed(failure=Failure(fingerprint="f", message="x" * size)) for size in sizes]
    store.append(made)
    return [event.id for event in made]


def pieces(store: EventReader) -> list[list[str]]:
    """The events of each piece; their messages are no larger than they may be."""
    found: list[list[str]] = []
    position, limit = 0, EVENTS_PER_FRAME
    while True:
        text, position, limit = next_piece(store, position, limit)
        if text is None:
            return found
        ids = [event["id"] for event in json.loads(text)["data"]]
        assert len(text) <= BYTES_PER_FRAME or len(ids) == 1
        found.append(ids)


def test_many_large_events_are_read_about_once(store: Any) -> None:
    wanted = fill(store, [LARGE] * 100)
    found = pieces(store)
    assert [one for some in found for one in some] == wanted
    assert [len(some) for some in found] == [2] * 50
    assert store.read == 2 * len(wanted)  # all at once does not fit; then each once


def test_pieces_grow_again_behind_large_events(store: Any) -> None:
    wanted = fill(store, [3 * LARGE] * 3 + [10] * 600)
    found = pieces(store)
    assert [one for some in found for one in some] == wanted
    sizes = [len(some) for some in found]
    assert sizes[:9] == [1, 1, 1, 1, 2, 4, 8, 16, 32]
    assert max(sizes) == EVENTS_PER_FRAME
    assert store.read <= EVENTS_PER_FRAME + 2 * len(wanted)


@pytest.mark.parametrize("period", [2, 3, 7, 40])
def test_what_is_read_stays_in_proportion_however_sizes_alternate(store: Any, period: int) -> None:
    wanted = fill(store, [3 * LARGE if n % period == 0 else 10 for n in range(120)])
    found = pieces(store)
    assert [one for some in found for one in some] == wanted
    assert store.read <= 2 * EVENTS_PER_FRAME + 4 * len(wanted)
