"""Figures about the database, for monitoring systems."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from sbhooks.errors import StoreError
from sbhooks.events import BUILTIN_KINDS, Codec
from sbhooks.testing.factories import Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_migrations import HEAD
from sbhooks_storage.figures import figures
from sbhooks_storage.sqlite import open_sqlite


def test_schema_and_locks_are_told(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    open_sqlite(path, Codec(BUILTIN_KINDS)).close()
    store = open_sqlite(path, Codec(BUILTIN_KINDS), timeout_s=0.01)
    try:
        assert _told(store) == {"sbhooks_migration_version": HEAD, "sbhooks_db_busy": 0}
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreError, match="locked"):
                store.append([Timeline().start()])
        assert _told(store)["sbhooks_db_busy"] == 1
        store.append([Timeline().start()])
        assert _told(store)["sbhooks_db_busy"] == 1
    finally:
        store.close()


def test_nothing_is_said_about_other_stores() -> None:
    assert list(figures(MemoryEventStore())) == []


def _told(store: object) -> dict[str, float]:
    return {metric.name: metric.samples[0].value for metric in figures(store)}  # type: ignore[arg-type]
