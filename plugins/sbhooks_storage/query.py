"""Questions as SQL: events by time, sums by group, and what was stored last."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from heapq import merge as merge_sorted
from itertools import islice
from operator import itemgetter
from typing import Any

import msgspec
from msgspec.structs import replace

from sbhooks.events import Codec, Event, to_us
from sbhooks.store import Dimension, EventQuery, Rollup
from sbhooks_storage import rolled
from sbhooks_storage.groups import Groups, newer
from sbhooks_storage.ranking import SkillCounts
from sbhooks_storage.relations import BUILTIN, Relation, Selection, others

_CHUNK = 1_000
_LOG = "skill_invocation"
# Each half finds its tests by an index; the index of either kind of test does not serve the other.
_TESTS = (
    "t.test_no IN (SELECT test_no FROM test_case WHERE params IS NULL AND test IN ({marks}) "
    "UNION ALL SELECT test_no FROM test_case WHERE params IS NOT NULL AND test IN ({marks}))"
)

Timed = tuple[int, bool, bytes | str, Event]


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
        groups = Groups(connection, by)
        self._add_up(connection, query, by, groups)
        return groups.rollups()

    def most_used(self, connection: sqlite3.Connection, query: EventQuery, limit: int) -> list[str]:
        """See ``RanksSkills.most_used``."""
        counts = SkillCounts(connection)
        self._add_up(connection, query, ["skill"], counts)
        return counts.most(limit)

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

    def _add_up(
        self,
        connection: sqlite3.Connection,
        query: EventQuery,
        by: Sequence[Dimension],
        total: Groups | SkillCounts,
    ) -> None:
        """Add what matches to ``total``: from sums what they know, the rest from the log."""
        parts: list[Selection] = []
        for relation in self._relations:
            parts += self._from_sums(connection, query, by, relation, total)
        if parts:
            total.add_log(parts)

    def _from_sums(
        self,
        connection: sqlite3.Connection,
        query: EventQuery,
        by: Sequence[Dimension],
        relation: Relation,
        total: Groups | SkillCounts,
    ) -> list[Selection]:
        """Add what sums know of a relation to ``total``; returns what is left to the log."""
        selection = self._restrict(relation, query)
        if selection is None:
            return []
        whole = rolled.span(query, by) if relation.table == _LOG else None
        if whole is None:
            return [selection]
        total.add_sums(query, whole)
        rest = [
            self._restrict(relation, replace(query, **edge)) for edge in rolled.edges(query, whole)
        ]
        return [part for part in rest if part] + newer(connection, selection, whole)

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
            if allowed and name == "test" and relation.by_test:
                where.append(_TESTS.format(marks=", ".join("?" * len(allowed))))
                values += [*allowed, *allowed]
            elif allowed:
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
