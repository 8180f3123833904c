"""Sums per hour and per day, so that questions about months need not read the log.

A row is about one (project, source, skill, phase, outcome) in one hour or day. Rows of the
log up to ``store_state.rolled_up`` are in; what other programs have written since is added
by the next writer, and readers look it up in the log until then.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sbhooks_storage import outcome_days, skill_sums
from sbhooks_storage.invocations import OUTCOME
from sbhooks_storage.sums import COLUMNS, Fresh, Key, Row, added_up, merged, read

HOUR_US = 3_600_000_000
_CHUNK = 50_000  # rows of the log that are added up in memory at once
_FEWEST_TOGETHER = 20  # rows of an hour that are read faster together

Group = tuple[int, str | None, str, str, str | None, str]
#: (hour, project, source, skill, phase, outcome) → times, durations in microseconds.
Groups = dict[Group, tuple[list[int], list[int]]]

_LOG = f"""
    SELECT e.at_us, s.project, coalesce(e.source, s.source), e.skill_name, e.workflow_phase,
        {OUTCOME},
        CASE WHEN e.duration_seconds >= 0
            THEN CAST(round(e.duration_seconds * 1e6) AS INTEGER) END
    FROM skill_invocation AS e CROSS JOIN session AS s ON s.session_no = e.session_no
"""


def sums(groups: Groups) -> dict[tuple[int, Key], Fresh]:
    """Add up each group: (hour, key) → its sums."""
    return {(group[0], group[1:]): Fresh(*lists) for group, lists in groups.items()}


def fold(connection: sqlite3.Connection, hours: Mapping[tuple[int, Key], Fresh]) -> None:
    """Add to the hours and days they belong to."""
    days = _fold_keys(connection, hours)
    outcomes = merged(days, lambda place: (place[1][2], place[0], str(place[1][4])))
    skill_sums.fold(connection, hours, outcomes)
    outcome_days.fold(connection, outcomes)


def _fold_keys(
    connection: sqlite3.Connection, hours: Mapping[tuple[int, Key], Fresh]
) -> dict[tuple[int, Key], Fresh]:
    """Add to the tables that keep projects apart; returns the sums of days."""
    numbers = _numbers(connection, {key for _, key in hours})
    days = merged(hours, lambda place: (place[0] // 24, place[1]))
    for length, parts in (("hour", hours), ("day", days)):
        rows = {(start, numbers[key]): part.row() for (start, key), part in parts.items()}
        _add(connection, length, rows)
    return days


def rolled_up(connection: sqlite3.Connection) -> int:
    """The number of the log's last row that is in."""
    (seq,) = connection.execute("SELECT value FROM store_state WHERE name = 'rolled_up'").fetchone()
    return int(seq)


def set_rolled_up(connection: sqlite3.Connection, seq: int) -> None:
    """Take down that all rows up to ``seq`` are in."""
    connection.execute("UPDATE store_state SET value = ? WHERE name = 'rolled_up'", (seq,))


def catch_up(connection: sqlite3.Connection, upto: int, *, most: int | None = None) -> bool:
    """Add rows that are not in yet; says whether all up to ``upto`` are in now.

    Args:
        connection: In a write transaction.
        upto: The number of the last row to add.
        most: How many numbers to go on at most; ``None`` for all.
    """
    outcome_days.make_due(connection)
    after = rolled_up(connection)
    end = upto if most is None else min(upto, after + most)
    while after < end:
        last = min(after + _CHUNK, end)
        groups = _groups(connection.execute(
            f"{_LOG} WHERE e.id > ? AND e.id <= ? AND e.at_us IS NOT NULL", (after, last)
        ))  # fmt: skip
        fold(connection, sums(groups))
        after = last
    set_rolled_up(connection, max(after, end))
    return end >= upto


