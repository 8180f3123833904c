"""Rows of the log as the archive holds them, and invocations on their way back."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sbhooks.events import from_us
from sbhooks.ids import pack_id, unpack_id
from sbhooks_storage import attempts
from sbhooks_storage.archive_files import COLUMNS, Row
from sbhooks_storage.relations import word_of

#: Kind of a row that is left of an invocation which was pruned: what sums are made of.
PRUNED = "pruned-invocation"
_LEFT = (
    "seq", "at", "source", "session", "session_no", "skill_name", "completed", "duration_seconds",
    "workflow_path", "workflow_phase", "error_type", "follow_up_actions", "selection_rank",
    "outcome",
)  # fmt: skip
_DAY_US = 86_400_000_000
_CHUNK = 1_000
_PLACE = {name: number for number, name in enumerate(COLUMNS)}
_SPAN = "session AS s CROSS JOIN session_span AS p ON p.session_no = s.session_no CROSS JOIN "
_SESSION = {
    "session": "s.session_id", "session_no": "s.session_no", "project": "s.project",
    "branch": "s.branch", "commit": "s.commit_sha",
}  # fmt: skip


class Source(NamedTuple):
    """A table of the log whose rows move.

    Attributes:
        kind: What its events are called.
        table: Its name.
        seq: Its column that numbers events.
        tables: What stands behind ``FROM``.
        at: SQL of the time, in microseconds.
        columns: Column of the archive → its SQL.
        narrow: Further conditions that spare a look at most rows; first and end of the time.
    """

    kind: str
    table: str
    seq: str
    tables: str
    at: str
    columns: Mapping[str, str]
    narrow: str = ""

    def rows(
        self, connection: sqlite3.Connection, since_us: int, until_us: int, newest: int
    ) -> Iterator[Row]:
        """The events of a time, up to a number, in the order of storing."""
        selected = ", ".join(self.columns.get(name, "NULL") for name in COLUMNS)
        identity = _PLACE["id"]
        found = connection.execute(
            f"SELECT {selected} FROM {self.tables} WHERE {self._where()} ORDER BY e.{self.seq}",
            (since_us, until_us, newest),
        )
        found.arraysize = _CHUNK
        for row in found:
            yield (*row[:identity], unpack_id(row[identity]), *row[identity + 1 :])

    def how_many(self, connection: sqlite3.Connection, since_us: int, until_us: int) -> int:
        """How many events a time holds."""
        (n,) = connection.execute(
            f"SELECT count(*) FROM {self.tables} WHERE {self._where()}",
            (since_us, until_us, _ALL),
        ).fetchone()
        return int(n)

    def delete(
        self, connection: sqlite3.Connection, since_us: int, until_us: int, newest: int
    ) -> int:
        """Delete what ``rows`` gives; returns how many."""
        gone = connection.execute(
            f"DELETE FROM {self.table} WHERE {self.seq} IN "
            f"(SELECT e.{self.seq} FROM {self.tables} WHERE {self._where()})",
            (since_us, until_us, newest),
        )
        return gone.rowcount

    def forget(self, connection: sqlite3.Connection, before_us: int) -> None:
        """Delete the identities of the events before a time."""
        connection.execute(
            "DELETE FROM event_key WHERE event_id IN "
            f"(SELECT e.event_id FROM {self.tables} WHERE {self._where()})",
            (-(1 << 62), before_us, _ALL),
        )

    def days(self, connection: sqlite3.Connection, before_us: int) -> list[int]:
        """The beginnings of the days before a time that have events, in microseconds."""
        found = connection.execute(
            f"SELECT DISTINCT ({self.at} - (({self.at} % {_DAY_US}) + {_DAY_US}) % {_DAY_US}) "
            f"FROM {self.tables} WHERE {self._where()}",
            (-(1 << 62), before_us, _ALL),
        )
        return [day for (day,) in found]

    def _where(self) -> str:
        return f"{self.at} >= ?1 AND {self.at} < ?2 AND e.{self.seq} <= ?3{self.narrow}"


_ALL = (1 << 63) - 1
_INVOCATION = (
    "skill_name", "invoked_at", "workflow_path", "completed", "duration_seconds", "user_query",
    "alternatives_considered", "selection_rank", "follow_up_actions", "created_at", "embedding",
    "workflow_phase", "workflow_step_id", "rating", "outcome", "error_type", "attributes",
)  # fmt: skip
#: Column of the archive → how it is called in the log.
_FIRST = {
    "seq": "id", "id": "event_id", "at": "at_us", "session": "session_id",
    "session_no": "session_no", "source": "source",
}  # fmt: skip
_INVOKED_AT = len(_FIRST) + _INVOCATION.index("invoked_at")
_CREATED_AT = len(_FIRST) + _INVOCATION.index("created_at")
_JOIN = "JOIN session AS s ON s.session_no = e.session_no"


def _plain(kind: str, table: str, *columns: str) -> Source:
    """A kind whose columns in the archive are called as in its table."""
    own = {name: f"e.{name}" for name in columns}
    return Source(
        kind=kind,
        table=table,
        seq="seq",
        tables=f"{table} AS e {_JOIN}",
        at="e.at_us",
        columns={
            "kind": f"'{kind}'", "seq": "e.seq", "id": "e.event_id", "at": "e.at_us",
            "source": "e.source", **_SESSION, **own,
        },
    )  # fmt: skip


SOURCES = (
    Source(
        kind="invocation",
        table="skill_invocation",
        seq="id",
        tables=f"skill_invocation AS e CROSS {_JOIN}",
        at="e.at_us",
        columns={
            "kind": "'invocation'", "seq": "e.id", "id": "e.event_id", "at": "e.at_us",
            "source": "e.source", **_SESSION, **{name: f"e.{name}" for name in _INVOCATION},
        },
    ),
    Source(
        kind="test-result",
        table="test_attempt",
        seq="seq",
        tables=(
            f"{_SPAN} test_attempt AS e ON e.seq BETWEEN p.first_seq AND p.last_seq "
            "JOIN test_case AS t ON t.test_no = e.test_no "
            "JOIN test_context AS c ON c.session_no = e.session_no AND c.context_no = e.context_no "
            "LEFT JOIN test_attempt_note AS n ON n.seq = e.seq "
            "LEFT JOIN test_failure AS f ON f.failure_no = n.failure_no"
        ),
        at="(s.origin_us + e.at_delta_us)",
        narrow=" AND s.last_us >= ?1 AND s.first_us < ?2",
        columns={
            "kind": "'test-result'", "seq": "e.seq", "id": "e.event_id",
            "at": "s.origin_us + e.at_delta_us", "source": "c.source", **_SESSION,
            "test": "t.test", "params": "t.params",
            "outcome": word_of("e.outcome", attempts.OUTCOMES),
            "detail": word_of("e.detail", attempts.DETAILS),
            "setup_us": "e.setup_us", "call_us": "e.call_us", "teardown_us": "e.teardown_us",
            "worker": "c.worker", "invocation": "c.invocation",
            "attempt": "coalesce(n.attempt, 1)", "subtest": "n.subtest",
            "attributes": "n.attributes", "fingerprint": "f.fingerprint",
            "failure_type": "f.type", "failure_message": "f.message",
        },
    ),
    _plain("phase-change", "phase_change", "workflow", "phase_from", "phase_to", "step",
           "attributes"),
    _plain("pipeline-stage", "pipeline_stage", "pipeline", "run", "stage", "outcome", "phase",
           "duration_us", "queued_us", "artifacts", "error_type", "attributes"),
)  # fmt: skip


def named(row: Row) -> dict[str, object]:
    """A row by the names of its columns."""
    return dict(zip(COLUMNS, row, strict=True))


def reduced(row: Row) -> Row:
    """What is left of an invocation that is pruned: no identity, no text, no attributes."""
    kept = {name: value for name, value in named(row).items() if name in _LEFT}
    return tuple({**kept, "kind": PRUNED}.get(name) for name in COLUMNS)


def restore_invocations(
    connection: sqlite3.Connection, rows: Iterable[Row], table: str = "skill_invocation"
) -> None:
    """Insert archived invocations as they were.

    Args:
        connection: With a temporary table ``put_back`` when the table is the log: it gets the
            numbers.
        rows: Of the kind ``invocation``.
        table: The log, or a table with the same columns.
    """
    columns = (*_FIRST.values(), *_INVOCATION)
    places = [_PLACE[name] for name in (*_FIRST, *_INVOCATION)]
    insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    if table != "skill_invocation":
        connection.executemany(insert, (_restored(row, places) for row in rows))
        return
    for row in rows:
        values = _restored(row, places)
        connection.execute(insert, values)
        connection.execute("INSERT INTO put_back VALUES (?)", (values[0],))


def _restored(row: Row, places: list[int]) -> list[object]:
    values = [row[place] for place in places]
    if values[1] is None:  # pruned: what must not be empty is made up
        values[1] = os.urandom(16)
        values[_INVOKED_AT] = values[_CREATED_AT] = from_us(row[_PLACE["at"]]).isoformat()
    else:
        values[1] = pack_id(str(values[1]))
    return values
