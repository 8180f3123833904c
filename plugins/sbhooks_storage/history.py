"""Which version a database has: what its history proves, and what its header says."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sbhooks.errors import MigrationError
from sbhooks.lazy import require
from sbhooks_migrations import HEAD, Migration

if TYPE_CHECKING:
    from sqlite_utils import Database as Schema
    from sqlite_utils.db import Table

HISTORY = "skill_migrations"
APPLICATION_ID = int.from_bytes(b"SBHK", "big")  #: In the header of every database of ours.
_VERSION = re.compile(r"V([0-9]+)__\w+")


def version(connection: sqlite3.Connection) -> int:
    """The version that the database says it has; 0 unless sbhooks has written that number."""
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number) if owner == APPLICATION_ID else 0


def applied(connection: sqlite3.Connection, path: Path, steps: Sequence[Migration]) -> int:
    """The version that the history proves.

    Raises:
        MigrationError: A number is missing, a script has changed since it was applied, or the
            database is newer than this version of sbhooks.
    """
    tables = schema(connection).table_names()
    if HISTORY not in tables:
        if tables:
            raise MigrationError(
                f"cannot use {path}: it holds tables of another program ({tables[0]}, ...). "
                "Set `store` (SBHOOKS_STORE) to another file"
            )
        return 0
    rows = connection.execute(f"SELECT version, checksum FROM {HISTORY} WHERE success").fetchall()
    recorded = {_number(name, path): (name, checksum) for name, checksum in rows}
    newest = max(recorded, default=0)
    if newest > len(steps):
        raise too_new(path, newest, len(steps))
    for number in range(1, newest + 1):
        if number not in recorded:
            raise MigrationError(f"cannot use {path}: its history lacks version {number}. "
                                 "Put back a backup")  # fmt: skip
        _check(steps[number - 1], *recorded[number], path)
    return newest


def too_new(path: Path, found: int, known: int = HEAD) -> MigrationError:
    """The error for a database that a newer sbhooks has written."""
    return MigrationError(
        f"cannot write to {path}: its schema is version {found}, and this sbhooks knows "
        f"{known}. Upgrade sbhooks (pip install -U sbhooks), or set `store` to another file"
    )


def mark(connection: sqlite3.Connection, number: int) -> None:
    """Write the version into the header of the file."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {number}")


def history(connection: sqlite3.Connection) -> Table:
    """The history table, made if there is none."""
    table = (
        schema(connection)
        .table(HISTORY)
        .create(
            {
                "version": str,
                "applied_at": str,
                "description": str,
                "rollback_sql": str,
                "checksum": str,
                "applied_by": str,
                "success": int,
            },
            pk="version",
            not_null={"applied_at", "success"},
            defaults={"applied_by": "sbhooks", "success": 1},
            if_not_exists=True,
        )
    )
    connection.execute(
        f"CREATE INDEX IF NOT EXISTS idx_migrations_applied_at ON {HISTORY} (applied_at DESC)"
    )
    return table


def schema(connection: sqlite3.Connection) -> Schema:
    """sqlite-utils' view of the connection, without its own settings and plugins."""
    sqlite_utils = require("sqlite_utils", install="sbhooks[sqlite]")
    found: Schema = sqlite_utils.Database(
        connection, recursive_triggers=False, execute_plugins=False
    )
    return found


def _number(name: str, path: Path) -> int:
    match = _VERSION.fullmatch(name)
    if match is None:
        raise MigrationError(f"cannot use {path}: its history names {name!r}, which is no version "
                             "of this schema. Set `store` to another file")  # fmt: skip
    return int(match[1])


def _check(step: Migration, name: str, checksum: str | None, path: Path) -> None:
    """Refuse a history that tells of another script; the old system kept no checksums."""
    if name == step.version and checksum in {None, step.checksum}:
        return
    raise MigrationError(
        f"cannot use {path}: {name} was applied from another script than {step.version} of this "
        "sbhooks (drift). Install the version that wrote it, or put back a backup"
    )
