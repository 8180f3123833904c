"""Gives the space of what was deleted back to the file system."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

from sbhooks_storage.database import connect
from sbhooks_storage.failures import explained, primary_code
from sbhooks_storage.opening import opened

_ANALYSED_ROWS = 1_000  # per index: estimates need no more
_WORTHWHILE_SHARE = 0.25
_WORTHWHILE_BYTES = 1_000_000


class Compacted(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks db compact --json`` prints.

    Attributes:
        before_bytes: Size of the database before, with what has not left its journal yet.
        after_bytes: The same now.
    """

    before_bytes: int
    after_bytes: int


def compact(path: Path) -> Compacted:
    """Give the space of rows that are gone back to the file system."""
    before = _size(path)
    with opened(path, "compact") as connection:
        _compact(connection)
    return Compacted(before_bytes=before, after_bytes=_size(path))


def compact_if_worthwhile(path: Path) -> Compacted | None:
    """The same when a quarter of the file is free, nobody writes, and the disk has room for it.

    Returns:
        The sizes; ``None`` when it was not worthwhile or not possible now.
    """
    with explained(path, "compact"), closing(connect(path, timeout_s=0)) as connection:
        (free,) = connection.execute("PRAGMA freelist_count").fetchone()
        (page,) = connection.execute("PRAGMA page_size").fetchone()
        before = _size(path)
        if free * page < max(_WORTHWHILE_BYTES, _WORTHWHILE_SHARE * before):
            return None
        if shutil.disk_usage(path.parent).free < 2 * before:
            return None
        try:
            _compact(connection)
        except sqlite3.OperationalError as error:
            if primary_code(error) in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_FULL}:
                return None
            raise
    return Compacted(before_bytes=before, after_bytes=_size(path))


def _compact(connection: sqlite3.Connection) -> None:
    connection.execute("VACUUM")
    connection.execute(f"PRAGMA analysis_limit = {_ANALYSED_ROWS}")
    connection.execute("PRAGMA optimize")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


def _size(path: Path) -> int:
    """In bytes; while somebody else has it open, the newest rows are in the journal."""
    parts = (path, path.with_name(f"{path.name}-wal"))
    return sum(part.stat().st_size for part in parts if part.exists())
