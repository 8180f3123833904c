"""Brings the schema of a database from one version to another.

Each step is one transaction that holds the script, its row in the history and the new
``user_version``: a process that is killed leaves the old or the new version, whole. The
transaction is also the lock: who comes second waits and then finds the work done.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from sbhooks.errors import MigrationError
from sbhooks_migrations import HEAD, Migration, migrations
from sbhooks_storage.copies import back_up
from sbhooks_storage.history import applied, history, mark
from sbhooks_storage.losses import columns, refuse_loss, statements


def migrate(
    connection: sqlite3.Connection,
    path: Path,
    target: int = HEAD,
    *,
    steps: Sequence[Migration] | None = None,
    allow_data_loss: bool = False,
) -> list[str]:
    """Lead a database to a version, up or down.

    Args:
        connection: In autocommit mode, with nobody else using it.
        path: Its file; a backup is made beside it before data are touched.
        target: The version to reach.
        steps: All migrations; the built-in ones by default.
        allow_data_loss: Go down although tables or columns with data are dropped.

    Returns:
        The versions that were applied or taken back, in that order.

    Raises:
        MigrationError: The history does not fit the scripts, the database is newer, or data
            would be lost.
    """
    steps = migrations("sqlite") if steps is None else steps
    _check_target(path, target, steps)
    done: list[str] = []
    while True:
        connection.execute("BEGIN IMMEDIATE")
        try:
            moved = _one_step(connection, path, target, steps, first=not done,
                              allow_data_loss=allow_data_loss)  # fmt: skip
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        if moved is None:
            return done
        done.append(moved)


def rehearse(
    connection: sqlite3.Connection,
    path: Path,
    target: int = HEAD,
    *,
    allow_data_loss: bool = False,
) -> list[str]:
    """Do what ``migrate`` would do, in one transaction, and undo it.

    Raises:
        MigrationError: As ``migrate`` would.
    """
    steps = migrations("sqlite")
    _check_target(path, target, steps)
    done: list[str] = []
    connection.execute("BEGIN IMMEDIATE")
    try:
        while True:
            moved = _one_step(connection, path, target, steps, first=not done, keep=False,
                              allow_data_loss=allow_data_loss)  # fmt: skip
            if moved is None:
                return done
            done.append(moved)
    finally:
        connection.execute("ROLLBACK")


def plan(connection: sqlite3.Connection, path: Path, target: int = HEAD) -> tuple[int, list[str]]:
    """The version that the history proves, and what ``migrate`` would apply or take back."""
    steps = migrations("sqlite")
    _check_target(path, target, steps)
    current = applied(connection, path, steps)
    way = steps[current:target] or list(reversed(steps[target:current]))
    return current, [step.version for step in way]


def _check_target(path: Path, target: int, steps: Sequence[Migration]) -> None:
    if not 0 <= target <= len(steps):
        raise MigrationError(
            f"cannot migrate {path} to version {target}: there are {len(steps)}. "
            f"Name a version from 0 to {len(steps)}"
        )


def _one_step(
    connection: sqlite3.Connection,
    path: Path,
    target: int,
    steps: Sequence[Migration],
    *,
    first: bool,
    allow_data_loss: bool,
    keep: bool = True,
) -> str | None:
    """Apply or take back one migration, if one is left to do."""
    current = applied(connection, path, steps)
    if current == target:
        mark(connection, current)
        return None
    if first and target < current and not allow_data_loss:
        refuse_loss(connection, path, steps[target:current])
    if first and keep and _holds_data(connection):
        back_up(path, current)
    broken = _broken_references(connection)
    if target > current:
        _up(connection, steps[current])
        reached = current + 1
    else:
        _down(connection, steps[current - 1])
        reached = current - 1
    if len(_broken_references(connection)) > len(broken):
        raise MigrationError(
            f"cannot migrate {path}: rows would refer to nothing. Run `sbhooks doctor`"
        )
    mark(connection, reached)
    return steps[max(current, reached) - 1].version


def _up(connection: sqlite3.Connection, step: Migration) -> None:
    for statement in statements(step.up):
        connection.execute(statement)
    history(connection).insert({
        "version": step.version,
        "applied_at": datetime.now(UTC).isoformat(timespec="microseconds"),
        "description": step.name.replace("_", " "),
        "rollback_sql": step.down,
        "checksum": step.checksum,
        "applied_by": "sbhooks",
        "success": 1,
    })  # fmt: skip


def _down(connection: sqlite3.Connection, step: Migration) -> None:
    for statement in statements(step.down):
        connection.execute(statement)
    history(connection).delete(step.version)


def _holds_data(connection: sqlite3.Connection) -> bool:
    tables = columns(connection)
    return any(
        connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone() for table in tables
    )


def _broken_references(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    """Rows whose foreign keys refer to nothing; the old system left some behind."""
    return connection.execute("PRAGMA foreign_key_check").fetchall()
