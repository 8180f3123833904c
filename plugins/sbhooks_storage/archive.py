"""Moves old months out of the database into Parquet files, so that every event is in one place.

What moves: invocations, test results, phase changes and stages of pipelines, whole months at a
time. What stays: sessions with their starts and ends, identities (so that nothing is stored
twice), sums, and events of kinds that plugins declare, because these hold decisions.

The table ``store_state`` says which file of a month counts: ``archive:2025-01`` → its
generation, file ``2025-01.<generation>.parquet``. A month is moved like this:

1. a new file is written beside the old one, read back, and synced to the disk;
2. one transaction deletes the rows and makes the new generation count;
3. the old file is deleted.

Whoever dies in between leaves the rows in the database or in the file that counts, never in
both or in neither; a file that does not count is deleted by the next run.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec

from sbhooks.errors import MigrationError, StoreError
from sbhooks.events import from_us, to_us
from sbhooks.lazy import require
from sbhooks.progress import Progress
from sbhooks_migrations import HEAD
from sbhooks_storage import archive_files, rollups
from sbhooks_storage.append import high_water, set_high_water
from sbhooks_storage.archive_files import Digest, Row
from sbhooks_storage.archive_rows import PRUNED, SOURCES, Source, restore_invocations
from sbhooks_storage.migrate import version
from sbhooks_storage.opening import check_head, opened

_PREFIX = "archive:"
_FIRST_VERSION = 5  # of the schema, that has store_state
_NAME = re.compile(r"(\d{4}-\d\d)\.\d+\.parquet(\.part)?")
_ATTEMPTS = 3  # at a month that others change meanwhile


class Month(msgspec.Struct, frozen=True, kw_only=True):
    """A month that was moved.

    Attributes:
        month: ``2025-01``.
        moved: How many events went from the database into its file now.
        events: How many its file holds in all.
        size_bytes: Of the file; absent when nothing was moved, as is its path.
        file: Its path.
    """

    month: str
    moved: int
    events: int
    size_bytes: int | None
    file: str | None


class Archived(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks db archive --json`` prints.

    Attributes:
        folder: Where the files are.
        before: Months that were over then are moved.
        dry_run: Whether nothing was moved.
        months: Oldest first.
    """

    folder: str
    before: datetime
    dry_run: bool
    months: list[Month]


class _Seen(NamedTuple):
    """What a month looked like when its new file was written.

    Attributes:
        newest: Number of the newest event.
        version: Another one after anybody else's commit.
        old: The file that counted.
        meant: Of the rows that are to go.
    """

    newest: int
    version: int
    old: Path | None
    meant: Digest


class _Span(NamedTuple):
    """A month, in microseconds, or its beginning; and what of it is meant."""

    name: str
    since_us: int
    until_us: int
    sources: tuple[Source, ...] = SOURCES


def run(path: Path, before: datetime, *, dry_run: bool, progress: Progress) -> Archived:
    """Move all months that were over before a time.

    Args:
        path: The database, at the head of its schema.
        before: The time.
        dry_run: Only say what would be moved.
        progress: Told how many months of how many are done.

    Raises:
        StoreError: A month cannot be moved; those before it have been.
    """
    require("pyarrow", install="sbhooks[archive]")
    with opened(path, "archive") as connection:
        check_head(connection, path, "archive")
        names = due(connection, before)
        months = []
        for number, month in enumerate(names):
            progress(number, len(names))
            months.append(_planned(connection, month) if dry_run else move(connection, month))
        folder = str(folder_of(connection))
    return Archived(folder=folder, before=before, dry_run=dry_run, months=months)


def folder_beside(path: Path) -> Path:
    """Where the archive of a database is."""
    return path.with_name(f"{path.name}.archive")


def folder_of(connection: sqlite3.Connection) -> Path:
    """Where the archive of an open database is."""
    (file,) = connection.execute(
        "SELECT file FROM pragma_database_list WHERE name = 'main'"
    ).fetchone()
    return folder_beside(Path(file))


def catalog(connection: sqlite3.Connection) -> dict[str, Path]:
    """Month → the file that counts, oldest first."""
    folder = folder_of(connection)
    found = connection.execute(
        "SELECT name, value FROM store_state WHERE name GLOB ? ORDER BY name", (f"{_PREFIX}*",)
    ).fetchall()
    return {
        name.removeprefix(_PREFIX): _file(folder, name.removeprefix(_PREFIX), generation)
        for name, generation in found
    }


