"""The way into the database: a batch of events in one transaction."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from sbhooks.errors import StoreError
from sbhooks.events import Codec, Event, Invocation, SessionStart, TestResult, kind_of
from sbhooks.ids import pack_id
from sbhooks_storage import attempts, derived, rollups, rows
from sbhooks_storage.gathered import Gathered
from sbhooks_storage.sessions import Session, find_session, learn_project, update_session

_COUNTER = "skill_invocation"  # whose AUTOINCREMENT numbers all events
_MOST_KNOWN_TESTS = 200_000
_IDS_AT_ONCE = 500

Fresh = Mapping[bytes | str, Event]


def high_water(connection: sqlite3.Connection) -> int:
    """The number of the newest event, or of the latest renaming or erasure."""
    (seq,) = connection.execute(
        "SELECT seq FROM sqlite_sequence WHERE name = ?", (_COUNTER,)
    ).fetchone()
    return int(seq)


def set_high_water(connection: sqlite3.Connection, seq: int) -> None:
    """Go on counting behind ``seq``."""
    connection.execute("UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (seq, _COUNTER))


class Appender:
    """Writes batches; remembers the numbers of tests from one batch to the next.

    Args:
        codec: Knows the kinds that plugins declare.
    """

    def __init__(self, codec: Codec) -> None:
        self._codec = codec
        self._tests: dict[tuple[str, str | None], int] = {}
        self._erasures = -1

    def append(self, connection: sqlite3.Connection, events: Sequence[Event]) -> int:
        """Write what is new; see ``EventStore.append``.

        Args:
            connection: In a write transaction that is undone when this raises.
            events: The batch.
        """
        given = {pack_id(event.id): event for event in events}
        if len(given) < len(events):  # of two with the same id the first counts
            given = {}
            for event in events:
                given.setdefault(pack_id(event.id), event)
        fresh = _claim(connection, given)
        if fresh:
            self._write(connection, fresh)
        return len(fresh)

    def forget(self) -> None:
        """Trust no number any more: those of new tests are undone with their transaction."""
        self._tests = {}

    def _write(self, connection: sqlite3.Connection, fresh: Fresh) -> None:
        batch = _Batch(connection, self._codec, self._known_tests(connection))
        before = high_water(connection)
        rollups.catch_up(connection, before)  # what other programs have written
        numbered = list(enumerate(_by_session(fresh), before + 1))
        starts = [item for item in numbered if type(item[1][1]) is SessionStart]
        _each(batch.add_start, starts)
        batch.learn_projects()
        _each(batch.add, numbered)
        batch.flush()
        set_high_water(connection, before + len(numbered))
        batch.derive(before + 1, before + len(numbered))

    def _known_tests(self, connection: sqlite3.Connection) -> dict[tuple[str, str | None], int]:
        """Numbers that still hold: an erasure, by whatever process, makes all doubtful."""
        (erasures,) = connection.execute(
            "SELECT value FROM store_state WHERE name = 'erasures'"
        ).fetchone()
        if erasures != self._erasures or len(self._tests) > _MOST_KNOWN_TESTS:
            self._tests, self._erasures = {}, erasures
        return self._tests


class _Batch:
    """Rows by table, and the sessions they belong to."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        codec: Codec,
        tests: dict[tuple[str, str | None], int],
    ) -> None:
        self._connection = connection
        self._codec = codec
        self._numbers = attempts.Numbers(connection, tests)
        self._sessions: dict[str, Session] = {}
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        self._attempts: list[tuple[Any, ...]] = []
        self._tests = tests
        self._contexts: dict[tuple[str | None, ...], tuple[Session, tuple[int, int]]] = {}
        self._tables: dict[type[Event], rows.Table] = {t.kind: t for t in rows.TABLES}
        self._invocations = Gathered()
        self._started: dict[int, Session] = {}
        self._moved: list[int] = []

    def add_start(self, event: Event, event_id: bytes | str, seq: int) -> None:
        """Take in the start of a session: what follows from it holds for all of the batch."""
        at_us = rows.moment(event)
        session = self._session(event, at_us)
        self._started[session.number] = session
        row = (seq, event_id, session.number, at_us, event.source)
        self._connection.execute(rows.SESSION_START.insert, (*row, *rows.SESSION_START.row(event)))

    def learn_projects(self) -> None:
        """Give the sessions that have started the context of their first start."""
        for session in self._started.values():
            if learn_project(self._connection, session):
                self._moved.append(session.number)

    def add(self, event: Event, event_id: bytes | str, seq: int) -> None:
        """Take in one event."""
        if type(event) is TestResult:
            self._add_attempt(event, event_id, seq)
            return
        at_us = rows.moment(event)
        session = self._session(event, at_us)
        session.saw(at_us, seq)
        if type(event) is Invocation:
            self._invocations.add(event, event_id, seq, at_us, session)
        elif type(event) is not SessionStart:
            self._add_other(event, (seq, event_id, session.number, at_us, event.source))

    def flush(self) -> None:
        """Write all events and what is known of their sessions."""
        self._invocations.insert(self._connection)
        self._connection.executemany(attempts.INSERT, self._attempts)
        for insert, table_rows in self._rows.items():
            self._connection.executemany(insert, table_rows)
        for session in self._sessions.values():
            update_session(self._connection, session)

    def derive(self, first_seq: int, last_seq: int) -> None:
        """Bring in step what is derived from the log; the rows of the batch are in it."""
        if self._invocations.groups:
            members = {
                session.number: derived.Member(name, session.is_new)
                for name, session in self._sessions.items()
            }
            sums = rollups.sums(self._invocations.groups)
            derived.fold(self._connection, self._invocations, sums, members, first_seq)
            rollups.fold(self._connection, sums)
        rollups.set_rolled_up(self._connection, last_seq)
        for session_no in self._moved:
            rollups.refold(self._connection, rollups.hours_of(self._connection, session_no))

    def _add_other(self, event: Event, first: tuple[Any, ...]) -> None:
        table = self._tables.get(type(event))
        if table is not None:
            self._rows.setdefault(table.insert, []).append((*first, *table.row(event)))
            return
        kind = kind_of(event)
        body = self._codec.encode(event).decode()
        if kind not in self._codec.kinds or self._codec.decode(body) != event:
            raise ValueError("no installed plugin declares this kind with these fields")
        row = (*first, kind, *rows.other_row(event), body)
        self._rows.setdefault(rows.INSERT_OTHER, []).append(row)

    def _add_attempt(self, event: TestResult, event_id: bytes | str, seq: int) -> None:
        """Take in one of the many: one look at each dictionary."""
        at_us = rows.moment(event)
        key = (event.session, event.source, event.worker, event.invocation)
        known = self._contexts.get(key)
        if known is None:
            session = self._session(event, at_us)
            number = self._numbers.of_context(session.number, event)
            known = self._contexts[key] = (session, (session.number, number))
        session, context = known
        session.saw(at_us, seq)
        row = attempts.attempt_row(
            event,
            seq=seq,
            event_id=event_id,
            test_no=self._tests.get((event.test, event.params)) or self._numbers.of_test(event),
            delta_us=at_us - session.origin_us,
            context=context,
        )
        self._attempts.append(row)
        if attempts.has_note(event):
            note = attempts.note_row(event, seq, self._numbers)
            self._rows.setdefault(attempts.INSERT_NOTE, []).append(note)

    def _session(self, event: Event, at_us: int) -> Session:
        session = self._sessions.get(event.session)
        if session is None:
            session = self._sessions[event.session] = find_session(self._connection, event, at_us)
        return session


