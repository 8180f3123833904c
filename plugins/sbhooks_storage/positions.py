"""Positions of a database that takes the place of another one, whatever the schema of either.

Whoever keeps answers, or reads on, knows a store by its position. Where a backup is put back,
positions that were given already must not be given again: nobody could tell that what they stood
for is gone.
"""

from __future__ import annotations

import sqlite3

from sbhooks_storage.append import COUNTER


def newest_position(connection: sqlite3.Connection) -> int:
    """The position of a database; 0 where nothing was ever counted."""
    counters = "SELECT 1 FROM sqlite_master WHERE name = 'sqlite_sequence'"
    if connection.execute(counters).fetchone() is None:
        return 0
    (seq,) = connection.execute(
        "SELECT coalesce(max(seq), 0) FROM sqlite_sequence WHERE name = ?", (COUNTER,)
    ).fetchone()
    return int(seq)


def go_on_behind(connection: sqlite3.Connection, position: int) -> None:
    """Count on behind a position and behind the newest one; takes one, which no event has.

    Args:
        connection: To a database with any schema of sbhooks, in a write transaction.
        position: Of the database that was here before.
    """
    seq = max(position, newest_position(connection)) + 1
    change = "UPDATE sqlite_sequence SET seq = ? WHERE name = ?"
    if connection.execute(change, (seq, COUNTER)).rowcount == 0:
        connection.execute("INSERT INTO sqlite_sequence (seq, name) VALUES (?, ?)", (seq, COUNTER))
