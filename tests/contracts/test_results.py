"""Every store that keeps results keeps its promises about them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sbhooks.events import Codec
from sbhooks.results import RESULT_TABLES
from sbhooks.store import SqlValue
from sbhooks.testing.memory import MemoryEventStore
from sbhooks.testing.results_contract import Kept, ResultsContract
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite

_TYPES = {"INTEGER": int, "BOOLEAN": int, "REAL": float, "TEXT": str, "BLOB": bytes}


class TestMemory(ResultsContract):
    @pytest.fixture
    def store(self) -> MemoryEventStore:
        return MemoryEventStore()

    @pytest.fixture
    def kept(self, store: MemoryEventStore) -> Kept:
        return lambda table: store.results.get(table, [])


class TestSqlite(ResultsContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[SqliteEventStore]:
        store = open_sqlite(tmp_path / "events.db", Codec())
        yield store
        store.close()

    @pytest.fixture
    def kept(self, store: SqliteEventStore) -> Kept:
        def read(table: str) -> list[dict[str, SqlValue]]:
            with closing(sqlite3.connect(store.path)) as connection:
                connection.row_factory = sqlite3.Row
                return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]

        return read


def test_the_tables_have_the_columns_that_the_kernel_says(tmp_path: Path) -> None:
    open_sqlite(tmp_path / "events.db", Codec()).close()
    with closing(sqlite3.connect(tmp_path / "events.db")) as connection:
        found = {
            table: {
                name: _TYPES[kind]
                for _, name, kind, *_ in connection.execute(f"PRAGMA table_info({table})")
            }
            for table in RESULT_TABLES
        }
    assert found == RESULT_TABLES
