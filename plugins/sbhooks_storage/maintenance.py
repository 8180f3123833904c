"""Looking after a database: what is in it, whether it is sound, and its size on the disk."""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from sbhooks.events import from_us, to_us
from sbhooks_migrations import HEAD, migrations
from sbhooks_storage.append import high_water, set_high_water
from sbhooks_storage.archive_catalog import catalog, faults
from sbhooks_storage.backups import newest_backup
from sbhooks_storage.history import applied
from sbhooks_storage.opening import check_head, opened, writing
from sbhooks_storage.rebuild import differences, rebuild

_RECENT = timedelta(days=30)
LEAST_SPAN = timedelta(days=7)  #: Between first and last event, for saying how a database grows.
LEAST_EVENTS = 1_000  #: For the same: of fewer, nobody can tell what one takes.
_EMPTY_BYTES = 490_000  # what a database has before its first event
_YEAR_DAYS = 365


class TableSize(msgspec.Struct, frozen=True, kw_only=True):
    """One table.

    Attributes:
        name: Its name.
        rows: How many rows it has.
    """

    name: str
    rows: int


class Status(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks db status --json`` prints.

    Attributes:
        path: The file.
        version: Version of its schema.
        head: The version that this sbhooks works with.
        size_bytes: Of the file, without its write-ahead log.
        journal_bytes: Of the write-ahead log.
        free_bytes: Inside the file, from rows that are gone; ``sbhooks db compact`` gives it back.
        oldest: The earliest event; absent from databases that are not at the head.
        newest: The latest event.
        events_per_day: Mean of the last 30 days; absent when events span less than 7 days.
        size_in_a_year_bytes: If it goes on like that; absent also with fewer than 1,000 events.
        archived_months: How many months are in the archive.
        archive_bytes: Size of their files.
        newest_backup: When the newest backup beside the file was made.
        tables: Largest first.
    """

    path: str
    version: int
    head: int
    size_bytes: int
    journal_bytes: int
    free_bytes: int
    oldest: datetime | None
    newest: datetime | None
    events_per_day: float | None
    size_in_a_year_bytes: int | None
    archived_months: int
    archive_bytes: int
    newest_backup: datetime | None
    tables: list[TableSize]


def status(path: Path) -> Status:
    """Say what is in a database, whatever its version; changes nothing."""
    with opened(path, "read", "ro") as connection:
        version = applied(connection, path, migrations("sqlite"))
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        names = connection.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' "
            "AND name NOT LIKE '%_fts%'"
        ).fetchall()
        tables = [
            TableSize(
                name=name, rows=connection.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
            )
            for (name,) in names
        ]
        size = path.stat().st_size
        oldest, newest, per_day, in_a_year = (
            _growth(connection, size - free * page) if version == HEAD else (None,) * 4
        )
        files = list(catalog(connection).values()) if version == HEAD else []
    journal = path.with_name(f"{path.name}-wal")
    return Status(
        path=str(path),
        version=version,
        head=HEAD,
        size_bytes=size,
        journal_bytes=journal.stat().st_size if journal.exists() else 0,
        free_bytes=free * page,
        oldest=oldest,
        newest=newest,
        events_per_day=per_day,
        size_in_a_year_bytes=in_a_year,
        archived_months=len(files),
        archive_bytes=sum(file.stat().st_size for file in files if file.exists()),
        newest_backup=newest_backup(path),
        tables=sorted(tables, key=lambda table: (-table.rows, table.name)),
    )


def verify(path: Path) -> list[str]:
    """Say what is wrong with a database: its file, its references, its scripts, its sums."""
    with opened(path, "verify") as connection:
        found = [
            f"the file is damaged: {verdict}. Put back a backup: sbhooks db restore"
            for (verdict,) in connection.execute("PRAGMA integrity_check(5)").fetchall()
            if verdict != "ok"
        ]
        if found:
            return found
        version = applied(connection, path, migrations("sqlite"))
        broken = connection.execute("PRAGMA foreign_key_check").fetchall()
        found += [
            f"{table}: {sum(row[0] == table for row in broken)} rows refer to nothing. "
            "Run: sbhooks db migrate, then sbhooks db rebuild"
            for table in sorted({str(row[0]) for row in broken})
        ]
        if version < HEAD:
            return [*found, f"its schema is version {version} of {HEAD}. Run: sbhooks db migrate"]
        lost = faults(connection)
        if lost:
            return [*found, *lost]  # the sums cannot be made without them
        with writing(connection):
            return [*found, *differences(connection)]


def rebuild_tables(path: Path) -> None:
    """Make every derived table of a database anew, in one transaction.

    Whoever keeps answers asks for the position: it moves on, because answers are different now.

    Raises:
        StoreError: Its schema is not at the head.
    """
    with opened(path, "rebuild") as connection:
        check_head(connection, path, "rebuild")
        with writing(connection):
            set_high_water(connection, high_water(connection) + 1)
            rebuild(connection)


def _growth(
    connection: sqlite3.Connection, size: int
) -> tuple[datetime | None, datetime | None, float | None, int | None]:
    """First and last event, events a day, and the size in a year at that rate.

    Args:
        connection: To a database at the head.
        size: Bytes that are in use.
    """
    first, last = connection.execute("SELECT min(first_us), max(last_us) FROM session").fetchone()
    if first is None:
        return None, None, None, None
    ends = from_us(first), from_us(last)
    if ends[1] - ends[0] < LEAST_SPAN:
        return *ends, None, None
    since = max(first, last - to_us(from_us(0) + _RECENT))
    (recent,) = connection.execute(
        "SELECT coalesce(sum(last_seq - first_seq + 1), 0) FROM session_span "
        "WHERE session_no IN (SELECT session_no FROM session WHERE last_us >= ?)", (since,),
    ).fetchone()  # fmt: skip
    per_day = recent / ((last - since) / 86_400e6)
    events = high_water(connection)
    if events < LEAST_EVENTS:
        return *ends, per_day, None
    per_event = max(size - _EMPTY_BYTES, 0) / events
    return *ends, per_day, round(size + per_day * _YEAR_DAYS * per_event)
