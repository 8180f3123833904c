"""Answers questions about invocations from sums per hour and day.

Whole days come from sums of days, the whole hours around them from those of hours; what is left
at the ends, and rows that are not in the sums yet, the caller reads from the log. What concerns
single projects, sources or phases is in :mod:`sbhooks_storage.keyed`.
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

_OF_KEYS = {"project", "source", "skill", "phase", "outcome"}
_NEVER = {"test", "params", "subtest", "detail", "worker"}  # NULL for every invocation
_ANSWERED = {*_OF_KEYS, *_NEVER, "kind", "hour", "day"}
_PLACES = {"skill": 0, "hour": 1, "day": 2, "kind": 3, "outcome": 4}
_NOTHING = 5
_OF_SKILLS = {"skill", "hour", "day", "kind", *_NEVER}
_OF_OUTCOMES = {"skill", "day", "kind", "outcome", *_NEVER}
_FEWEST_HOURS = 2  # fewer are read from the log as fast
_FIRST_HOUR, _END_HOUR = -17_259_888, 70_389_528  # years 1 to 9999


#: Skill, hour or day, n, timed, total, squares, first, last, buckets; then the numbers of events
#: per outcome in the order of :data:`skill_sums.OUTCOME_COLUMNS`, or the one outcome of all.
Row = tuple[Any, ...]


class Part(NamedTuple):
    """Hours or days, from ``first`` up to but not including ``end``; since 1970."""

    length: str
    first: int
    end: int


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


def concerns_outcomes(query: EventQuery, by: Sequence[Dimension]) -> bool:
    """Whether sums of each skill per day and outcome answer a query, as far as days go."""
    timely = "day" in by and "outcome" in by and _OF_OUTCOMES.issuperset(by)
    return timely and not (query.projects or query.sources)


def parts(by: Sequence[Dimension], whole: Span) -> list[Part]:
    """Whole days and the hours around them; hours only where they are asked for."""
    first, end = -(-whole.first // 24), whole.end // 24
    if "hour" in by or first >= end:
        return [Part("hour", *whole)]
    every = [
        Part("hour", whole.first, first * 24),
        Part("day", first, end),
        Part("hour", end * 24, whole.end),
    ]
    return [part for part in every if part.first < part.end]


def skills(
    connection: sqlite3.Connection,
    query: EventQuery,
    by: Sequence[Dimension],
    parts: Sequence[Part],
) -> Iterator[tuple[tuple[Any, ...], Row]]:
    """Yield keys and rows of skills as a whole."""
    key_of = _key(by)
    if not ("hour" in by or "day" in by):
        for row in _by_skill(connection, query, parts):
            yield key_of((row[0], None, None, "invocation", None, None)), row
        return
    for part in parts:
        scale = 24 if part.length == "day" else 1
        for row in _skill_rows(connection, query, part):
            hour = row[1] * scale
            yield key_of((row[0], hour, hour // 24, "invocation", None, None)), row


def outcomes(
    connection: sqlite3.Connection,
    query: EventQuery,
    by: Sequence[Dimension],
    parts: Sequence[Part],
) -> Iterator[tuple[tuple[Any, ...], Row]]:
    """Yield keys and rows of the parts that are days, by skill and outcome."""
    key_of = _key(by)
    wanted, skills = _wanted("s.skill_name", query)
    for part in parts:
        if part.length == "day":
            for row in connection.execute(
                "SELECT s.skill_name, day, n, timed, 1.0 * r.total_us, squares_us, r.first_us, "
                "r.last_us, buckets, outcome FROM skill_metrics AS s CROSS JOIN rollup_outcome_day "
                f"AS r ON r.skill = s.skill_name AND r.day >= ? AND r.day < ? {wanted}",
                (part.first, part.end, *skills),
            ):
                yield key_of((row[0], None, row[1], "invocation", row[9], None)), row


def _key(by: Sequence[Dimension]) -> Callable[[tuple[Any, ...]], tuple[Any, ...]]:
    """How to pick a key from skill, hour, day, kind, outcome and nothing."""
    places = [_PLACES.get(name, _NOTHING) for name in by]
    if len(places) > 1:
        return itemgetter(*places)
    return lambda found: tuple([found[place] for place in places])


def _by_skill(
    connection: sqlite3.Connection, query: EventQuery, parts: Sequence[Part]
) -> Iterator[Row]:
    """One row per skill, over all parts."""
    wanted, skills = _wanted("s.skill_name", query)
    added = ", ".join(f"sum({name}) AS {name}" for name in OUTCOME_COLUMNS)
    sums = (
        "sum(n) AS n, sum(timed) AS timed, total({0}total_us) AS total_us, "
        "total(squares_us) AS squares_us, min({0}first_us) AS first_us, "
        "max({0}last_us) AS last_us, group_concat({1}, ' ') AS buckets"
    )
    each = [
        f"SELECT s.skill_name AS skill, 0 AS start, {sums.format('r.', 'hex(buckets)')}, {added} "
        f"FROM skill_metrics AS s CROSS JOIN rollup_skill_{part.length} AS r ON "
        f"r.skill = s.skill_name AND r.{part.length} >= ? AND r.{part.length} < ? {wanted} "
        "GROUP BY s.skill_name"
        for part in parts
    ]
    values = [value for part in parts for value in (part.first, part.end, *skills)]
    if len(each) == 1:
        return connection.execute(each[0], values)
    return connection.execute(
        f"SELECT skill, 0, {sums.format('', 'buckets')}, {added} "
        f"FROM ({' UNION ALL '.join(each)}) GROUP BY skill",
        values,
    )


def skill_counts(connection: sqlite3.Connection, query: EventQuery, part: Part) -> sqlite3.Cursor:
    """Rows of skill and number of events."""
    wanted, skills = _wanted("s.skill_name", query)
    return connection.execute(
        f"SELECT s.skill_name, sum(n) FROM skill_metrics AS s "
        f"CROSS JOIN rollup_skill_{part.length} AS r ON r.skill = s.skill_name "
        f"AND r.{part.length} >= ? AND r.{part.length} < ? {wanted} GROUP BY s.skill_name",
        (part.first, part.end, *skills),
    )


def _skill_rows(connection: sqlite3.Connection, query: EventQuery, part: Part) -> Iterator[Row]:
    wanted, skills = _wanted("s.skill_name", query)
    return connection.execute(
        f"SELECT s.skill_name, {part.length}, n, timed, 1.0 * r.total_us, squares_us, r.first_us, "
        f"r.last_us, buckets, {', '.join(OUTCOME_COLUMNS)} "
        f"FROM skill_metrics AS s CROSS JOIN rollup_skill_{part.length} AS r ON "
        f"r.skill = s.skill_name AND r.{part.length} >= ? AND r.{part.length} < ? {wanted}",
        (part.first, part.end, *skills),
    )


def _wanted(column: str, query: EventQuery) -> tuple[str, Sequence[str]]:
    """The condition that a column is one of the query's skills, and its values."""
    if not query.skills:
        return "", ()
    return f"AND {column} IN ({', '.join('?' * len(query.skills))})", query.skills
