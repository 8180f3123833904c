"""How far databases have counted, for one that takes the place of another, whatever their schemas.

Whoever keeps answers, or reads on, knows a store by its position; whoever writes knows by the
number of erasures whether the numbers of tests still hold. Where a backup is put back, neither may
come again: nobody could tell that what they stood for is gone.
"""

from __future__ import annotations

import sqlite3
from typing import NamedTuple

from sbhooks_storage.append import COUNTER


class Counted(NamedTuple):
    """Of a database; zeros where nothing was ever counted.

    Attributes:
        position: The newest one.
        erasures: How often people were erased, or a backup put back.
    """

    position: int
    erasures: int


def counted(connection: sqlite3.Connection) -> Counted:
    """How far a database has counted."""
    position = erasures = 0
    if _has(connection, "sqlite_sequence"):
        (position,) = connection.execute(
            "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?", (COUNTER,)
        ).fetchone()
    if _has(connection, "store_state"):
        (erasures,) = connection.execute(
            "SELECT coalesce(max(value), 0) FROM store_state WHERE name = 'erasures'"
        ).fetchone()
    return Counted(int(position), int(erasures))


def go_on_behind(connection: sqlite3.Connection, replaced: Counted) -> None:
    """Count on behind another database too; takes a position, which no event has.

    Args:
        connection: To a database with any schema of sbhooks, in a write transaction.
        replaced: Of the database whose place it takes.
    """
    position, erasures = map(max, counted(connection), replaced)
    change = "UPDATE sqlite_sequence SET seq = ? WHERE name = ?"
    values = position + 1, COUNTER
    if connection.execute(change, values).rowcount == 0:
        connection.execute("INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)", values)
    if _has(connection, "store_state"):
        connection.execute(
            "UPDATE store_state SET value = ? WHERE name = 'erasures'", (erasures + 1,)
        )


def _has(connection: sqlite3.Connection, table: str) -> bool:
    found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,))
    return found.fetchone() is not None
