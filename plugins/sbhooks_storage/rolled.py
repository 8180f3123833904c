"""Answers questions about invocations from sums per hour and day.

Whole days come from ``rollup_day``, the whole hours around them from ``rollup_hour``; what is
left at the ends, and rows that are not in the sums yet, the caller reads from the log.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from sbhooks.events import from_us, to_us
from sbhooks.store import Dimension, EventQuery
from sbhooks_storage.rollups import HOUR_US
from sbhooks_storage.skill_sums import OUTCOME_COLUMNS

_PARTS: dict[str, int] = {"project": 1, "source": 2, "skill": 3, "phase": 4, "outcome": 5}
_NEVER = {"test", "params", "subtest", "detail", "worker"}  # NULL for every invocation
_ANSWERED = {*_PARTS, *_NEVER, "kind", "hour", "day"}
_SKILL_PLACES = {"skill": 0, "hour": 1, "day": 2, "kind": 3}
_NOTHING = 4
_OF_SKILLS = {*_SKILL_PLACES, *_NEVER}
_FEWEST_HOURS = 2  # fewer are read from the log as fast
_FIRST_HOUR, _END_HOUR = -17_259_888, 70_389_528  # years 1 to 9999


class Span(NamedTuple):
    """Whole hours, from ``first`` up to but not including ``end``; since 1970."""

    first: int
    end: int

    @property
    def since_us(self) -> int:
        """When the first hour begins."""
        return self.first * HOUR_US

    @property
    def until_us(self) -> int:
        """When the last hour ends."""
        return self.end * HOUR_US


def span(query: EventQuery, by: Sequence[Dimension]) -> Span | None:
    """The whole hours of a query that sums can answer; ``None`` when it asks for more."""
    if query.sessions or query.users or query.tests or not _ANSWERED.issuperset(by):
        return None
    first = _FIRST_HOUR if query.since is None else -(-to_us(query.since) // HOUR_US)
    end = _END_HOUR if query.until is None else to_us(query.until) // HOUR_US
    first, end = max(first, _FIRST_HOUR), min(end, _END_HOUR)
    return Span(first, end) if end - first >= _FEWEST_HOURS else None


def edges(query: EventQuery, whole: Span) -> list[dict[str, Any]]:
    """What the hours leave out: changes to the query that restrict it to each end."""
    found: list[dict[str, Any]] = []
    if query.since is not None and to_us(query.since) < whole.since_us:
        found.append({"until": from_us(whole.since_us)})
    if query.until is not None and to_us(query.until) > whole.until_us:
        found.append({"since": from_us(whole.until_us)})
    return found


def concerns_skills(query: EventQuery, by: Sequence[Dimension]) -> bool:
    """Whether sums of each skill as a whole answer a query."""
    return not (query.projects or query.sources or not _OF_SKILLS.issuperset(by))


def skills(
    connection: sqlite3.Connection, query: EventQuery, by: Sequence[Dimension], whole: Span
) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Yield keys and rows: skill, hour or day, n, timed, total, squares, first, last, buckets.

    Numbers of events per outcome follow, in the order of :data:`skill_sums.OUTCOME_COLUMNS`.
    """
    timely = "hour" in by or "day" in by
    key_of = _skill_key(by)
    for length, part in _parts(by, whole):
        scale = 24 if length == "day" else 1
        for row in _skill_rows(connection, query, length, part, grouped=not timely):
            hour = row[1] * scale
            yield key_of((row[0], hour, hour // 24, "invocation", None)), row


def _skill_key(by: Sequence[Dimension]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """How to pick a key from skill, hour, day, kind and nothing."""
    places = [_SKILL_PLACES.get(name, _NOTHING) for name in by]
    if len(places) > 1:
        return itemgetter(*places)
    return lambda found: tuple([found[place] for place in places])


def sums(
    connection: sqlite3.Connection, query: EventQuery, by: Sequence[Dimension], whole: Span
) -> Iterator[tuple[Any, ...]]:
    """Yield (*key, outcome, n, timed, total, squares, first, last, packed buckets)."""
    keys = _keys(connection, query)
    timely = "hour" in by or "day" in by
    for length, part in _parts(by, whole):
        for start, number, *rest in _rows(connection, length, part, grouped=not timely):
            key = keys.get(number)
            if key is not None:
                hour = start * 24 if length == "day" else start
                yield (*(_value(name, key, hour) for name in by), key[-1], *rest)


def _parts(by: Sequence[Dimension], whole: Span) -> list[tuple[str, Span]]:
    """Whole days and the hours around them; hours only where they are asked for."""
    day = Span(-(-whole.first // 24), whole.end // 24)
    if "hour" in by or day.first >= day.end:
        return [("hour", whole)]
    return [
        ("hour", Span(whole.first, day.first * 24)),
        ("day", day),
        ("hour", Span(day.end * 24, whole.end)),
    ]


def _skill_rows(
    connection: sqlite3.Connection, query: EventQuery, length: str, part: Span, *, grouped: bool
) -> Iterator[tuple[Any, ...]]:
    if part.first >= part.end:
        return iter(())
    if grouped:
        columns = (
            "0, sum(n), sum(timed), total(r.total_us), total(squares_us), min(r.first_us), "
            "max(r.last_us), group_concat(hex(buckets), ' '), "
            + ", ".join(f"sum({name})" for name in OUTCOME_COLUMNS)
        )
    else:
        columns = (
            f"{length}, n, timed, 1.0 * r.total_us, squares_us, r.first_us, r.last_us, "
            f"buckets, {', '.join(OUTCOME_COLUMNS)}"
        )
    wanted = f"AND s.skill_name IN ({', '.join('?' * len(query.skills))})" if query.skills else ""
    return connection.execute(
        f"SELECT s.skill_name, {columns} FROM skill_metrics AS s CROSS JOIN rollup_skill_{length} "
        f"AS r ON r.skill = s.skill_name AND r.{length} >= ? AND r.{length} < ? {wanted}"
        + (" GROUP BY s.skill_name" if grouped else ""),
        (*part, *query.skills),
    )


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
    connection: sqlite3.Connection, length: str, part: Span, *, grouped: bool
) -> Iterator[tuple[Any, ...]]:
    if part.first >= part.end:
        return iter(())
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
        f"SELECT {columns} FROM rollup_{length} WHERE {length} >= ? AND {length} < ?"
        + (" GROUP BY key_no" if grouped else ""),
        part,
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