def _each(
    take: Callable[[Any, bytes | str, int], None],
    numbered: Iterable[tuple[int, tuple[bytes | str, Event]]],
) -> None:
    """Take in events one by one.

    Raises:
        StoreError: Names the one that cannot be stored.
    """
    for seq, (event_id, event) in numbered:
        try:
            take(event, event_id, seq)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise StoreError(
                f"cannot store event {event.id!r} ({kind_of(event)}): {error}. "
                "Nothing of its batch was stored; correct the event"
            ) from error


def _claim(connection: sqlite3.Connection, given: Fresh) -> Fresh:
    """Take down identities; returns the events whose identity was not there yet."""
    before = connection.total_changes
    connection.execute("SAVEPOINT claim")
    _take_down(connection, list(given))
    if connection.total_changes - before == len(given):
        connection.execute("RELEASE claim")
        return given
    connection.execute("ROLLBACK TO claim")
    connection.execute("RELEASE claim")
    known = "SELECT 1 FROM event_key WHERE event_id = ?"
    fresh = {
        event_id: event
        for event_id, event in given.items()
        if connection.execute(known, (event_id,)).fetchone() is None
    }
    _take_down(connection, list(fresh))
    return fresh


def _take_down(connection: sqlite3.Connection, ids: Sequence[bytes | str]) -> None:
    """Insert identities, many by each statement: what a statement costs is shared."""
    insert = "INSERT OR IGNORE INTO event_key (event_id) VALUES "
    whole = len(ids) - len(ids) % _IDS_AT_ONCE
    for start in range(0, whole, _IDS_AT_ONCE):
        marks = "(?)" + ", (?)" * (_IDS_AT_ONCE - 1)
        connection.execute(insert + marks, ids[start : start + _IDS_AT_ONCE])
    connection.executemany(f"{insert}(?)", [(event_id,) for event_id in ids[whole:]])


def _by_session(fresh: Fresh) -> list[tuple[bytes | str, Event]]:
    """The events, those of one session side by side: nothing else lies in its span."""
    sessions: dict[str, list[tuple[bytes | str, Event]]] = defaultdict(list)
    for item in fresh.items():
        sessions[item[1].session].append(item)
    return list(chain.from_iterable(sessions.values()))
