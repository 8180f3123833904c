"""Changes what is in the archive already, and shows the log as if nothing had been moved."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sbhooks_migrations import HEAD
from sbhooks_storage import archive_files
from sbhooks_storage.archive_catalog import catalog, file_of, forget, generation_of, make_count
from sbhooks_storage.archive_files import Row
from sbhooks_storage.archive_rows import PRUNED, restore_invocations


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
    generation = generation_of(old) + 1
    rows = (new for row in archive_files.read(old) if (new := change(row)) is not None)
    path = file_of(old.parent, month, generation)
    if archive_files.write(path, rows, schema_version=HEAD):
        make_count(connection, month, generation)
    else:
        forget(connection, month)


def _place(column: str) -> int:
    return list(archive_files.COLUMNS).index(column)
