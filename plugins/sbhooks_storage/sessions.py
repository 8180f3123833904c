"""Sessions: what a batch learns about them, and where their events lie."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

_AT_ONCE = 500  # names that are looked up together

Context = tuple[Any, ...]  #: Project, user, host, branch and commit of a start.
NO_CONTEXT: Context = (None,) * 5


class Arrival(NamedTuple):
    """What a batch has of one session.

    Attributes:
        name: Its id.
        source: Of the event that opens it.
        origin_us: When that happened; where the clock of a new session's attempts starts.
        first_us: When the earliest of its events in the batch happened.
        last_us: When the latest did.
        first_seq: The number of its first event in the order of storing.
        last_seq: The number of its last one; all in between are its own.
        context: Of a new session that is not known yet otherwise.
    """

    name: str
    source: str
    origin_us: int
    first_us: int
    last_us: int
    first_seq: int
    last_seq: int
    context: Context = NO_CONTEXT


class Session:
    """What a batch knows of a session.

    Attributes:
        name: Its id.
        number: What tables call it.
        origin_us: Where the clock of its attempts starts, microseconds since 1970.
        source: Of its first stored event.
        project: What it belongs to.
        is_new: Whether nothing of it was stored before.
    """

    __slots__ = ("is_new", "name", "number", "origin_us", "project", "source")

    def __init__(
        self,
        name: str,
        number: int,
        origin_us: int,
        source: str,
        project: str | None,
        *,
        is_new: bool,
    ) -> None:
        self.name = name
        self.number = number
        self.origin_us = origin_us
        self.source = source
        self.project = project
        self.is_new = is_new


def take_in(connection: sqlite3.Connection, arrivals: Sequence[Arrival]) -> list[Session]:
    """Find the sessions of a batch, make new ones, and write down where their events lie.

    Args:
        connection: In a write transaction.
        arrivals: Each session once.
    """
    known = {session.name: session for session in _find(connection, [a.name for a in arrivals])}
    _make(connection, [a for a in arrivals if a.name not in known], known)
    for arrival in arrivals:
        session = known[arrival.name]
        if not session.is_new:
            _update(connection, session.number, arrival)
    return [known[arrival.name] for arrival in arrivals]


def learn_project(connection: sqlite3.Connection, session: Session) -> bool:
    """Look at the starts of a session; says whether what is stored of it changes its project."""
    update_context(connection, session.number)
    (project,) = connection.execute(
        "SELECT project FROM session WHERE session_no = ?", (session.number,)
    ).fetchone()
    moved = project != session.project and not session.is_new
    session.project = project
    return moved


def update_context(connection: sqlite3.Connection, session_no: int) -> None:
    """Copy the session's context from its earliest start."""
    connection.execute(
        """
        UPDATE session SET (project, user_id, host_id, branch, commit_sha) = (
            SELECT project, user_id, host_id, branch, commit_sha
            FROM session_start WHERE session_no = session.session_no
            ORDER BY at_us, event_id LIMIT 1
        ) WHERE session_no = ?
        """,
        (session_no,),
    )


def _find(connection: sqlite3.Connection, names: Sequence[str]) -> Iterator[Session]:
    """Those that are there already."""
    for start in range(0, len(names), _AT_ONCE):
        some = names[start : start + _AT_ONCE]
        for name, number, origin_us, source, project in connection.execute(
            "SELECT session_id, session_no, origin_us, source, project FROM session "
            f"WHERE session_id IN (?{', ?' * (len(some) - 1)})", some,
        ):  # fmt: skip
            yield Session(name, number, origin_us, source, project, is_new=False)


def _make(
    connection: sqlite3.Connection, arrivals: Sequence[Arrival], known: dict[str, Session]
) -> None:
    """Insert sessions of which nothing was stored before; adds them to those known."""
    (last,) = connection.execute("SELECT coalesce(max(session_no), 0) FROM session").fetchone()
    numbered = [*enumerate(arrivals, last + 1)]
    connection.executemany(
        "INSERT INTO session (session_no, session_id, source, origin_us, first_us, last_us, "
        "project, user_id, host_id, branch, commit_sha) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        [
            (number, a.name, a.source, a.origin_us, a.first_us, a.last_us, *a.context)
            for number, a in numbered
        ],
    )
    connection.executemany(
        "INSERT INTO session_span (session_no, first_seq, last_seq) VALUES (?, ?, ?)",
        [(number, a.first_seq, a.last_seq) for number, a in numbered],
    )
    for number, a in numbered:
        known[a.name] = Session(a.name, number, a.origin_us, a.source, a.context[0], is_new=True)


def _update(connection: sqlite3.Connection, number: int, arrival: Arrival) -> None:
    """Write down time and place of further events; a span that ends just before them grows."""
    connection.execute(
        "UPDATE session SET first_us = min(first_us, ?), last_us = max(last_us, ?) "
        "WHERE session_no = ?", (arrival.first_us, arrival.last_us, number),
    )  # fmt: skip
    grown = connection.execute(
        "UPDATE session_span SET last_seq = ? WHERE session_no = ? AND last_seq = ?",
        (arrival.last_seq, number, arrival.first_seq - 1),
    )
    if not grown.rowcount:
        connection.execute(
            "INSERT INTO session_span (session_no, first_seq, last_seq) VALUES (?, ?, ?)",
            (number, arrival.first_seq, arrival.last_seq),
        )
