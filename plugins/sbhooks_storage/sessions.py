"""Sessions: what a batch learns about them, and where their events lie."""

from __future__ import annotations

import sqlite3

from sbhooks.events import Event


class Session:
    """What a batch knows and learns about a session."""

    __slots__ = ("first_seq", "first_us", "is_new", "last_seq", "last_us", "number",
                 "origin_us", "project", "source")  # fmt: skip

    def __init__(
        self,
        number: int,
        origin_us: int,
        source: str,
        at_us: int,
        *,
        project: str | None = None,
        is_new: bool,
    ) -> None:
        self.number = number
        self.project = project
        self.is_new = is_new
        self.origin_us = origin_us
        self.source = source
        self.first_us = self.last_us = at_us
        self.first_seq = self.last_seq = 0

    def saw(self, at_us: int, seq: int) -> None:
        """Widen the time between first and last event, and the span of numbers."""
        self.first_seq = self.first_seq or seq
        self.last_seq = seq
        if at_us < self.first_us:
            self.first_us = at_us
        elif at_us > self.last_us:
            self.last_us = at_us


def find_session(connection: sqlite3.Connection, event: Event, at_us: int) -> Session:
    """Look up the session of an event; make it when this is its first."""
    row = connection.execute(
        "SELECT session_no, origin_us, source, project FROM session WHERE session_id = ?",
        (event.session,),
    ).fetchone()
    if row is not None:
        number, origin_us, source, project = row
        return Session(number, origin_us, source, at_us, project=project, is_new=False)
    made = connection.execute(
        "INSERT INTO session (session_id, source, origin_us, first_us, last_us) "
        "VALUES (?, ?, ?, ?, ?)",
        (event.session, event.source, at_us, at_us, at_us),
    )
    return Session(int(made.lastrowid or 0), at_us, event.source, at_us, is_new=True)


def learn_project(connection: sqlite3.Connection, session: Session) -> bool:
    """Look at the starts of a session; says whether what is stored of it changes its project."""
    update_context(connection, session.number)
    (project,) = connection.execute(
        "SELECT project FROM session WHERE session_no = ?", (session.number,)
    ).fetchone()
    moved = project != session.project and not session.is_new
    session.project = project
    return moved


def update_session(connection: sqlite3.Connection, session: Session) -> None:
    """Write down what a batch has learned of the time and place of a session's events."""
    connection.execute(
        "UPDATE session SET first_us = min(first_us, ?), last_us = max(last_us, ?) "
        "WHERE session_no = ?",
        (session.first_us, session.last_us, session.number),
    )
    _extend_span(connection, session)


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


def _extend_span(connection: sqlite3.Connection, session: Session) -> None:
    """Take down where the session's events lie; a span that ends just before them grows."""
    grown = connection.execute(
        "UPDATE session_span SET last_seq = ? WHERE session_no = ? AND last_seq = ?",
        (session.last_seq, session.number, session.first_seq - 1),
    )
    if not grown.rowcount:
        connection.execute(
            "INSERT INTO session_span (session_no, first_seq, last_seq) VALUES (?, ?, ?)",
            (session.number, session.first_seq, session.last_seq),
        )
