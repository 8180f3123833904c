"""What each kind of event looks like to SQL: where its rows are and what its columns mean.

In every relation ``e`` is the table of the kind and ``s`` the session.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from sbhooks.events import Codec, Event, Invocation, TestResult, kind_of
from sbhooks_storage import attempts, invocations, rows

_SESSION = {
    "source": "e.source",
    "session": "s.session_id",
    "project": "s.project",
    "user": "s.user_id",
    "branch": "s.branch",
    "commit": "s.commit_sha",
}


class Relation(NamedTuple):
    """One kind of event, or all kinds of plugins.

    Attributes:
        kind: Its name; ``None`` for the relation that holds all kinds of plugins.
        table: Its table.
        tables: What stands behind ``FROM``.
        by_session: The same when sessions are restricted: these are looked up first.
        by_test: The same when tests are named.
        joins: What is added there when its alias is used.
        columns: What stands behind ``SELECT``: id and time first.
        event: Builds the event of such a row.
        dimensions: What can be grouped and filtered by → its SQL; what is missing is NULL.
        at: SQL of the time, in microseconds.
        outcome: SQL of the outcome; "NULL" for kinds without one.
        micros: SQL of the duration in microseconds.
        seq: SQL of the number in the order of storing.
    """

    kind: str | None
    table: str
    tables: str
    columns: str
    event: Callable[[Sequence[Any]], Event]
    dimensions: Mapping[str, str]
    at: str = "e.at_us"
    outcome: str = "NULL"
    micros: str = "NULL"
    seq: str = "e.seq"
    by_session: str = ""
    by_test: str = ""
    joins: Mapping[str, str] = {}

    def source(self, tables: str, used: str) -> str:
        """What stands behind ``FROM``: ``tables``, and the joins that ``used`` needs."""
        needed = [
            join
            for alias, join in self.joins.items()
            if f" AS {alias} " not in f"{tables} " and re.search(rf"\b{alias}\.", used)
        ]
        return " ".join([tables, *needed])


class Selection(NamedTuple):
    """The rows of one relation that a query means."""

    relation: Relation
    tables: str
    where: str
    values: list[Any]


def _simple(table: rows.Table) -> Relation:
    """The relation of a kind that :mod:`rows` describes by its columns."""
    names = {column.field: column.name for column in table.columns}
    shared = ("phase", "workflow", "error_type")
    return Relation(
        kind=kind_of(table.kind),
        table=table.name,
        tables=f"{table.name} AS e JOIN session AS s ON s.session_no = e.session_no",
        columns="e.event_id, e.at_us, e.source, s.session_id, "
        + ", ".join(f"e.{column.name}" for column in table.columns),
        event=table.event,
        dimensions={**_SESSION, **{name: f"e.{name}" for name in shared if name in names}},
        outcome="e.outcome" if "outcome" in names else "NULL",
        micros="e.duration_us" if "duration_s" in names else "NULL",
    )


def word_of(expression: str, words: Sequence[str]) -> str:
    """SQL of the word that a code stands for."""
    cases = " ".join(f"WHEN {code} THEN '{word}'" for code, word in enumerate(words))
    return f"CASE {expression} {cases} END"


_SPAN = "session AS s CROSS JOIN session_span AS p ON p.session_no = s.session_no"

# CROSS JOIN fixes the order of the tables, which SQLite could only guess.
_INVOCATION = Relation(
    kind=kind_of(Invocation),
    table="skill_invocation",
    tables="skill_invocation AS e CROSS JOIN session AS s ON s.session_no = e.session_no",
    by_session=f"{_SPAN} CROSS JOIN skill_invocation AS e "
    "ON e.id BETWEEN p.first_seq AND p.last_seq",
    columns=invocations.SELECTED,
    event=invocations.invocation,
    dimensions={
        **_SESSION,
        "source": "coalesce(e.source, s.source)",
        "skill": "e.skill_name",
        "phase": "e.workflow_phase",
        "workflow": "e.workflow_path",
        "error_type": "e.error_type",
    },
    outcome=invocations.OUTCOME,
    micros="CASE WHEN e.duration_seconds >= 0 "
    "THEN CAST(round(e.duration_seconds * 1e6) AS INTEGER) END",
    seq="e.id",
)

_ATTEMPT = Relation(
    kind=kind_of(TestResult),
    table="test_attempt",
    tables="test_attempt AS e CROSS JOIN session AS s ON s.session_no = e.session_no",
    by_session=f"{_SPAN} CROSS JOIN test_attempt AS e ON e.seq BETWEEN p.first_seq AND p.last_seq",
    by_test="test_case AS t CROSS JOIN test_attempt AS e ON e.test_no = t.test_no "
    "CROSS JOIN session AS s ON s.session_no = e.session_no",
    joins={
        "t": "CROSS JOIN test_case AS t ON t.test_no = e.test_no",
        "c": "CROSS JOIN test_context AS c "
        "ON c.session_no = e.session_no AND c.context_no = e.context_no",
        "n": "LEFT JOIN test_attempt_note AS n ON n.seq = e.seq",
        "f": "LEFT JOIN test_failure AS f ON f.failure_no = n.failure_no",
    },
    columns=attempts.COLUMNS,
    event=attempts.attempt,
    dimensions={
        **_SESSION,
        "source": "c.source",
        "test": "t.test",
        "params": "t.params",
        "subtest": "n.subtest",
        "detail": word_of("e.detail", attempts.DETAILS),
        "worker": "c.worker",
    },
    at="(s.origin_us + e.at_delta_us)",
    outcome=word_of("e.outcome", attempts.OUTCOMES),
    micros="CASE WHEN coalesce(e.setup_us, e.call_us, e.teardown_us) IS NOT NULL THEN "
    "coalesce(e.setup_us, 0) + coalesce(e.call_us, 0) + coalesce(e.teardown_us, 0) END",
)

BUILTIN = (*(_simple(table) for table in rows.TABLES), _INVOCATION, _ATTEMPT)


def others(codec: Codec) -> Relation:
    """The relation of all kinds that plugins declare.

    Args:
        codec: Reads their events; what it does not know is left out by the caller.
    """
    return Relation(
        kind=None,
        table="other_event",
        tables="other_event AS e JOIN session AS s ON s.session_no = e.session_no",
        columns="e.event_id, e.at_us, e.body",
        event=lambda row: codec.decode(row[2]),
        dimensions={**_SESSION, **{name: f"e.{name}" for name in rows.OTHER_FIELDS}},
        outcome="e.outcome",
        micros="e.duration_us",
    )
