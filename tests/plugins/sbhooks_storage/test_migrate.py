"""Migrating is safe at any moment: locked, backed up, checked, whole or not at all."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sbhooks.errors import MigrationError, StoreError
from sbhooks.events import Invocation, Outcome
from sbhooks.store import EventQuery
from sbhooks.testing.contracts import EventStoreContract, stored
from sbhooks.testing.factories import Timeline
from sbhooks_migrations import HEAD, Migration, migrations
from sbhooks_storage.copies import BACKUPS_KEPT
from sbhooks_storage.database import connect, create_private
from sbhooks_storage.history import APPLICATION_ID, version
from sbhooks_storage.migrate import migrate
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite

CODEC = EventStoreContract.codec
STEPS = migrations("sqlite")
Open = Callable[..., SqliteEventStore]

LOG = (
    "SELECT id, skill_name, invoked_at, session_id, workflow_path, completed, duration_seconds, "
    "user_query, alternatives_considered, selection_rank, follow_up_actions, error_type, "
    "created_at, embedding, workflow_phase, workflow_step_id FROM skill_invocation ORDER BY id"
)


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    create_private(path)
    connection = connect(path)
    yield connection
    connection.close()


@pytest.fixture
def old_system(path: Path) -> list[tuple[object, ...]]:
    """A database as the old system left it: no checksums, no version in the header."""
    create_private(path)
    connection = connect(path)
    migrate(connection, path, 4)
    connection.execute(
        "UPDATE skill_migrations SET checksum = NULL, rollback_sql = NULL, "
        "applied_by = 'session-buddy', applied_at = '2026-11-20 17:57:48'"
    )
    connection.execute("PRAGMA user_version = 0")
    connection.execute("PRAGMA application_id = 0")
    insert = (
        "INSERT INTO skill_invocation (skill_name, invoked_at, session_id, completed, "
        "duration_seconds, error_type, follow_up_actions, workflow_phase) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
    )
    connection.executemany(insert, [
        ("ruff-check", "2026-11-20T12:00:00.100027+00:00", "s1", 1, 1.5, None, '["a", "b"]', "x"),
        ("mypy", "2026-11-20T12:00:00+00:00", "s1", 0, None, "OSError", "no JSON", None),
        ("mypy", "2026-11-20T14:30:00.5+02:00", "s2", 0, None, None, None, None),
        ("mypy", "not a time", "s2", 1, 2.0, None, None, None),
    ])  # fmt: skip
    log = connection.execute(LOG).fetchall()
    connection.close()
    return log


def backups(path: Path) -> list[Path]:
    return sorted(path.parent.glob("*.backup"))


def test_a_new_database_is_at_the_head_and_needs_no_backup(path: Path, open_store: Open) -> None:
    open_store()
    connection = connect(path)
    assert version(connection) == HEAD
    rows = connection.execute(
        "SELECT version, checksum, applied_by, success FROM skill_migrations ORDER BY rowid"
    ).fetchall()
    assert rows == [(step.version, step.checksum, "sbhooks", 1) for step in STEPS]
    assert backups(path) == []
    connection.close()


def test_first_openers_at_once_find_the_work_done(path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from sbhooks.events import Codec\n"
        "from sbhooks_storage.sqlite import open_sqlite\n"
        "from sbhooks.testing.factories import Timeline\n"
        "sys.stdin.read()\n"
        "store = open_sqlite(Path(sys.argv[1]), Codec())\n"
        "store.append([Timeline(sys.argv[2]).passed()])\n"
    )
    children = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(path), str(number)],
            stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for number in range(6)
    ]  # fmt: skip
    for child in children:  # the end of their input is the starting gun
        assert child.stdin is not None
        child.stdin.close()
    for child in children:
        assert child.stderr is not None
        assert child.wait() == 0, child.stderr.read()
        child.stderr.close()
    store = open_sqlite(path, CODEC)
    assert len(stored(store)) == 6
    store.close()
    assert [file.name for file in path.parent.glob("*.new")] == []


@pytest.mark.parametrize("step", [11, pytest.param(1, marks=pytest.mark.slow)])
def test_migrating_killed_at_any_statement_leaves_a_whole_version(
    step: int,
    path: Path,
    old_system: list[tuple[object, ...]],
    open_store: Open,
    killed_at: Callable[[Callable[[], object], int], bool],
) -> None:
    original = path.read_bytes()
    whole = {}
    for number in range(4, HEAD + 1):
        connection = connect(path)
        migrate(connection, path, number)
        whole[number] = connection.execute(
            "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
        ).fetchall()
        connection.close()
    number, reached = 0, set()
    while True:
        for file in path.parent.iterdir():
            file.unlink()
        path.write_bytes(original)
        if not killed_at(lambda: open_sqlite(path, CODEC), number):
            break
        connection = sqlite3.connect(path)
        (applied,) = connection.execute("SELECT count(*) FROM skill_migrations").fetchone()
        assert applied in whole
        objects = "SELECT type, name, sql FROM sqlite_master ORDER BY type, name"
        assert connection.execute(objects).fetchall() == whole[applied]
        (header,) = connection.execute("PRAGMA user_version").fetchone()
        assert header in ({0, 4} if applied == 4 else {applied})
        assert connection.execute(LOG).fetchall() == old_system
        connection.close()
        store = open_sqlite(path, CODEC)
        assert len(stored(store)) == 4
        store.close()
        reached.add(applied)
        number += step
    assert reached == set(range(4, HEAD + 1))
    assert number > 60


def test_the_old_systems_log_is_taken_over(
    path: Path, old_system: list[tuple[object, ...]], open_store: Open
) -> None:
    store = open_store()
    events = [event for event in stored(store) if isinstance(event, Invocation)]
    assert [(e.skill, e.outcome, e.error_type, e.follow_up_actions) for e in events[:3]] == [
        ("mypy", Outcome.FAILURE, "OSError", []),
        ("ruff-check", Outcome.SUCCESS, None, ["a", "b"]),
        ("mypy", Outcome.CANCELLATION, None, []),
    ]
    assert [event.at.isoformat() for event in events[:3]] == [
        "2026-11-20T12:00:00+00:00",
        "2026-11-20T12:00:00.100027+00:00",
        "2026-11-20T12:30:00.500000+00:00",
    ]
    assert len({event.id for event in events}) == len(events) == 4
    assert len(store.tail(0).events) == 4
    assert stored(store, EventQuery(sessions=("s1",))) == events[:2]
    assert [row.n for row in store.rollup(EventQuery(sessions=("s1", "s2")), ["session"])] == [2, 2]
    connection = sqlite3.connect(path)
    assert connection.execute(LOG).fetchall() == old_system
    connection.close()


def test_two_copies_of_an_old_database_give_the_same_identities(
    path: Path, old_system: list[tuple[object, ...]], open_store: Open, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.db"
    copy.write_bytes(path.read_bytes())
    other = open_sqlite(copy, CODEC)
    assert [event.id for event in stored(open_store())] == [event.id for event in stored(other)]
    other.close()


def test_a_log_of_the_old_system_goes_down_and_up_unchanged(
    path: Path, old_system: list[tuple[object, ...]], open_store: Open
) -> None:
    before = stored(store := open_store())
    store.close()
    connection = connect(path)
    assert migrate(connection, path, 3) == [step.version for step in reversed(STEPS[3:])]
    assert connection.execute(LOG).fetchall() == old_system
    assert migrate(connection, path) == [step.version for step in STEPS[3:]]
    connection.close()
    assert stored(open_store()) == before


def test_rows_of_other_programs_take_part(path: Path, open_store: Open) -> None:
    store = open_store()
    store.append(Timeline().one_of_each())
    mark = store.high_water()
    other = sqlite3.connect(path)
    insert = "INSERT INTO skill_invocation (skill_name, invoked_at, session_id) VALUES (?, ?, ?)"
    other.execute(insert, ("black-format", "2026-11-20T12:00:00.000001Z", "elsewhere"))
    with pytest.raises(sqlite3.IntegrityError, match="must be an ISO 8601 time"):
        other.execute(insert, ("black-format", "yesterday", "elsewhere"))
    other.commit()
    other.close()
    (event,) = store.tail(mark).events
    assert isinstance(event, Invocation)
    assert (event.skill, event.session, event.source) == ("black-format", "elsewhere", "sql")
    assert event.at.isoformat() == "2026-11-20T12:00:00.000001+00:00"
    assert stored(store, EventQuery(sessions=("elsewhere",))) == [event]
    assert store.append([event]) == 0
    new = Timeline().invocation()
    store.append([new])
    assert store.tail(mark + 1).events == [new]


def test_data_are_backed_up_before_they_are_touched(
    path: Path, old_system: list[tuple[object, ...]], open_store: Open
) -> None:
    open_store()
    (backup,) = backups(path)
    assert backup.stat().st_mode & 0o777 == 0o600
    copy = sqlite3.connect(backup)
    assert copy.execute(LOG).fetchall() == old_system
    assert copy.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    assert "event_id" not in str(copy.execute("SELECT sql FROM sqlite_master").fetchall())
    copy.close()
    assert not list(path.parent.glob("*.part"))


def test_only_the_newest_backups_are_kept(path: Path, old_system: object) -> None:
    connection = connect(path)
    for target in [HEAD, 4] * 4:
        migrate(connection, path, target)
    connection.close()
    assert len(backups(path)) == BACKUPS_KEPT


def test_down_refuses_to_delete_data(path: Path, open_store: Open) -> None:
    store = open_store()
    events = [*Timeline().one_of_each(), Timeline("other").invocation(rating=3)]
    store.append(events)
    store.close()
    connection = connect(path)
    with pytest.raises(MigrationError, match=r"would delete .*phase_change \(1 rows\)") as caught:
        migrate(connection, path, 4)
    assert "skill_invocation.rating (1 rows)" in str(caught.value)
    assert version(connection) == HEAD
    migrate(connection, path, 4, allow_data_loss=True)
    assert len(connection.execute(LOG).fetchall()) == 2
    connection.close()
    assert len(stored(open_store())) == 2


def test_a_changed_script_is_drift(path: Path, connection: sqlite3.Connection) -> None:
    migrate(connection, path)
    changed = [*STEPS[:-1], STEPS[-1]._replace(up=STEPS[-1].up + "-- changed\n")]
    with pytest.raises(MigrationError, match="drift"):
        migrate(connection, path, steps=changed)


def test_a_history_with_a_hole_is_refused(path: Path, connection: sqlite3.Connection) -> None:
    migrate(connection, path)
    connection.execute("DELETE FROM skill_migrations WHERE version LIKE 'V2%'")
    with pytest.raises(MigrationError, match="lacks version 2"):
        migrate(connection, path)


def test_a_migration_that_fails_changes_nothing(path: Path, connection: sqlite3.Connection) -> None:
    migrate(connection, path)
    broken = Migration(HEAD + 1, "broken", "CREATE TABLE half (x); SELECT * FROM nowhere;", "")
    with pytest.raises(sqlite3.OperationalError, match="nowhere"):
        migrate(connection, path, HEAD + 1, steps=[*STEPS, broken])
    assert version(connection) == HEAD
    assert not connection.execute("SELECT * FROM sqlite_master WHERE name = 'half'").fetchall()


def test_a_migration_that_orphans_rows_is_undone(
    path: Path, connection: sqlite3.Connection, open_store: Open
) -> None:
    open_store().append(Timeline().one_of_each())
    careless = Migration(HEAD + 1, "careless", "DROP TABLE session;", "")
    connection.execute("PRAGMA foreign_keys = OFF")
    with pytest.raises(MigrationError, match="refer to nothing"):
        migrate(connection, path, HEAD + 1, steps=[*STEPS, careless])
    assert len(stored(open_store())) == 6


def test_an_unknown_target_is_refused(path: Path, connection: sqlite3.Connection) -> None:
    with pytest.raises(MigrationError, match="to version 99"):
        migrate(connection, path, 99)


def test_a_database_of_another_program_is_left_alone(path: Path, open_store: Open) -> None:
    other = sqlite3.connect(path)
    other.execute("CREATE TABLE bookmarks (url TEXT)")
    other.execute(f"PRAGMA user_version = {HEAD}")
    other.close()
    with pytest.raises(MigrationError, match="tables of another program"):
        open_store()


def test_a_newer_database_can_be_read_but_not_written(path: Path, open_store: Open) -> None:
    events = Timeline().one_of_each()
    store = open_store()
    store.append(events)
    store.close()
    connection = connect(path)
    newer = Migration(HEAD + 1, "later", "ALTER TABLE session ADD COLUMN mood TEXT;", "")
    migrate(connection, path, HEAD + 1, steps=[*STEPS, newer])
    connection.close()
    store = open_store()
    assert stored(store) == events
    for change in (
        lambda: store.append(Timeline().one_of_each()),
        lambda: store.rename_people({"a": "b"}), lambda: store.erase_user("user-1"),
    ):  # fmt: skip
        with pytest.raises(MigrationError, match=f"its schema is version {HEAD + 1}.*Upgrade"):
            change()
    assert stored(store) == events


def test_a_newer_database_that_cannot_be_understood_says_so(path: Path, open_store: Open) -> None:
    open_store().close()
    connection = connect(path)
    connection.execute("ALTER TABLE session RENAME TO visit")
    connection.execute(f"PRAGMA user_version = {HEAD + 1}")
    connection.close()
    with pytest.raises(MigrationError, match="Upgrade sbhooks"):
        open_store().rollup(EventQuery(), ["project"])


def test_a_backup_that_is_damaged_stops_the_migration(path: Path, old_system: object) -> None:
    connection = connect(path)
    connection.execute("PRAGMA writable_schema = ON")
    connection.execute(
        "UPDATE sqlite_master SET rootpage = 3 WHERE name = 'idx_user_interactions_user'"
    )
    connection.close()
    connection = connect(path)
    with pytest.raises((StoreError, sqlite3.DatabaseError)):
        migrate(connection, path)
    connection.close()
    assert not backups(path)


def test_what_is_ours_is_marked_in_the_file(path: Path, open_store: Open) -> None:
    open_store().close()
    assert int.from_bytes(path.read_bytes()[68:72], "big") == APPLICATION_ID
