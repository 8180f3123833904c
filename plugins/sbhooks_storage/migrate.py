"""Brings the schema of a database from one version to another.

Each step is one transaction that holds the script, its row in the history and the new
``user_version``: a process that is killed leaves the old or the new version, whole. The
transaction is also the lock: who comes second waits and then finds the work done.
"""

from __future__ import annotations

import logging
import os
import re
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from sbhooks.errors import MigrationError, StoreError
from sbhooks.lazy import require
from sbhooks_migrations import HEAD, Migration, migrations

if TYPE_CHECKING:
    from sqlite_utils import Database as Schema
    from sqlite_utils.db import Table

HISTORY = "skill_migrations"
APPLICATION_ID = int.from_bytes(b"SBHK", "big")  #: In the header of every database of ours.
BACKUPS_KEPT = 3
#: In a script: what it may drop although it holds data, and which rows of a table.
_DERIVED = re.compile(r"^-- derived: (.*)$", re.MULTILINE)
_DERIVED_ROWS = re.compile(r"^-- derived rows: (\w+) where (.*)$", re.MULTILINE)
_FTS = "_fts"  # in the names of the full-text index and of its parts
_VERSION = re.compile(r"V([0-9]+)__\w+")
_log = logging.getLogger("sbhooks.storage")


def version(connection: sqlite3.Connection) -> int:
    """The version that the database says it has; 0 unless sbhooks has written that number."""
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    (number,) = connection.execute("PRAGMA user_version").fetchone()
    return int(number) if owner == APPLICATION_ID else 0


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
            moved = _one_step(connection, path, target, steps, first=not done, back_up=False,
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


def applied(connection: sqlite3.Connection, path: Path, steps: Sequence[Migration]) -> int:
    """The version that the history proves.

    Raises:
        MigrationError: A number is missing, a script has changed since it was applied, or the
            database is newer than this version of sbhooks.
    """
    tables = _schema(connection).table_names()
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


def statements(script: str) -> Iterator[str]:
    """Split a script into its statements; semicolons in triggers, texts and comments stay.

    ``executescript`` would commit first and so tear the transaction apart.
    """
    statement = ""
    for piece in re.split("(?<=;)", script):
        statement += piece
        if sqlite3.complete_statement(statement):
            yield statement.strip()
            statement = ""


def _one_step(
    connection: sqlite3.Connection,
    path: Path,
    target: int,
    steps: Sequence[Migration],
    *,
    first: bool,
    allow_data_loss: bool,
    back_up: bool = True,
) -> str | None:
    """Apply or take back one migration, if one is left to do."""
    current = applied(connection, path, steps)
    if current == target:
        _mark(connection, current)
        return None
    if first and target < current and not allow_data_loss:
        _refuse_loss(connection, path, steps[target:current])
    if first and back_up and _holds_data(connection):
        _back_up(path, current)
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
    _mark(connection, reached)
    return steps[max(current, reached) - 1].version


def _mark(connection: sqlite3.Connection, number: int) -> None:
    """Write the version into the header of the file."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version = {number}")


def _up(connection: sqlite3.Connection, step: Migration) -> None:
    for statement in statements(step.up):
        connection.execute(statement)
    _history(connection).insert({
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
    _history(connection).delete(step.version)


def _refuse_loss(
    connection: sqlite3.Connection, path: Path, taken_back: Sequence[Migration]
) -> None:
    """Rehearse the whole way down, so that it is refused at its start or not at all."""
    lost: list[str] = []
    connection.execute("SAVEPOINT way_down")
    for step in reversed(taken_back):
        lost += _lost_by(connection, step)
        for statement in statements(step.down):
            connection.execute(statement)
    connection.execute("ROLLBACK TO way_down")
    connection.execute("RELEASE way_down")
    if lost:
        raise MigrationError(
            f"cannot take {taken_back[0].version} of {path} back: this would delete "
            f"{', '.join(lost)}. Allow the loss of data explicitly if that is meant "
            "(sbhooks db migrate --allow-data-loss)"
        )


def _lost_by(connection: sqlite3.Connection, step: Migration) -> list[str]:
    """Tables and columns with data that a way down drops, other than derived ones."""
    before = _columns(connection)
    connection.execute("SAVEPOINT rehearsal")
    for statement in statements(step.down):
        connection.execute(statement)
    after = _columns(connection)
    connection.execute("ROLLBACK TO rehearsal")
    connection.execute("RELEASE rehearsal")
    derived = set(" ".join(_DERIVED.findall(step.down)).split())
    derived_rows = dict(_DERIVED_ROWS.findall(step.down))
    lost = []
    for table, columns in before.items():
        if table not in after:
            kept = f"NOT ({derived_rows[table]})" if table in derived_rows else "1"
            dropped = {} if table in derived else {table: kept}
        else:
            names = {f"{table}.{name}": f'"{name}" IS NOT NULL' for name in columns - after[table]}
            dropped = {name: has for name, has in names.items() if name not in derived}
        for name, condition in sorted(dropped.items()):
            query = f'SELECT count(*) FROM "{table}" WHERE {condition}'
            (rows,) = connection.execute(query).fetchone()
            lost += [f"{name} ({rows} rows)"] if rows else []
    return lost


def _columns(connection: sqlite3.Connection) -> dict[str, set[str]]:
    """Table → its columns, but for the history and the tables that SQLite itself keeps."""
    schema = _schema(connection)
    return {
        name: {column.name for column in schema.table(name).columns}
        for name in schema.table_names()
        if name != HISTORY and not name.startswith("sqlite_") and _FTS not in name
    }


def _history(connection: sqlite3.Connection) -> Table:
    """The history table, made if there is none."""
    history = (
        _schema(connection)
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
    return history


def _schema(connection: sqlite3.Connection) -> Schema:
    """sqlite-utils' view of the connection, without its own settings and plugins."""
    sqlite_utils = require("sqlite_utils", install="sbhooks[sqlite]")
    schema: Schema = sqlite_utils.Database(
        connection, recursive_triggers=False, execute_plugins=False
    )
    return schema


def _holds_data(connection: sqlite3.Connection) -> bool:
    tables = _columns(connection)
    return any(
        connection.execute(f'SELECT 1 FROM "{table}" LIMIT 1').fetchone() for table in tables
    )


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


def _broken_references(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    """Rows whose foreign keys refer to nothing; the old system left some behind."""
    return connection.execute("PRAGMA foreign_key_check").fetchall()


def _back_up(path: Path, current: int) -> Path:
    """Copy the database as it is now, prove the copy sound, and keep the newest few."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    backup = path.with_name(f"{path.name}.V{current}.{stamp}.backup")
    copy_database(path, backup)
    _log.info("kept a backup of %s as %s", path, backup.name)
    for old in sorted(path.parent.glob(f"{path.name}.V*.backup"), key=_stamp)[:-BACKUPS_KEPT]:
        old.unlink(missing_ok=True)
    return backup


def _stamp(backup: Path) -> str:
    return backup.name.rpartition(".V")[2].partition(".")[2]


def copy_database(path: Path, copy: Path) -> None:
    """Copy a database that may be in use; the copy appears complete and verified, or not at all.

    Raises:
        StoreError: The copy is damaged, so the original probably is.
    """
    part = copy.with_name(f"{copy.name}.part")
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600))
    try:
        source, target = sqlite3.connect(path), sqlite3.connect(part, isolation_level=None)
        try:
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
            (verdict,) = target.execute("PRAGMA integrity_check(1)").fetchone()
        finally:
            source.close()
            target.close()
        if verdict != "ok":
            raise StoreError(f"cannot back up {path}: the copy is damaged ({verdict}), so the file "
                             "probably is. Put back an older backup")  # fmt: skip
        _sync(part)
        part.replace(copy)
        _sync(copy.parent)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
