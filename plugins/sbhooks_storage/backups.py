"""Backups of a database: made while it is in use, and put back in its place."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from sbhooks.errors import StoreError
from sbhooks_migrations import migrations
from sbhooks_storage.archive_catalog import catalog, folder_beside
from sbhooks_storage.copies import copy_database
from sbhooks_storage.database import connect, create_private
from sbhooks_storage.failures import explained
from sbhooks_storage.history import HISTORY, applied
from sbhooks_storage.opening import opened, writing
from sbhooks_storage.positions import counted, go_on_behind


def backup(path: Path, copy: Path | None, *, now: datetime) -> Path:
    """Copy a database that may be in use, and prove the copy sound.

    Args:
        path: The database.
        copy: Where to; beside it by default.
        now: Names the copy.

    Raises:
        StoreError: The copy exists already, or is damaged.
    """
    if copy is None:
        copy = path.with_name(f"{path.name}.{now.astimezone(UTC):%Y%m%dT%H%M%SZ}.backup")
    if copy.exists():
        raise StoreError(f"cannot back up {path}: {copy} exists already. Name another file")
    with opened(path, "back up", "ro"):
        copy_database(path, copy)
    return copy


def archived_beside(path: Path, copy: Path) -> tuple[Path, int]:
    """The folder of a database's archive, and how many of its files a copy relies on."""
    with opened(copy, "read", "ro") as connection:
        has_state = connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = 'store_state'"
        ).fetchone()
        months = len(catalog(connection)) if has_state else 0
    return folder_beside(path), months


def restore(path: Path, copy: Path, *, now: datetime) -> Path | None:
    """Put a backup in the place of a database; other processes see the old or the new, whole.

    Positions go on behind those of both: none ever stands for two events, so whoever keeps answers
    or reads on behind a position finds out that something else has happened. To change that
    beforehand takes a copy of the backup beside the database, for as long as this lasts.

    Args:
        path: The database; made if there is none.
        copy: The backup; it stays as it is.
        now: Names the copy of what is replaced.

    Returns:
        The copy of what was there before, if anything was.

    Raises:
        StoreError: The backup is damaged or no database of sbhooks.
    """
    with opened(copy, "restore", "ro") as source:
        (verdict,) = source.execute("PRAGMA integrity_check(1)").fetchone()
        if verdict != "ok":
            raise StoreError(f"cannot restore {copy}: it is damaged ({verdict}). Take another one")
        if not applied(source, copy, migrations("sqlite")):
            raise StoreError(f"cannot restore {copy}: it has no table {HISTORY}, so it is no "
                             "database of sbhooks. Name another file")  # fmt: skip
        kept = None
        if path.exists():
            kept = backup(path, path.with_name(f"{path.name}.{now.astimezone(UTC):%Y%m%dT%H%M%SZ}"
                                               ".replaced.backup"), now=now)  # fmt: skip
        else:
            create_private(path)
    _put(copy, path)
    return kept


def _put(copy: Path, path: Path) -> None:
    """Write a backup over a database, in one transaction; it has counted on by then."""
    with (
        TemporaryDirectory(prefix=f"{path.name}.restoring-", dir=path.parent) as folder,
        explained(path, "restore"),
    ):
        fresh = Path(folder, path.name)
        copy_database(copy, fresh)
        with (
            closing(sqlite3.connect(fresh, isolation_level=None)) as source,
            closing(connect(path)) as target,
        ):
            with writing(source):
                go_on_behind(source, counted(target))
            source.backup(target)


def newest_backup(path: Path) -> datetime | None:
    """When the newest backup beside a database was made."""
    made = [copy.stat().st_mtime for copy in path.parent.glob(f"{path.name}.*backup")]
    return datetime.fromtimestamp(max(made), UTC) if made else None
