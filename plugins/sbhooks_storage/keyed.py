"""Answers questions about projects, sources and phases from sums that keep these apart."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sbhooks.store import Dimension, EventQuery
from sbhooks_storage.rolled import Part

_PARTS: dict[str, int] = {"project": 1, "source": 2, "skill": 3, "phase": 4, "outcome": 5}


def sums(
    connection: sqlite3.Connection,
    query: EventQuery,
    by: Sequence[Dimension],
    parts: Sequence[Part],
) -> Iterator[tuple[Any, ...]]:
    """Yield (*key, outcome, n, timed, total, squares, first, last, packed buckets)."""
    keys = _keys(connection, query) if parts else {}
    timely = "hour" in by or "day" in by
    for part in parts:
        for start, number, *rest in _rows(connection, part, keys, grouped=not timely):
            key = keys[number]
            hour = start * 24 if part.length == "day" else start
            yield (*(_value(name, key, hour) for name in by), key[-1], *rest)


def _keys(connection: sqlite3.Connection, query: EventQuery) -> dict[int, tuple[Any, ...]]:
    """Number → key, of the keys that a query means."""
    wanted = ((1, query.projects), (2, query.sources), (3, query.skills))
    rows = connection.execute(
        "SELECT key_no, project, source, skill, phase, outcome FROM rollup_key"
    )
    return {
        row[0]: row
        for row in rows
        if all(row[place] in allowed for place, allowed in wanted if allowed)
    }


def _rows(
    connection: sqlite3.Connection, part: Part, keys: Iterable[int], *, grouped: bool
) -> Iterator[tuple[Any, ...]]:
    length = part.length
    if grouped:
        columns = (
            "0, key_no, sum(n), sum(timed), total(total_us), total(squares_us), "
            "min(first_us), max(last_us), group_concat(hex(buckets), ' ')"
        )
    else:
        columns = (
            f"{length}, key_no, n, timed, 1.0 * total_us, squares_us, first_us, last_us, buckets"
        )
    return connection.execute(
        f"SELECT {columns} FROM rollup_{length} WHERE {length} >= ? AND {length} < ? "
        "AND key_no IN (SELECT value FROM json_each(?))" + (" GROUP BY key_no" if grouped else ""),
        (part.first, part.end, json.dumps([*keys])),
    )


def _value(name: Dimension, key: Sequence[Any], hour: int) -> Any:
    """What a row counts as in one dimension; hours and days as numbers."""
    match name:
        case "hour":
            return hour
        case "day":
            return hour // 24
        case "kind":
            return "invocation"
        case _:
            return key[_PARTS[name]] if name in _PARTS else None
