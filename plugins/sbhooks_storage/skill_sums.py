"""Sums of each skill as a whole, per hour and per day.

Most questions are about skills, whatever the project, source or phase. The rows that answer
them lie side by side, a tenth as many as those of :mod:`sbhooks_storage.rollups`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from sbhooks_storage import sums
from sbhooks_storage.attempts import OUTCOMES
from sbhooks_storage.sums import Key, Row

OUTCOME_COLUMNS = tuple(str(outcome) for outcome in OUTCOMES)
_COLUMNS = f"{sums.COLUMNS}, {', '.join(OUTCOME_COLUMNS)}"
_PLACES = {outcome: place for place, outcome in enumerate(OUTCOME_COLUMNS)}

Place = tuple[str, int]  # skill, hour or day


class Whole(NamedTuple):
    """Sums of one skill in one hour or day.

    Attributes:
        row: Over all outcomes.
        outcomes: How many events had each of :data:`OUTCOME_COLUMNS`.
    """

    row: Row
    outcomes: Sequence[int]

    def plus(self, other: Whole) -> Whole:
        """Both together."""
        both = [a + b for a, b in zip(self.outcomes, other.outcomes, strict=True)]
        return Whole(self.row.plus(other.row), both)


def fold(connection: sqlite3.Connection, hours: Mapping[tuple[int, Key], Row]) -> None:
    """Add rows to the hours and days of their skills."""
    wholes: dict[Place, Whole] = {}
    for (hour, key), row in hours.items():
        outcomes = [0] * len(OUTCOME_COLUMNS)
        if key[4] in _PLACES:
            outcomes[_PLACES[key[4]]] = row.n
        _merge(wholes, (key[2], hour), Whole(row, outcomes))
    days: dict[Place, Whole] = {}
    for (skill, hour), whole in wholes.items():
        _merge(days, (skill, hour // 24), whole)
    _add(connection, "hour", wholes)
    _add(connection, "day", days)


def clear(connection: sqlite3.Connection) -> None:
    """Forget all sums."""
    connection.execute("DELETE FROM rollup_skill_hour")
    connection.execute("DELETE FROM rollup_skill_day")


def _merge(wholes: dict[Place, Whole], place: Place, new: Whole) -> None:
    held = wholes.get(place)
    wholes[place] = new if held is None else held.plus(new)


def _add(connection: sqlite3.Connection, length: str, wholes: Mapping[Place, Whole]) -> None:
    table = f"rollup_skill_{length}"
    find = f"SELECT {_COLUMNS} FROM {table} WHERE skill = ? AND {length} = ?"
    connection.executemany(
        f"INSERT OR REPLACE INTO {table} (skill, {length}, {_COLUMNS}) "
        f"VALUES (?, ?, {', '.join('?' * (7 + len(OUTCOME_COLUMNS)))})",
        list(_written(connection, find, wholes.items())),
    )


def _written(
    connection: sqlite3.Connection, find: str, wholes: Iterable[tuple[Place, Whole]]
) -> Iterable[tuple[Any, ...]]:
    for place, new in wholes:
        held = connection.execute(find, place).fetchone()
        whole = new if held is None else new.plus(Whole(sums.read(held), held[7:]))
        yield (*place, *whole.row.written(), *whole.outcomes)
