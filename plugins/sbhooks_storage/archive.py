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

import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

from sbhooks.errors import StoreError
from sbhooks.events import from_us, to_us
from sbhooks.lazy import require
from sbhooks.progress import Progress
from sbhooks_migrations import HEAD
from sbhooks_storage import archive_files, rollups
from sbhooks_storage.append import high_water, set_high_water
from sbhooks_storage.archive_catalog import (
    catalog,
    file_of,
    folder_of,
    generation_of,
    locked,
    make_count,
    sweep,
)
from sbhooks_storage.archive_files import Digest, Row
from sbhooks_storage.archive_rows import SOURCES, Source
from sbhooks_storage.opening import check_head, opened
from sbhooks_storage.reports import Archived, Month

_ATTEMPTS = 3  # at a month that others change meanwhile


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
        generation = 1 if seen.old is None else generation_of(seen.old) + 1
        path = file_of(folder_of(connection), span.name, generation)
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
        make_count(connection, span.name, generation)
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


def _data_version(connection: sqlite3.Connection) -> int:
    """A number that is another one after anybody else's commit."""
    (version,) = connection.execute("PRAGMA data_version").fetchone()
    return int(version)


def _span(month: str) -> _Span:
    year, number = map(int, month.split("-"))
    start = datetime(year, number, 1, tzinfo=UTC)
    end = datetime(year + number // 12, number % 12 + 1, 1, tzinfo=UTC)
    return _Span(month, to_us(start), to_us(end))
