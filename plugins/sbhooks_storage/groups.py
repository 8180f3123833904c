"""Adds up what a question asks for, group by group, from sums and from the log."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import compress
from typing import Any

from sbhooks.events import from_us
from sbhooks.store import BUCKET_LOG, Dimension, EventQuery, Rollup
from sbhooks_storage import keyed, outcome_days, rolled
from sbhooks_storage.buckets import LazyBuckets
from sbhooks_storage.relations import Relation, Selection
from sbhooks_storage.rollups import rolled_up
from sbhooks_storage.skill_sums import OUTCOME_COLUMNS

_HOUR_US = 3_600_000_000
_LENGTH = {"hour": _HOUR_US, "day": 24 * _HOUR_US}
_LETTERS = {"hour": len("2026-11-20T12"), "day": len("2026-11-20")}

Key = tuple[Any, ...]


class Groups:
    """The groups of one question.

    Most groups are one row of sums, which stays as it is until it becomes a :class:`Rollup`;
    those that more is added to become a :class:`_Group`.

    Args:
        connection: In a read transaction.
        by: What is grouped by.
    """

    def __init__(self, connection: sqlite3.Connection, by: Sequence[Dimension]) -> None:
        self._connection = connection
        self._by = by
        self._held: dict[Key, rolled.Row | _Group] = {}

    def add_sums(self, query: EventQuery, whole: rolled.Span) -> None:
        """Add what is known of whole hours."""
        parts = rolled.parts(self._by, whole)
        if rolled.concerns_skills(query, self._by):
            self._add_rows(rolled.skills(self._connection, query, self._by, parts))
            return
        if rolled.concerns_outcomes(query, self._by) and not outcome_days.are_due(self._connection):
            self._add_rows(rolled.outcomes(self._connection, query, self._by, parts))
            parts = [part for part in parts if part.length == "hour"]
        for *key, outcome, n, timed, total, squares, first, last, packed in keyed.sums(
            self._connection, query, self._by, parts
        ):
            group = self._group(key, first, last)
            group.add((outcome, n, timed, total, squares, first, last))
            if packed:
                group.packed.append(packed)

    def add_log(self, parts: Sequence[Selection]) -> None:
        """Add up rows of the log, group by group as they come."""
        inner = " UNION ALL ".join(summands(part, self._by) for part in parts)
        values = [value for part in parts for value in part.values]
        names = "".join(f"d{i}, " for i in range(len(self._by)))
        found = self._connection.execute(
            f"""
            SELECT {names} outcome, count(*), count(us), total(us), total(1.0 * us * us),
                min(at), max(at),
                CASE WHEN us < 1 THEN 0 ELSE CAST(ln(us) / ? + 1e-9 AS INTEGER) + 1 END AS bucket
            FROM ({inner}) GROUP BY {names} outcome, bucket
            """,
            [BUCKET_LOG, *values],
        )
        for *key, outcome, n, timed, total, squares, first, last, bucket in found:
            group = self._group(key, first, last)
            group.add((outcome, n, timed, total, squares, first, last))
            if timed:
                group.counts[bucket] = group.counts.get(bucket, 0) + timed

    def rollups(self) -> list[Rollup]:
        """What the caller gets, in the order of the keys."""
        word = _wording(self._by, self._held)
        return [_rollup(word(key), self._held[key]) for key in _in_order(self._held)]

    def _add_rows(self, rows: Iterable[tuple[Key, rolled.Row]]) -> None:
        held = self._held
        for key, row in rows:
            if key in held:
                self._group(key, row[6], row[7]).plus(_Group(row))
            else:
                held[key] = row

    def _group(self, key: Sequence[Any], first: int, last: int) -> _Group:
        """The group of a key, ready to be added to."""
        name = tuple(key)
        held = self._held.get(name)
        if isinstance(held, _Group):
            return held
        made = _Group(held or (None, 0, 0, 0, 0.0, 0.0, first, last, None))
        self._held[name] = made
        return made


def newer(
    connection: sqlite3.Connection, selection: Selection, whole: rolled.Span
) -> list[Selection]:
    """Rows of whole hours that are not in the sums yet."""
    after = rolled_up(connection)
    (newest,) = connection.execute("SELECT max(id) FROM skill_invocation").fetchone()
    if newest is None or newest <= after:
        return []
    where = f"{selection.where} AND e.id > ? AND e.at_us >= ? AND e.at_us < ?"
    values = [*selection.values, after, whole.since_us, whole.until_us]
    return [selection._replace(where=where, values=values)]


class _Group:
    """Sums of one group."""

    __slots__ = ("counts", "first", "last", "n", "outcomes", "packed",
                 "squares_us", "timed", "total_us")  # fmt: skip

    def __init__(self, row: rolled.Row) -> None:
        """Begin with a row of sums."""
        self.n, self.timed, self.total_us, self.squares_us, self.first, self.last, packed = row[2:9]
        self.outcomes = _outcomes(row)
        self.counts: dict[int, int] = {}
        self.packed: list[bytes | str] = [packed] if packed else []

    def plus(self, other: _Group) -> None:
        """Add another group that has no counts of its own."""
        self.n += other.n
        self.timed += other.timed
        self.total_us += other.total_us
        self.squares_us += other.squares_us
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        for outcome, n in other.outcomes.items():
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + n
        self.packed += other.packed

    def add(self, sums: Sequence[Any]) -> None:
        """Add some of its events: outcome, n, timed, total, squares, first, last."""
        outcome, n, timed, total, squares, first, last = sums
        self.n += n
        self.timed += timed
        self.total_us += total
        self.squares_us += squares
        self.first, self.last = min(self.first, first), max(self.last, last)
        if outcome is not None:
            self.outcomes[outcome] = self.outcomes.get(outcome, 0) + n

    def rollup(self, key: Key) -> Rollup:
        """What the caller gets; distributions that need work are added up when asked for."""
        return Rollup(
            key=key,
            n=self.n,
            outcomes=self.outcomes,
            duration_n=self.timed,
            duration_sum=self.total_us / 1e6,
            duration_sum_squares=self.squares_us / 1e12,
            first_at=from_us(self.first),
            last_at=from_us(self.last),
            buckets=LazyBuckets(self.counts, self.packed) if self.packed else self.counts,
        )


def _rollup(key: Key, group: rolled.Row | _Group) -> Rollup:
    """What the caller gets; most groups are one row of sums."""
    if not isinstance(group, tuple):
        return group.rollup(key)
    _, _, n, timed, total, squares, first, last, packed, *_ = group
    return Rollup(
        key=key,
        n=n,
        outcomes=_outcomes(group),
        duration_n=timed,
        duration_sum=total / 1e6,
        duration_sum_squares=squares / 1e12,
        first_at=from_us(first),
        last_at=from_us(last),
        buckets=LazyBuckets({}, [packed]) if packed else {},
    )


def _outcomes(row: rolled.Row) -> dict[str, int]:
    """Numbers of events per outcome."""
    counts = row[9:]
    if len(counts) == 1:
        return {counts[0]: row[2]}
    return dict(compress(zip(OUTCOME_COLUMNS, counts, strict=False), counts))


def summands(part: Selection, by: Sequence[Dimension]) -> str:
    """SELECT of what is summed up: one column per dimension, then outcome, us, at."""
    relation = part.relation
    columns = [f"{_dimension(relation, name)} AS d{i}" for i, name in enumerate(by)]
    columns += [
        f"{relation.outcome} AS outcome", f"{relation.micros} AS us", f"{relation.at} AS at"
    ]  # fmt: skip
    selected = ", ".join(columns)
    tables = relation.source(part.tables, f"{selected} {part.where}")
    return f"SELECT {selected} FROM {tables} WHERE {part.where}"


def _dimension(relation: Relation, name: Dimension) -> str:
    if name == "kind":
        return "e.kind" if relation.kind is None else f"'{relation.kind}'"
    if name == "outcome":
        return relation.outcome
    if name in _LENGTH:  # number of the hour or day; % keeps the sign, so before 1970 as well
        length = _LENGTH[name]
        return f"(({relation.at} - (({relation.at} % {length}) + {length}) % {length}) / {length})"
    return relation.dimensions.get(name, "NULL")


def _in_order(groups: Mapping[Key, object]) -> list[Key]:
    """Keys as they are compared, nothing before anything."""
    if any(None in key for key in groups):
        return sorted(groups, key=lambda key: [(value is not None, value) for value in key])
    return sorted(groups)


def _wording(by: Sequence[Dimension], keys: Iterable[Key]) -> Callable[[Key], Key]:
    """How to write keys: hours and days come as numbers, and the same ones again and again."""
    words = [
        {number: _word(name, number) for number in {key[place] for key in keys}}
        if name in _LENGTH else None
        for place, name in enumerate(by)
    ]  # fmt: skip
    if not any(words):
        return lambda key: key
    return lambda key: tuple([
        value if word is None else word[value] for word, value in zip(words, key, strict=True)
    ])  # fmt: skip


def _word(name: Dimension, number: int | None) -> str | None:
    """What an hour or day is called."""
    if number is None:
        return None
    start = from_us(number * _LENGTH[name])
    return start.isoformat()[: _LETTERS[name]]  # strftime does not fill up years before 1000