def due(connection: sqlite3.Connection, before: datetime) -> list[str]:
    """The months that are over before a time and have events in the database."""
    limit = _span(before.astimezone(UTC).isoformat()[:7]).since_us
    months: set[str] = set()
    for source in SOURCES:
        months.update(from_us(at).isoformat()[:7] for at in source.days(connection, limit))
    return sorted(months)


def _planned(connection: sqlite3.Connection, month: str) -> Month:
    """What would be moved."""
    span = _span(month)
    moved = sum(source.how_many(connection, span.since_us, span.until_us) for source in SOURCES)
    old = catalog(connection).get(month)
    held = 0 if old is None else archive_files.count(old)
    return Month(month=month, moved=moved, events=held + moved, size_bytes=None, file=None)


def move(
    connection: sqlite3.Connection,
    month: str,
    *,
    sources: tuple[Source, ...] = SOURCES,
    until_us: int | None = None,
) -> Month:
    """Move the events of a month into its file.

    Args:
        connection: In autocommit mode.
        month: ``2025-01``.
        sources: What is moved.
        until_us: When what is moved ends; with the month by default.

    Raises:
        StoreError: The file cannot be written or does not read back right, or others keep
            changing the month; everything is where it was.
    """
    span = _span(month)._replace(sources=sources)
    if until_us is not None:
        span = span._replace(until_us=min(span.until_us, until_us))
    with locked(folder_of(connection)):
        sweep(connection)
        for _ in range(_ATTEMPTS):
            moved = _try_to_move(connection, span)
            if moved is not None:
                sweep(connection)
                return moved
    raise StoreError(
        f"cannot archive {month}: other programs keep changing its events. Try again later"
    )


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Be the only one who makes files; ends with the process, however that ends.

    To be taken before a write transaction, never within.

    Raises:
        StoreError: Somebody else is at it.
    """
    folder.mkdir(mode=0o700, exist_ok=True)
    descriptor = os.open(folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _lock(descriptor, folder)
        yield
    finally:
        os.close(descriptor)


def sweep(connection: sqlite3.Connection) -> None:
    """Delete files that do not count: what a killed run, or a replaced month, left behind.

    Args:
        connection: In autocommit mode, with the folder ``locked``.
    """
    folder = folder_of(connection)
    if not folder.is_dir():
        return
    connection.execute("BEGIN IMMEDIATE")  # nobody else makes a file count meanwhile
    try:
        known = set(catalog(connection).values())
        # a backup was put back that is older than the file: what there is of it is precious
        lost = {month for month, file in catalog(connection).items() if not file.exists()}
        for file in folder.iterdir():
            name = _NAME.fullmatch(file.name)
            if name and file not in known and name[1] not in lost:
                file.unlink(missing_ok=True)
    finally:
        connection.execute("ROLLBACK")


def check_way_down(
    connection: sqlite3.Connection, path: Path, target: int | None, *, allow_data_loss: bool
) -> None:
    """Refuse to go down to a schema that has no place to say which files count.

    Raises:
        MigrationError: There are archived months, and nobody allowed to lose sight of them.
    """
    if target is None or target >= _FIRST_VERSION or allow_data_loss:
        return
    if version(connection) >= _FIRST_VERSION and (months := catalog(connection)):
        raise MigrationError(
            f"cannot take {path} down to version {target}: {len(months)} months are in the archive "
            f"{folder_of(connection)}, which that version does not know. Allow the loss of data "
            "explicitly if that is meant (sbhooks db migrate --allow-data-loss)"
        )


def faults(connection: sqlite3.Connection) -> list[str]:
    """Say which files of the archive cannot be read."""
    found = []
    for path in catalog(connection).values():
        try:
            for _ in archive_files.read(path):
                pass
        except StoreError as error:
            found.append(str(error))
    return found


@contextmanager
def put_back(connection: sqlite3.Connection) -> Iterator[None]:
    """Have archived invocations in the log again while the body runs: sums are made of all.

    Args:
        connection: In a write transaction that is undone when the body raises.
    """
    files = list(catalog(connection).values())
    if not files:
        yield
        return
    connection.execute("CREATE TEMP TABLE put_back (id INTEGER PRIMARY KEY)")
    try:
        for path in files:
            restore_invocations(connection, archive_files.read(path, "invocation"))
            restore_invocations(connection, archive_files.read(path, PRUNED))
        yield
        connection.execute("DELETE FROM skill_invocation WHERE id IN (SELECT id FROM put_back)")
    finally:
        connection.execute("DROP TABLE temp.put_back")


def erase(connection: sqlite3.Connection, sessions: set[int]) -> list[str]:
    """Take sessions out of the archive; returns the ids of the events that went.

    New files count when the transaction is committed; ``sweep`` then deletes the old ones.

    Args:
        connection: In a write transaction.
        sessions: Their numbers.
    """
    place, name = _place("session_no"), _place("id")
    gone: list[str] = []
    for month, path in catalog(connection).items():
        ids = [row[name] for row in archive_files.read(path) if row[place] in sessions]
        if ids:
            gone += [name for name in ids if name is not None]
            rewrite(connection, month, lambda row: None if row[place] in sessions else row)
    return gone


def rewrite(
    connection: sqlite3.Connection, month: str, change: Callable[[Row], Row | None]
) -> None:
    """Change the file of a month; ``sweep`` then deletes the old one.

    Args:
        connection: In a write transaction, with the folder ``locked``.
        month: ``2025-01``; one of the catalog.
        change: Makes the new row of an old one; ``None`` leaves it out.
    """
    old = catalog(connection)[month]
    generation = _generation(old) + 1
    rows = (new for row in archive_files.read(old) if (new := change(row)) is not None)
    path = _file(old.parent, month, generation)
    if archive_files.write(path, rows, schema_version=HEAD):
        _count(connection, month, generation)
    else:
        connection.execute("DELETE FROM store_state WHERE name = ?", (f"{_PREFIX}{month}",))


def _lock(descriptor: int, folder: Path) -> None:
    import fcntl  # reading works where there is none

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreError(
            f"cannot change the archive {folder}: another process is doing so. "
            "Wait until it has ended and try again"
        ) from error


def _try_to_move(connection: sqlite3.Connection, span: _Span) -> Month | None:
    """Move a month, or give up because somebody has changed it meanwhile."""
    connection.execute("BEGIN")
    try:
        seen = _Seen(
            newest=high_water(connection),
            version=_data_version(connection),
            old=catalog(connection).get(span.name),
            meant=Digest(),
        )
        generation = 1 if seen.old is None else _generation(seen.old) + 1
        path = _file(folder_of(connection), span.name, generation)
        events = archive_files.write(path, _all_rows(connection, span, seen), schema_version=HEAD)
    finally:
        connection.execute("ROLLBACK")
    if not _make_count(connection, span, seen, generation):
        return None
    return Month(
        month=span.name,
        moved=seen.meant.rows,
        events=events,
        size_bytes=path.stat().st_size,
        file=str(path),
    )


def _make_count(connection: sqlite3.Connection, span: _Span, seen: _Seen, generation: int) -> bool:
    """Delete the rows that are in the new file, if they are still the same."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        if _data_version(connection) != seen.version and _has_changed(connection, span, seen):
            return False
        rollups.catch_up(connection, high_water(connection))
        gone = sum(
            source.delete(connection, span.since_us, span.until_us, seen.newest)
            for source in span.sources
        )
        if gone != seen.meant.rows:
            return False
        _count(connection, span.name, generation)
        set_high_water(connection, high_water(connection) + 1)  # answers are different now
        connection.execute("COMMIT")
        return True
    finally:
        if connection.in_transaction:
            connection.execute("ROLLBACK")


