"""Sums of each skill per day and outcome.

Trends and anomalies are about days, and ask how long what came to its own end took: sums of all
outcomes together do not tell, and those that keep projects apart are ten times as many.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping

from sbhooks_storage import sums
from sbhooks_storage.sums import Fresh, added_up

_DUE = "outcome_days_due"  # in store_state: the table is to be made from rollup_day
_FIND = f"SELECT {sums.COLUMNS} FROM rollup_outcome_day WHERE skill = ? AND day = ? AND outcome = ?"
_WRITE = (
    f"INSERT OR REPLACE INTO rollup_outcome_day (skill, day, outcome, {sums.COLUMNS}) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_BY_KEY = (
    "SELECT k.skill, d.day, k.outcome, d.n, d.timed, d.total_us, d.squares_us, d.first_us, "
    "d.last_us, d.buckets FROM rollup_day AS d JOIN rollup_key AS k ON k.key_no = d.key_no"
)

Place = tuple[str, int, str]  # skill, day, outcome


def fold(connection: sqlite3.Connection, days: Mapping[Place, Fresh]) -> None:
    """Add to the days of skills and outcomes."""
    connection.executemany(
        _WRITE,
        [
            (*place, *day.row().plus_held(connection.execute(_FIND, place).fetchone()).written())
            for place, day in days.items()
        ],
    )


def are_due(connection: sqlite3.Connection) -> bool:
    """Whether the table is not made yet: a migration cannot, because SQL adds up no buckets."""
    found = connection.execute("SELECT 1 FROM store_state WHERE name = ?", (_DUE,)).fetchone()
    return found is not None


def make_due(connection: sqlite3.Connection) -> None:
    """Make the table if that has not been done; in a write transaction."""
    if are_due(connection):
        clear(connection)
        rows = connection.execute(_BY_KEY)
        days = added_up(((skill, day, of), sums.read(held)) for skill, day, of, *held in rows)
        connection.executemany(_WRITE, [(*place, *row.written()) for place, row in days.items()])


def clear(connection: sqlite3.Connection) -> None:
    """Forget all sums; whoever does so makes them anew."""
    connection.execute("DELETE FROM rollup_outcome_day")
    connection.execute("DELETE FROM store_state WHERE name = ?", (_DUE,))
