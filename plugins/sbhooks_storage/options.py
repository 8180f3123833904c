"""What the commands of ``sbhooks db`` share: which database is meant, and what is in it."""

from __future__ import annotations

from pathlib import Path

import click

from sbhooks.cli_options import CommandLine

db_option = click.option(
    "--db", "file", metavar="FILE",
    help="Another database than the configured store: its path, or sqlite:/// and its path.",
)  # fmt: skip


def path_of(line: CommandLine, file: str | None) -> Path:
    """The database that is meant.

    Raises:
        StoreError: The configured store is no file.
    """
    from sbhooks.errors import StoreError

    if file is not None:
        return Path(file.removeprefix("sqlite:///"))
    path = line.config.store_file
    if path is None:
        raise StoreError(
            "cannot look after the configured store: it is no SQLite file. Name one with --db"
        )
    return path


def recorded_in(
    line: CommandLine, file: str | None, *, as_json: bool, only_make: bool = False
) -> Path:
    """The database that is meant, made and with everything in it that has been recorded.

    One that was named with ``--db`` is read as it is, and so is one with another schema: to
    look at a database must not migrate it.

    Args:
        line: The command line.
        file: What was named with ``--db``.
        as_json: Whether a program asks.
        only_make: Leave a database as it is that exists: it may be damaged.

    Raises:
        StoreError: The configured store is no file, or cannot be used.
    """
    from sbhooks.cli_options import Reading

    path = path_of(line, file)
    if file is None and (not path.exists() or (not only_make and _is_up_to_date(path))):
        Reading(line.runtime, as_json=as_json).store  # noqa: B018 — asking for it collects
        line.runtime.close()
    return path


def _is_up_to_date(path: Path) -> bool:
    """Whether a database has the schema that this sbhooks works with."""
    import sqlite3
    from contextlib import closing

    from sbhooks_migrations import HEAD
    from sbhooks_storage.database import connect
    from sbhooks_storage.history import version

    try:
        with closing(connect(path, "ro")) as connection:
            return version(connection) == HEAD
    except sqlite3.Error:
        return False  # the command itself says what is wrong
