"""Every store keeps every promise, and all give the same answers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sbhooks.store import EventStore
from sbhooks.testing.contracts import EventStoreContract
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_storage.sqlite import open_sqlite


class TestMemory(EventStoreContract):
    test_appends_survive_closing = None  # type: ignore[assignment]  # it ends with its process

    @pytest.fixture
    def store(self) -> EventStore:
        return MemoryEventStore()


class TestSqlite(EventStoreContract):
    @pytest.fixture
    def reopened(self, tmp_path: Path) -> Callable[[], EventStore]:
        return lambda: open_sqlite(tmp_path / "events.db", self.codec)

    @pytest.fixture
    def store(self, reopened: Callable[[], EventStore]) -> Iterator[EventStore]:
        store = reopened()
        yield store
        store.close()
