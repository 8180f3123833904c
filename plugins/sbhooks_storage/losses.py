"""What a way down would delete, so that it is refused at its start or not at all."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator, Sequence
from pathlib import Path

from sbhooks.errors import MigrationError
from sbhooks_migrations import Migration
from sbhooks_storage.history import HISTORY, schema

#: In a script: what it may drop although it holds data, and which rows of a table.
_DERIVED = re.compile(r"^-- derived: (.*)$", re.MULTILINE)
_DERIVED_ROWS = re.compile(r"^-- derived rows: (\w+) where (.*)$", re.MULTILINE)
_FTS = "_fts"  # in the names of the full-text index and of its parts


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


def refuse_loss(
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
    before = columns(connection)
    connection.execute("SAVEPOINT rehearsal")
    for statement in statements(step.down):
        connection.execute(statement)
    after = columns(connection)
    connection.execute("ROLLBACK TO rehearsal")
    connection.execute("RELEASE rehearsal")
    derived = set(" ".join(_DERIVED.findall(step.down)).split())
    derived_rows = dict(_DERIVED_ROWS.findall(step.down))
    lost = []
    for table, held in before.items():
        if table not in after:
            kept = f"NOT ({derived_rows[table]})" if table in derived_rows else "1"
            dropped = {} if table in derived else {table: kept}
        else:
            names = {f"{table}.{name}": f'"{name}" IS NOT NULL' for name in held - after[table]}
            dropped = {name: has for name, has in names.items() if name not in derived}
        for name, condition in sorted(dropped.items()):
            query = f'SELECT count(*) FROM "{table}" WHERE {condition}'
            (rows,) = connection.execute(query).fetchone()
            lost += [f"{name} ({rows} rows)"] if rows else []
    return lost


def columns(connection: sqlite3.Connection) -> dict[str, set[str]]:
    """Table → its columns, but for the history and the tables that SQLite itself keeps."""
    found = schema(connection)
    return {
        name: {column.name for column in found.table(name).columns}
        for name in found.table_names()
        if name != HISTORY and not name.startswith("sqlite_") and _FTS not in name
    }
