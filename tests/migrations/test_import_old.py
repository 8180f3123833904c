"""A database of the old system joins a store that is in use, once."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sbhooks.errors import StoreError
from sbhooks.store import EventQuery
from sbhooks.testing.contracts import EventStoreContract
from sbhooks.testing.factories import Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_storage.import_old import import_old
from sbhooks_storage.maintenance import verify
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite

OldDatabase = Callable[[str], Path]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[SqliteEventStore]:
    """A store with a run of its own."""
    with closing(open_sqlite(tmp_path / "events.db", EventStoreContract.codec)) as store:
        store.append(Timeline("ours").one_of_each())
        yield store


def count(path: Path, what: str) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute(f"SELECT count(*) FROM {what}").fetchone()[0])


def test_everything_of_the_old_database_is_added(
    store: SqliteEventStore, old_database: OldDatabase
) -> None:
    path = old_database("v4")
    before = path.read_bytes()
    found = import_old(store, path)
    assert (found.read, found.new) == (5_000, 5_000)
    assert [r.n for r in store.rollup(EventQuery(kinds=("invocation",)))] == [5_001]
    for table, rows in {
        "ab_test_outcomes": 444, "ab_test_assignments": 130, "skill_user_interactions": 1_500,
        "skill_categories": 6, "skill_category_mapping": 9, "skill_cluster_membership": 3,
        "skill_anomalies": 12, "skill_modalities": 4,
    }.items():  # fmt: skip
        assert found.rows[table] == rows
    embeddings = "skill_invocation WHERE embedding IS NOT NULL"
    assert count(store.path, embeddings) == count(path, embeddings) > 0
    assert len(store.rollup(EventQuery(), ["user"])) == 36 + 2
    assert path.read_bytes() == before
    assert verify(store.path) == []


def test_importing_again_changes_nothing(
    store: SqliteEventStore, old_database: OldDatabase
) -> None:
    path = old_database("v4")
    import_old(store, path)
    mark = store.high_water()
    again = import_old(store, path)
    assert (again.read, again.new, again.rows) == (5_000, 0, {})
    assert store.high_water() == mark


def test_a_later_state_of_the_same_database_adds_what_is_new(
    store: SqliteEventStore, old_database: OldDatabase
) -> None:
    path = old_database("v3")
    import_old(store, path)
    with closing(sqlite3.connect(path)) as old, old:
        old.execute("INSERT INTO skill_invocation (skill_name, invoked_at, session_id, completed) "
                    "VALUES ('pytest-run', '2026-11-20T12:30:00+00:00', 'later', 1)")  # fmt: skip
    assert import_old(store, path).new == 1


def test_two_old_databases_join_one_store(
    store: SqliteEventStore, old_database: OldDatabase
) -> None:
    assert import_old(store, old_database("v3")).new == 5_000
    assert import_old(store, old_database("v4")).new == 5_000
    assert verify(store.path) == []


def test_a_store_that_is_no_database_gets_the_events(old_database: OldDatabase) -> None:
    store = MemoryEventStore()
    found = import_old(store, old_database("v4"))
    assert (found.new, found.rows) == (5_000, {})


def test_b19_three_sessions_of_one_second_are_all_imported(
    store: SqliteEventStore, old_database: OldDatabase
) -> None:
    path = old_database("v3")
    with closing(sqlite3.connect(path)) as old, old:
        old.executemany(
            "INSERT INTO skill_invocation (skill_name, invoked_at, session_id, completed) "
            "VALUES ('same', '2026-11-20T12:00:00+00:00', ?, 1)",
            [("a",), ("b",), ("c",)],
        )
    import_old(store, path)
    assert [r.n for r in store.rollup(EventQuery(skills=("same",)))] == [3]


def test_what_is_no_old_database_is_refused(store: SqliteEventStore, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no such file"):
        import_old(store, tmp_path / "none.db")
    other = tmp_path / "other.db"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    with pytest.raises(StoreError, match="no table skill_invocation"):
        import_old(store, other)
    other.write_text("no database at all, however long it may be " * 100)
    with pytest.raises(StoreError, match="not an SQLite database"):
        import_old(store, other)


def test_a_damaged_schema_is_told_as_damage(
    store: SqliteEventStore, old_database: OldDatabase
) -> None:
    path = old_database("v4")
    sound = path.read_bytes()
    wounded = sound.replace(b"TABLE skill_modalities", b"TABL\xff skill_modalities", 1)
    assert wounded != sound
    path.write_bytes(wounded)
    with pytest.raises(StoreError, match="is damaged"):  # SQLite quotes bytes that are no text
        import_old(store, path)
