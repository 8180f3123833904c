"""Questions as SQL: events by time, sums by group, and what was stored last."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from heapq import merge as merge_sorted
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace

from sbhooks.events import Codec, Event, from_us, to_us
from sbhooks.store import BUCKET_LOG, Dimension, EventQuery, Rollup
from sbhooks_storage import rolled
from sbhooks_storage.buckets import LazyBuckets
from sbhooks_storage.relations import BUILTIN, Relation, others
from sbhooks_storage.rollups import rolled_up
from sbhooks_storage.skill_sums import OUTCOME_COLUMNS

_HOUR_US = 3_600_000_000
_LENGTH = {"hour": _HOUR_US, "day": 24 * _HOUR_US}
_LETTERS = {"hour": len("2026-11-20T12"), "day": len("2026-11-20")}
_CHUNK = 1_000
_MOST_PERIODS = 10_000
_LOG = "skill_invocation"

Timed = tuple[int, bool, bytes | str, Event]


class Selection(NamedTuple):
    """The rows of one relation that a query means."""

    relation: Relation
    tables: str
    where: str
    values: list[Any]


class Reader:
    """Answers queries on a connection that the caller lends.

    Args:
        codec: Reads the kinds that plugins declare.
    """

    def __init__(self, codec: Codec) -> None:
        self._known = frozenset(codec.kinds)
        self._relations = (*BUILTIN, others(codec))

    def events(self, connection: sqlite3.Connection, query: EventQuery) -> Iterator[Event]:
        """See ``EventReader.events``."""
        if query.limit is not None and query.limit <= 0:
            return iter(())
        streams = [self._stream(connection, query, chosen) for chosen in self._select(query)]
        merged = merge_sorted(*streams, key=itemgetter(0, 1, 2), reverse=query.newest_first)
        return (event for *_, event in islice(merged, query.limit))

    def rollup(
        self, connection: sqlite3.Connection, query: EventQuery, by: Sequence[Dimension]
    ) -> list[Rollup]:
        """See ``EventReader.rollup``."""
        groups: Groups = {}
        parts = []
        for relation in self._relations:
            parts += self._from_sums(connection, query, by, relation, groups)
        if parts:
            _add_log(connection, parts, by, groups)
        words = _wording(by)
        return [_finished(words(key), groups[key]) for key in _in_order(groups)]

    def tail(self, connection: sqlite3.Connection, after: int, upto: int) -> list[Event]:
        """The events numbered ``after + 1`` to ``upto``, in that order."""
        numbered: list[tuple[int, Event]] = []
        for relation in self._relations:
            rows = connection.execute(
                f"SELECT {relation.seq}, {relation.columns} "
                f"FROM {relation.source(relation.tables, relation.columns)} "
                f"WHERE {relation.seq} > ? AND {relation.seq} <= ?",
                (after, upto),
            )
            for seq, *row in rows:
                event = _decoded(relation, row)
                if event is not None:
                    numbered.append((seq, event))
        return [event for _, event in sorted(numbered, key=itemgetter(0))]

    def next_number(self, connection: sqlite3.Connection, after: int) -> int | None:
        """The smallest number behind ``after``: erasures leave gaps."""
        found = [
            connection.execute(
                f"SELECT min({relation.seq}) FROM {relation.table} AS e WHERE {relation.seq} > ?",
                (after,),
            ).fetchone()[0]
            for relation in self._relations
        ]
        return min((seq for seq in found if seq is not None), default=None)

    def _from_sums(
        self,
        connection: sqlite3.Connection,
        query: EventQuery,
        by: Sequence[Dimension],
        relation: Relation,
        groups: Groups,
    ) -> list[Selection]:
        """Add what sums know of a relation to ``groups``; returns what is left to the log."""
        selection = self._restrict(relation, query)
        if selection is None:
            return []
        whole = rolled.span(query, by) if relation.table == _LOG else None
        if whole is None:
            return [selection]
        _add_sums(connection, query, by, whole, groups)
        rest = [
            self._restrict(relation, replace(query, **edge)) for edge in rolled.edges(query, whole)
        ]
        return [part for part in rest if part] + _newer(connection, selection, whole)

    def _select(self, query: EventQuery) -> list[Selection]:
        chosen = (self._restrict(relation, query) for relation in self._relations)
        return [selection for selection in chosen if selection is not None]

    def _restrict(self, relation: Relation, query: EventQuery) -> Selection | None:
        """The conditions of a query on a relation; ``None`` when nothing can match."""
        where = [f"{relation.at} IS NOT NULL"]
        values: list[Any] = []

        def among(expression: str, allowed: Sequence[str]) -> None:
            where.append(f"{expression} IN ({', '.join('?' * len(allowed))})")
            values.extend(allowed)

        if query.kinds and relation.kind is not None and relation.kind not in query.kinds:
            return None
        if query.kinds and relation.kind is None:
            among("e.kind", query.kinds)
        for name, allowed in (
            ("source", query.sources), ("session", query.sessions), ("project", query.projects),
            ("user", query.users), ("skill", query.skills), ("test", query.tests),
        ):  # fmt: skip
            if allowed and name not in relation.dimensions:
                return None
            if allowed:
                among(relation.dimensions[name], allowed)
        tables = _tables(relation, query)
        _restrict_time(relation, query, where, values)
        if tables == relation.by_session:
            _restrict_session_time(query, where, values)
        return Selection(relation, tables, " AND ".join(where), values)

    def _stream(
        self, connection: sqlite3.Connection, query: EventQuery, chosen: Selection
    ) -> Iterator[Timed]:
        """The events of one relation in order, each with what it is ordered by."""
        relation, way = chosen.relation, "DESC" if query.newest_first else "ASC"
        known, values = "", list(chosen.values)
        if relation.kind is None:
            known = f" AND e.kind IN ({', '.join('?' * len(self._known))})"
            values.extend(self._known)
        limit = "" if query.limit is None else f" LIMIT {int(query.limit)}"
        rows = connection.execute(
            f"SELECT {relation.columns} "
            f"FROM {relation.source(chosen.tables, relation.columns + chosen.where)} "
            f"WHERE {chosen.where}{known} ORDER BY 2 {way}, 1 {way}{limit}",
            values,
        )
        rows.arraysize = _CHUNK
        for row in rows:
            event = _decoded(relation, row)
            if event is not None:
                yield row[1], isinstance(row[0], bytes), row[0], event


def _decoded(relation: Relation, row: Sequence[Any]) -> Event | None:
    """The event of a row; ``None`` when nobody declares its kind any more."""
    try:
        return relation.event(row)
    except msgspec.DecodeError:
        if relation.kind is None:
            return None
        raise


def _tables(relation: Relation, query: EventQuery) -> str:
    """Where to start: from what restricts most."""
    if query.tests and relation.by_test:
        return relation.by_test
    timed = query.since is not None or query.until is not None
    has_own_time = relation.at == "e.at_us"  # otherwise it counts from the session's
    restricted = query.sessions or query.projects or query.users
    if relation.by_session and (restricted or (timed and not has_own_time)):
        return relation.by_session
    return relation.tables


def _restrict_time(
    relation: Relation, query: EventQuery, where: list[str], values: list[Any]
) -> None:
    if query.since is not None:
        where.append(f"{relation.at} >= ?")
        values.append(to_us(query.since))
    if query.until is not None:
        where.append(f"{relation.at} < ?")
        values.append(to_us(query.until))


def _restrict_session_time(query: EventQuery, where: list[str], values: list[Any]) -> None:
    """Leave out sessions that were over before or began after: their rows need no look."""
    if query.since is not None:
        where.append("s.last_us >= ?")
        values.append(to_us(query.since))
    if query.until is not None:
        where.append("s.first_us < ?")
        values.append(to_us(query.until))


def _summands(part: Selection, by: Sequence[Dimension]) -> str:
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


def _add_sums(
    connection: sqlite3.Connection,
    query: EventQuery,
    by: Sequence[Dimension],
    whole: rolled.Span,
    groups: Groups,
) -> None:
    """Add what is known of whole hours to ``groups``."""
    if rolled.concerns_skills(query, by):
        for key, row in rolled.skills(connection, query, by, whole):
            if key in groups:
                _group(groups, key, row[6], row[7]).plus(_Group(row))
            else:
                groups[key] = row
        return
    for *keys, outcome, n, timed, total, squares, first, last, packed in rolled.sums(
        connection, query, by, whole
    ):
        group = _group(groups, keys, first, last)
        group.add((outcome, n, timed, total, squares, first, last))
        if packed:
            group.packed.append(packed)


def _newer(
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


def _add_log(
    connection: sqlite3.Connection,
    parts: Sequence[Selection],
    by: Sequence[Dimension],
    groups: Groups,
) -> None:
    """Add up rows of the log, group by group as they come."""
    inner = " UNION ALL ".join(_summands(part, by) for part in parts)
    values = [value for part in parts for value in part.values]
    names = "".join(f"d{i}, " for i in range(len(by)))
    found = connection.execute(
        f"""
        SELECT {names} outcome, count(*), count(us), total(us), total(1.0 * us * us),
            min(at), max(at),
            CASE WHEN us < 1 THEN 0 ELSE CAST(ln(us) / ? + 1e-9 AS INTEGER) + 1 END AS bucket
        FROM ({inner}) GROUP BY {names} outcome, bucket
        """,
        [BUCKET_LOG, *values],
    )
    for *key, outcome, n, timed, total, squares, first, last, bucket in found:
        group = _group(groups, key, first, last)
        group.add((outcome, n, timed, total, squares, first, last))
        if timed:
            group.counts[bucket] = group.counts.get(bucket, 0) + timed


def _group(groups: Groups, key: Sequence[Any], first: int, last: int) -> _Group:
    """The group of a key, ready to be added to."""
    name = tuple(key)
    held = groups.get(name)
    if isinstance(held, _Group):
        return held
    made = groups[name] = _Group(held or (None, 0, 0, 0, 0.0, 0.0, first, last, None))
    return made


def _in_order(groups: Mapping[tuple[Any, ...], object]) -> list[tuple[Any, ...]]:
    """Keys as they are compared, nothing before anything."""
    if any(None in key for key in groups):
        return sorted(groups, key=lambda key: [(value is not None, value) for value in key])
    return sorted(groups)


class _Group:
    """Sums of one group."""

    __slots__ = ("counts", "first", "last", "n", "outcomes", "packed",
                 "squares_us", "timed", "total_us")  # fmt: skip

    def __init__(self, row: Sequence[Any]) -> None:
        """Begin with a row of :func:`rolled.skills`."""
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

    def rollup(self, key: tuple[str | None, ...]) -> Rollup:
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


#: Key → what is known of it; a row that nothing was added to stays as it is.
Groups = dict[tuple[Any, ...], tuple[Any, ...] | _Group]


def _outcomes(row: Sequence[Any]) -> dict[str, int]:
    """Numbers of events per outcome, of a row of :func:`rolled.skills`."""
    return {name: n for name, n in zip(OUTCOME_COLUMNS, row[9:], strict=False) if n}


def _finished(key: tuple[str | None, ...], group: tuple[Any, ...] | _Group) -> Rollup:
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


def _wording(by: Sequence[Dimension]) -> Callable[[tuple[Any, ...]], tuple[str | None, ...]]:
    """How to write keys: hours and days come as numbers, and the same ones again and again."""
    if not any(name in _LENGTH for name in by):
        return lambda key: key
    word = lru_cache(_MOST_PERIODS)(_word)
    return lambda key: tuple(map(word, by, key))


def _word(name: Dimension, value: Any) -> str | None:
    """What a group is called: hours and days come as numbers."""
    if name not in _LENGTH or value is None:
        return value  # type: ignore[no-any-return]
    start = from_us(value * _LENGTH[name])
    return start.isoformat()[: _LETTERS[name]]  # strftime does not fill up years before 1000
