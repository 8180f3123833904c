"""Invocations: the log that other programs know, written column by column.

Nothing here is done per event that can be done by one call for all: these lines are most of
what storing costs. A statement names only the columns that some of its rows fill, for most
invocations have no query, no rank and no rating, and each value that is handed to SQLite costs
as much as keeping it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from typing import Any

from sbhooks.events import Invocation, Outcome, from_us
from sbhooks.ids import unpack_id
from sbhooks_storage.identities import Packed, bindable
from sbhooks_storage.rows import ATTRIBUTES, TEXTS
from sbhooks_storage.sessions import Session

_AT_ONCE = 50  # rows that one statement inserts: what a statement costs is shared
_SHAPES = 256  # statements that are remembered
_MINUTE_US = 60_000_000
_SUCCESS, _FAILURE, _CANCELLATION = Outcome.SUCCESS, Outcome.FAILURE, Outcome.CANCELLATION

Columns = Mapping[str, Sequence[Any]]

_ALWAYS = frozenset((
    "id", "skill_name", "invoked_at", "session_id", "completed", "event_id", "at_us", "session_no",
))  # fmt: skip

#: What an invocation's outcome is where the column is NULL.
OUTCOME = (
    "coalesce(e.outcome, CASE WHEN e.completed THEN 'success' "
    "WHEN e.error_type IS NOT NULL THEN 'failure' ELSE 'cancellation' END)"
)
SELECTED = f"""
    e.event_id, e.at_us, coalesce(e.source, s.source), e.session_id, e.skill_name,
    {OUTCOME}, e.duration_seconds, e.workflow_phase, e.workflow_step_id,
    e.workflow_path, e.error_type, e.user_query, e.alternatives_considered, e.selection_rank,
    e.follow_up_actions, e.rating, e.attributes
"""


def columns(
    events: Sequence[Invocation],
    *,
    seqs: Sequence[int],
    ids: Sequence[Packed],
    times: Sequence[int],
    micros: Sequence[int | None],
    sessions: Sequence[Session],
) -> dict[str, list[Any]]:
    """Values by column of the log, in the order of the events; NULL is ``None``.

    Args:
        events: The invocations.
        seqs: Their numbers in the order of storing.
        ids: Their packed ids.
        times: When they happened, microseconds since 1970.
        micros: How long they took, microseconds.
        sessions: Their sessions.

    Raises:
        ValueError: Something cannot be written as JSON.
    """
    outcomes = [event.outcome for event in events]
    errors = [event.error_type for event in events]
    return {
        "id": [*seqs],
        "skill_name": [event.skill for event in events],
        "invoked_at": time_texts(times),
        "session_id": [event.session for event in events],
        "workflow_path": [event.workflow for event in events],
        "completed": [1 if outcome is _SUCCESS else 0 for outcome in outcomes],
        "duration_seconds": [None if us is None else us / 1e6 for us in micros],
        "user_query": [event.query for event in events],
        "alternatives_considered": [
            TEXTS.write(event.alternatives) if event.alternatives else None for event in events
        ],
        "selection_rank": [event.selection_rank for event in events],
        "follow_up_actions": [
            TEXTS.write(event.follow_up_actions) if event.follow_up_actions else None
            for event in events
        ],
        "error_type": errors,
        "workflow_phase": [event.phase for event in events],
        "workflow_step_id": [event.step for event in events],
        "event_id": bindable(ids),
        "at_us": [*times],
        "session_no": [session.number for session in sessions],
        "source": [
            None if event.source == session.source else event.source
            for event, session in zip(events, sessions, strict=True)
        ],
        "outcome": _telling(outcomes, errors),
        "rating": [event.rating for event in events],
        "attributes": [
            ATTRIBUTES.write(event.attributes) if event.attributes else None for event in events
        ],
    }  # fmt: skip


def insert(connection: sqlite3.Connection, filled: Columns) -> None:
    """Write rows of the log.

    Args:
        connection: In a write transaction.
        filled: The result of :func:`columns`.
    """
    number = len(filled["id"])
    filled = _without_empty(filled, number)
    whole = number - number % _AT_ONCE
    for start in range(0, whole, _AT_ONCE):
        some = {name: values[start : start + _AT_ONCE] for name, values in filled.items()}
        part = _without_empty(some, _AT_ONCE)
        values = [*chain.from_iterable(zip(*part.values(), strict=True))]
        connection.execute(_insert((*part,), _AT_ONCE), values)
    rest = [values[whole:] for values in filled.values()]
    connection.executemany(_insert((*filled,), 1), zip(*rest, strict=True))


def time_texts(times: Sequence[int]) -> list[str]:
    """ISO 8601 to the microsecond, as all times of the log are written."""
    minutes = _minutes
    return [
        f"{minutes(at_us // _MINUTE_US)}{(rest := str(at_us % _MINUTE_US + 100_000_000))[1:3]}"
        f".{rest[3:]}+00:00"
        for at_us in times
    ]


def invocation(row: Sequence[Any]) -> Invocation:
    """Build the event of :data:`SELECTED`."""
    return Invocation(
        id=unpack_id(row[0]),
        at=from_us(row[1]),
        source=row[2],
        session=row[3],
        skill=row[4],
        outcome=Outcome(row[5]),
        duration_s=row[6],
        phase=row[7],
        step=row[8],
        workflow=row[9],
        error_type=row[10],
        query=row[11],
        alternatives=TEXTS.read(row[12]),
        selection_rank=row[13],
        follow_up_actions=TEXTS.read(row[14]),
        rating=row[15],
        attributes=ATTRIBUTES.read(row[16]),
    )


def _telling(outcomes: Sequence[Outcome], errors: Sequence[str | None]) -> list[str | None]:
    """Outcomes that do not follow from the other columns: see :data:`OUTCOME`."""
    return [
        None if outcome is _SUCCESS or outcome is (_CANCELLATION if error is None else _FAILURE)
        else str(outcome)
        for outcome, error in zip(outcomes, errors, strict=True)
    ]  # fmt: skip


def _without_empty(filled: Columns, number: int) -> Columns:
    """Leave out what is NULL in all rows."""
    empty = [None] * number
    return {
        name: values for name, values in filled.items() if name in _ALWAYS or values != empty
    }  # fmt: skip


@lru_cache(_SHAPES)
def _insert(names: Sequence[str], many: int) -> str:
    marks = f"({', '.join('?' * len(names))})"
    return f"INSERT INTO skill_invocation ({', '.join(names)}) VALUES {', '.join([marks] * many)}"


@lru_cache(4_096)
def _minutes(minute: int) -> str:
    """Up to the colon before the seconds: events of one minute come together."""
    return from_us(minute * _MINUTE_US).isoformat()[:17]