def refold(connection: sqlite3.Connection, hours: Iterable[int]) -> None:
    """Make some hours anew, with their days: a session has changed its project."""
    upto = rolled_up(connection)
    changed = sorted(set(hours))
    for hour in changed:
        connection.execute("DELETE FROM rollup_hour WHERE hour = ?", (hour,))
        start = hour * HOUR_US
        groups = _groups(connection.execute(
            f"{_LOG} WHERE e.at_us >= ? AND e.at_us < ? AND e.id <= ?",
            (start, start + HOUR_US, upto),
        ))  # fmt: skip
        _fold_keys(connection, sums(groups))
    for day in sorted({hour // 24 for hour in changed}):
        connection.execute("DELETE FROM rollup_day WHERE day = ?", (day,))
        found = connection.execute(
            f"SELECT hour, key_no, {COLUMNS} FROM rollup_hour WHERE hour >= ? AND hour < ?",
            (day * 24, day * 24 + 24),
        )  # fmt: skip
        daily = (((hour // 24, key), read(row)) for hour, key, *row in found)
        _add(connection, "day", added_up(daily))


def clear(connection: sqlite3.Connection) -> None:
    """Forget all sums; ``catch_up`` makes them anew."""
    for table in ("rollup_hour", "rollup_day", "rollup_key"):
        connection.execute(f"DELETE FROM {table}")
    skill_sums.clear(connection)
    outcome_days.clear(connection)
    set_rolled_up(connection, 0)


def hours_of(connection: sqlite3.Connection, session_no: int) -> list[int]:
    """The hours in which a session has invocations."""
    found = connection.execute(
        f"""
        SELECT DISTINCT (e.at_us - ((e.at_us % {HOUR_US}) + {HOUR_US}) % {HOUR_US}) / {HOUR_US}
        FROM session_span AS p
        CROSS JOIN skill_invocation AS e ON e.id BETWEEN p.first_seq AND p.last_seq
        WHERE p.session_no = ?
        """,
        (session_no,),
    )
    return [hour for (hour,) in found]


def _groups(rows: Iterable[Sequence[Any]]) -> Groups:
    groups: Groups = {}
    for at_us, project, source, skill, phase, outcome, us in rows:
        key = (at_us // HOUR_US, project, source, skill, phase, outcome)
        group = groups.get(key)
        if group is None:
            group = groups[key] = ([], [])
        group[0].append(at_us)
        if us is not None:
            group[1].append(us)
    return groups


def _add(connection: sqlite3.Connection, length: str, rows: Mapping[tuple[int, int], Row]) -> None:
    """Add rows to ``rollup_hour`` or ``rollup_day``."""
    held = _held(connection, length, rows.keys())
    connection.executemany(
        f"INSERT OR REPLACE INTO rollup_{length} ({length}, key_no, {COLUMNS}) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [(*place, *row.plus_held(held.get(place)).written()) for place, row in rows.items()],
    )


def _held(
    connection: sqlite3.Connection, length: str, places: Collection[tuple[int, int]]
) -> dict[tuple[int, int], Sequence[Any]]:
    """What is there already: all of an hour or day at once when many of its rows are wanted."""
    held: dict[tuple[int, int], Sequence[Any]] = {}
    of_hour = f"SELECT key_no, {COLUMNS} FROM rollup_{length} WHERE {length} = ?"
    for start, wanted in Counter(start for start, _ in places).items():
        if wanted >= _FEWEST_TOGETHER:
            held |= {(start, number): row for number, *row in connection.execute(of_hour, (start,))}
            continue
        for _, number in (place for place in places if place[0] == start):
            row = connection.execute(f"{of_hour} AND key_no = ?", (start, number)).fetchone()
            if row is not None:
                held[start, number] = row[1:]
    return held


def _numbers(connection: sqlite3.Connection, keys: set[Key]) -> dict[Key, int]:
    """The numbers of keys; new ones for new keys."""
    numbers: dict[Key, int] = {}
    for skill in {key[2] for key in keys}:
        for number, *key in connection.execute(
            "SELECT key_no, project, source, skill, phase, outcome FROM rollup_key "
            "WHERE skill = ?", (skill,),
        ):  # fmt: skip
            numbers[key[0], key[1], key[2], key[3], key[4]] = number
    for key in keys - numbers.keys():
        made = connection.execute(
            "INSERT INTO rollup_key (project, source, skill, phase, outcome) "
            "VALUES (?, ?, ?, ?, ?)", (*key[:4], str(key[4])),
        )  # fmt: skip
        numbers[key] = int(made.lastrowid or 0)
    return numbers
