"""What went wrong when the old system migrated or met a lock (B13, B14), and must not here."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from sbhooks.errors import StoreError
from sbhooks.testing.contracts import EventStoreContract, stored
from sbhooks.testing.factories import Timeline
from sbhooks_migrations import HEAD, migrations
from sbhooks_storage.database import connect, create_private
from sbhooks_storage.migrate import migrate
from sbhooks_storage.sqlite import open_sqlite

STEPS = migrations("sqlite")
APPLIED = "SELECT version FROM skill_migrations ORDER BY rowid"
OBJECTS = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
LOG = "SELECT id, skill_name, invoked_at, session_id, completed FROM skill_invocation ORDER BY id"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """An empty file."""
    create_private(tmp_path / "events.db")
    return tmp_path / "events.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(path)) as connection:
        yield connection


def insert(connection: sqlite3.Connection, skill: str = "lint") -> None:
    connection.execute(
        "INSERT INTO skill_invocation (skill_name, invoked_at, session_id, completed) "
        "VALUES (?, '2026-11-20T12:00:00+00:00', 's', 1)", (skill,),
    )  # fmt: skip


def applied(connection: sqlite3.Connection) -> list[str]:
    return [version for (version,) in connection.execute(APPLIED)]


def test_b13_one_step_back_is_the_newest_though_all_came_in_one_second(
    connection: sqlite3.Connection, path: Path
) -> None:
    migrate(connection, path)
    connection.execute("UPDATE skill_migrations SET applied_at = '2026-11-20 12:00:00'")
    migrate(connection, path, HEAD - 1)
    assert applied(connection) == [step.version for step in STEPS[:-1]]


@pytest.mark.parametrize("target", range(1, HEAD + 1))
def test_b13_a_target_is_reached_from_below_and_from_above(
    connection: sqlite3.Connection, path: Path, target: int
) -> None:
    expected = [step.version for step in STEPS[:target]]
    migrate(connection, path, target)
    assert applied(connection) == expected
    migrate(connection, path)
    migrate(connection, path, target)
    assert applied(connection) == expected


def test_b13_each_step_down_keeps_the_log_and_each_step_up_succeeds_again(
    connection: sqlite3.Connection, path: Path
) -> None:
    migrate(connection, path)
    insert(connection)
    log = connection.execute(LOG).fetchall()
    for target in [*range(HEAD - 1, 0, -1), *range(2, HEAD + 1)]:
        migrate(connection, path, target, allow_data_loss=True)
        assert connection.execute(LOG).fetchall() == log
    insert(connection, "after")
    assert connection.execute("SELECT count(*) FROM skill_metrics").fetchone() == (2,)


@pytest.mark.parametrize("place", range(HEAD))
def test_b13_a_step_down_that_fails_leaves_nothing_half(
    connection: sqlite3.Connection, path: Path, place: int
) -> None:
    script = STEPS[place].down + "\nDROP TABLE there_is_none;\n"
    broken = [*STEPS[:place], STEPS[place]._replace(down=script), *STEPS[place + 1 :]]
    migrate(connection, path, place + 1, steps=broken)
    objects, history = connection.execute(OBJECTS).fetchall(), applied(connection)
    with pytest.raises(sqlite3.OperationalError, match="there_is_none"):
        migrate(connection, path, place, steps=broken, allow_data_loss=True)
    assert connection.execute(OBJECTS).fetchall() == objects
    assert applied(connection) == history


def test_b14_a_lock_is_waited_for_and_the_next_try_is_a_transaction_of_its_own(path: Path) -> None:
    event = Timeline().invocation("lint")
    with closing(open_sqlite(path, EventStoreContract.codec, timeout_s=0.05)) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as other:
            other.execute("BEGIN IMMEDIATE")
            for _ in range(3):
                with pytest.raises(StoreError, match="another process has kept it locked"):
                    store.append([event])
            assert stored(store) == []  # readers do not wait
            other.execute("ROLLBACK")
        assert store.append([event]) == 1
        assert stored(store) == [event]