def _has_changed(connection: sqlite3.Connection, span: _Span, seen: _Seen) -> bool:
    now = Digest()
    for row in _live_rows(connection, span, seen.newest):
        now.add(row)
    return now.value != seen.meant.value or catalog(connection).get(span.name) != seen.old


def _all_rows(connection: sqlite3.Connection, span: _Span, seen: _Seen) -> Iterator[Row]:
    """What a new file holds: the rows of the old one, then those of the database."""
    if seen.old is not None:
        yield from archive_files.read(seen.old)
    yield from seen.meant.through(_live_rows(connection, span, seen.newest))


def _live_rows(connection: sqlite3.Connection, span: _Span, newest: int) -> Iterator[Row]:
    for source in span.sources:
        yield from source.rows(connection, span.since_us, span.until_us, newest)


def _count(connection: sqlite3.Connection, month: str, generation: int) -> None:
    """Make a file count."""
    connection.execute(
        "INSERT OR REPLACE INTO store_state (name, value) VALUES (?, ?)",
        (f"{_PREFIX}{month}", generation),
    )


def _data_version(connection: sqlite3.Connection) -> int:
    """A number that is another one after anybody else's commit."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)


def _file(folder: Path, month: str, generation: int) -> Path:
    return folder / f"{month}.{generation}.parquet"


def _generation(path: Path) -> int:
    return int(path.name.split(".")[1])


def _place(column: str) -> int:
    return list(archive_files.COLUMNS).index(column)


def _span(month: str) -> _Span:
    year, number = map(int, month.split("-"))
    start = datetime(year, number, 1, tzinfo=UTC)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return _Span(month, to_us(start), to_us(end))
