"""Migrating and mending when the machine fails: the old or the new state, whole."""

from __future__ import annotations

import resource
import signal
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from sbhooks.errors import StoreError
from sbhooks.store import EventQuery
from sbhooks.testing.contracts import EventStoreContract, stored
from sbhooks.testing.factories import NOON, Timeline
from sbhooks_migrations import HEAD, migrations
from sbhooks_storage.database import connect, create_private
from sbhooks_storage.history import applied
from sbhooks_storage.maintenance import rebuild_tables, verify
from sbhooks_storage.migrate import migrate
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite

CODEC = EventStoreContract.codec
Open = Callable[..., SqliteEventStore]
KilledAt = Callable[[Callable[[], object], int], bool]
OBJECTS = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
LOG = "SELECT id, skill_name, invoked_at, session_id, completed, created_at FROM skill_invocation"


@pytest.fixture
def old(path: Path) -> Path:
    """A database of version 4 with a log of some length."""
    create_private(path)
    with closing(connect(path)) as connection:
        migrate(connection, path, 4)
        connection.execute("BEGIN")
        connection.executemany(
            "INSERT INTO skill_invocation (skill_name, invoked_at, session_id, completed) "
            "VALUES (?, ?, ?, 1)",
            [
                (f"skill-{n % 3}", (NOON + timedelta(minutes=n)).isoformat(), f"s{n % 7}")
                for n in range(300)
            ],
        )
        connection.execute("COMMIT")
    return path


def read(path: Path, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(query).fetchall()


def way_down(path: Path, target: int = 4) -> None:
    with closing(connect(path)) as connection:
        migrate(connection, path, target, allow_data_loss=True)


@pytest.mark.parametrize("step", [19, pytest.param(1, marks=pytest.mark.slow)])
def test_the_way_down_killed_at_any_statement_leaves_a_whole_version(
    step: int, path: Path, open_store: Open, killed_at: KilledAt
) -> None:
    store = open_store()
    store.append(Timeline().one_of_each())
    store.close()
    original, log, whole = path.read_bytes(), read(path, LOG), {HEAD: read(path, OBJECTS)}
    for version in range(HEAD - 1, 3, -1):
        way_down(path, version)
        whole[version] = read(path, OBJECTS)
    number, reached = 0, set()
    while True:
        for file in path.parent.iterdir():
            file.unlink()
        path.write_bytes(original)
        if not killed_at(lambda: way_down(path), number):
            break
        (applied,) = read(path, "SELECT count(*) FROM skill_migrations")[0]
        reached.add(applied)
        assert read(path, OBJECTS) == whole[int(str(applied))]
        assert read(path, LOG) == log
        number += step
    assert number > 60
    assert reached >= {HEAD, HEAD - 1}


@pytest.mark.parametrize("step", [7, pytest.param(1, marks=pytest.mark.slow)])
def test_a_rebuild_killed_at_any_statement_leaves_right_tables(
    step: int, path: Path, open_store: Open, killed_at: KilledAt
) -> None:
    with closing(open_store()) as store:
        store.append([*Timeline("a").one_of_each(), *Timeline("b").one_of_each()])
    number = 0
    while killed_at(lambda: rebuild_tables(path), number):
        assert verify(path) == []
        number += step
    assert number > 30


def test_a_migration_without_room_leaves_a_whole_version(
    old: Path, in_child: Callable[[Callable[[], object]], str]
) -> None:
    log = read(old, LOG)

    def migrate_with_limit() -> str:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        limit = old.stat().st_size + 20_000  # the backup has room, its work has not
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        try:
            open_sqlite(old, CODEC)
        except StoreError as error:
            return str(error)
        return "migrated"

    said = in_child(migrate_with_limit)
    assert f"cannot open {old}" in said
    assert "Check the disk" in said or "Make room" in said
    assert read(old, LOG) == log
    with closing(connect(old)) as connection:
        assert applied(connection, old, migrations("sqlite")) < HEAD
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    with closing(open_sqlite(old, CODEC)) as store:
        assert [row.n for row in store.rollup(EventQuery())] == [300]
    assert verify(old) == []


def test_a_migration_waits_for_a_writer_and_then_says_so(old: Path) -> None:
    objects = read(old, OBJECTS)
    with closing(sqlite3.connect(old, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="another process has kept it locked for too long"):
            open_sqlite(old, CODEC, timeout_s=0.05)
    assert read(old, OBJECTS) == objects
    open_sqlite(old, CODEC).close()


def test_a_damaged_database_is_not_migrated(old: Path) -> None:
    (page,) = read(old, "SELECT rootpage FROM sqlite_master WHERE name = 'skill_invocation'")[0]
    damaged = bytearray(old.read_bytes())
    start = (int(str(page)) - 1) * 4096
    damaged[start : start + 4096] = b"\xff" * 4096
    old.write_bytes(damaged)
    with pytest.raises(StoreError, match="damaged"):
        open_sqlite(old, CODEC)
    assert read(old, "SELECT count(*) FROM skill_migrations") == [(4,)]


def test_damaged_sums_are_named_and_the_log_mends_them(path: Path, open_store: Open) -> None:
    with closing(open_store()) as store:
        store.append(Timeline().one_of_each())
    with closing(connect(path)) as connection:
        connection.execute("UPDATE rollup_skill_hour SET buckets = x'ffff'")
    assert [text.partition(":")[0] for text in verify(path)] == ["rollup_skill_hour"]
    rebuild_tables(path)
    assert verify(path) == []


def test_a_clock_that_jumps_back_loses_and_confuses_nothing(path: Path, open_store: Open) -> None:
    store = open_store()
    events = [
        Timeline("s", start=NOON - timedelta(hours=hours)).invocation("lint")
        for hours in (0, 30, 1, 29, 0)
    ]
    for event in events:
        store.append([event])
    assert stored(store) == sorted(events, key=lambda event: (event.at, event.id))
    assert len(store.tail(0).events) == 5
    with closing(connect(path)) as connection:  # counted at a time that has not come yet
        connection.execute(
            "UPDATE skill_metrics_cache SET updated_at = '2999-01-01', invocation_count_24h = 9"
        )
    store.append([Timeline("s").invocation("mypy")])
    counted, fresh = read(
        path,
        "SELECT c.invocation_count_24h = r.count_24h, c.updated_at < '2999' FROM "
        "skill_metrics_cache AS c JOIN v_recent_invocations AS r USING (skill_name) "
        "WHERE skill_name = 'lint'",
    )[0]
    assert (counted, fresh) == (1, 1)
    assert verify(path) == []
