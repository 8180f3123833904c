"""Opening a database that exists, to look after it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sbhooks.errors import StoreError
from sbhooks_migrations import HEAD, migrations
from sbhooks_storage.database import Mode, connect
from sbhooks_storage.failures import explained
from sbhooks_storage.history import applied


@contextmanager
def opened(path: Path, doing: str, mode: Mode = "rw") -> Iterator[sqlite3.Connection]:
    """Open a database that exists, in autocommit mode.

    Args:
        path: The file.
        doing: What is going to be done, as an infinitive, for error messages.
        mode: How to open it.

    Raises:
        StoreError: There is no such file, or SQLite refuses.
    """
    if not path.is_file():
        raise StoreError(
            f"cannot {doing} {path}: there is no such file. Name another with --db, "
            "or run sbhooks init to make one"
        )
    with explained(path, doing), closing(connect(path, mode)) as connection:
        yield connection


@contextmanager
def writing(connection: sqlite3.Connection) -> Iterator[None]:
    """Run a write transaction; undoes everything when the body raises."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def check_head(connection: sqlite3.Connection, path: Path, doing: str) -> None:
    """Refuse a database that has not been migrated.

    Raises:
        StoreError: Its schema is not at the head.
    """
    version = applied(connection, path, migrations("sqlite"))
    if version < HEAD:
        raise StoreError(
            f"cannot {doing} {path}: its schema is version {version} of {HEAD}. "
            "Run: sbhooks db migrate"
        )
