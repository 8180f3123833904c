"""Sums of each skill as a whole, per hour and per day.

Most questions are about skills, whatever the project, source or phase. The rows that answer
them lie side by side, a tenth as many as those of :mod:`sbhooks_storage.rollups`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from operator import add
from typing import Any, NamedTuple

from sbhooks_storage import sums
from sbhooks_storage.attempts import OUTCOMES
from sbhooks_storage.sums import Fresh, Key

OUTCOME_COLUMNS = tuple(str(outcome) for outcome in OUTCOMES)
_COLUMNS = f"{sums.COLUMNS}, {', '.join(OUTCOME_COLUMNS)}"
_PLACES = {outcome: place for place, outcome in enumerate(OUTCOME_COLUMNS)}

Place = tuple[str, int]  # skill, hour or day


class Whole(NamedTuple):
    """Sums of one skill in one hour or day.

    Attributes:
        sums: Over all outcomes.
        outcomes: How many events had each of :data:`OUTCOME_COLUMNS`.
    """

    sums: Fresh
    outcomes: list[int]


def fold(
    connection: sqlite3.Connection,
    hours: Mapping[tuple[int, Key], Fresh],
    days: Mapping[tuple[str, int, str], Fresh],
) -> None:
    """Add to the hours and days of skills.

    Args:
        connection: In a write transaction.
        hours: By hour and key.
        days: The same by skill, day and outcome.
    """
    _add(
        connection, "hour", (((key[2], hour), key[4], sums) for (hour, key), sums in hours.items())
    )
    _add(connection, "day", (((skill, day), of, sums) for (skill, day, of), sums in days.items()))


def clear(connection: sqlite3.Connection) -> None:
    """Forget all sums."""
    connection.execute("DELETE FROM rollup_skill_hour")
    connection.execute("DELETE FROM rollup_skill_day")


def _add(
    connection: sqlite3.Connection, length: str, parts: Iterable[tuple[Place, str, Fresh]]
) -> None:
    table = f"rollup_skill_{length}"
    find = f"SELECT {_COLUMNS} FROM {table} WHERE skill = ? AND {length} = ?"
    connection.executemany(
        f"INSERT OR REPLACE INTO {table} (skill, {length}, {_COLUMNS}) "
        f"VALUES (?, ?, {', '.join('?' * (7 + len(OUTCOME_COLUMNS)))})",
        [
            (*place, *_written(whole, connection.execute(find, place).fetchone()))
            for place, whole in _wholes(parts).items()
        ],
    )


def _wholes(parts: Iterable[tuple[Place, str, Fresh]]) -> dict[Place, Whole]:
    """Add up over outcomes."""
    wholes: dict[Place, Whole] = {}
    for place, outcome, fresh in parts:
        whole = wholes.get(place)
        if whole is None:
            whole = wholes[place] = Whole(fresh.copy(), [0] * len(OUTCOME_COLUMNS))
        else:
            whole.sums.add(fresh)
        if outcome in _PLACES:
            whole.outcomes[_PLACES[outcome]] += fresh.n
    return wholes


def _written(whole: Whole, held: Sequence[Any] | None) -> tuple[Any, ...]:
    """The values of all columns, with what the table holds."""
    row = whole.sums.row()
    if held is None:
        return (*row.written(), *whole.outcomes)
    return (*row.plus_held(held).written(), *map(add, whole.outcomes, held[7:]))
