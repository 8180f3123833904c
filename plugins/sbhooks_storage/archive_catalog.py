"""Which files of the archive count, where they are, and who may change them.

The table ``store_state`` says it: ``archive:2025-01`` → a generation, file
``2025-01.<generation>.parquet`` in the folder beside the database. A file that does not count is
deleted by the next run.
"""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sbhooks.errors import MigrationError, StoreError
from sbhooks_storage import archive_files
from sbhooks_storage.history import version

_PREFIX = "archive:"
_FIRST_VERSION = 5  # of the schema, that has store_state
_NAME = re.compile(r"(\d{4}-\d\d)\.\d+\.parquet(\.part)?")


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
        name.removeprefix(_PREFIX): file_of(folder, name.removeprefix(_PREFIX), generation)
        for name, generation in found
    }


def file_of(folder: Path, month: str, generation: int) -> Path:
    """The file that holds a month in some generation."""
    return folder / f"{month}.{generation}.parquet"


def generation_of(path: Path) -> int:
    """The generation of a file."""
    return int(path.name.split(".")[1])


def make_count(connection: sqlite3.Connection, month: str, generation: int) -> None:
    """Make a file count, in a write transaction."""
    connection.execute(
        "INSERT OR REPLACE INTO store_state (name, value) VALUES (?, ?)",
        (f"{_PREFIX}{month}", generation),
    )


def forget(connection: sqlite3.Connection, month: str) -> None:
    """Have no file for a month any more, in a write transaction."""
    connection.execute("DELETE FROM store_state WHERE name = ?", (f"{_PREFIX}{month}",))


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


def _lock(descriptor: int, folder: Path) -> None:
    import fcntl  # reading works where there is none

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise StoreError(
            f"cannot change the archive {folder}: another process is doing so. "
            "Wait until it has ended and try again"
        ) from error
