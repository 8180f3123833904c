"""Rows of what is no invocation and no start of a session."""

from __future__ import annotations

import sqlite3
from typing import Any

from sbhooks.events import Codec, Event, TestResult, kind_of
from sbhooks_storage import attempts, rows
from sbhooks_storage.identities import Packed
from sbhooks_storage.sessions import Session

_TABLES: dict[type[Event], rows.Table] = {table.kind: table for table in rows.TABLES}


class Others:
    """Gathers rows and writes them.

    Args:
        connection: In a write transaction.
        codec: Knows the kinds that plugins declare.
        tests: Numbers of tests that are known to hold, (test, params) → number; grows.
    """

    def __init__(
        self,
        connection: sqlite3.Connection,
        codec: Codec,
        tests: dict[tuple[str, str | None], int],
    ) -> None:
        self._connection = connection
        self._codec = codec
        self._tests = tests
        self._numbers = attempts.Numbers(connection, tests)
        self._attempts: list[tuple[Any, ...]] = []
        self._rows: dict[str, list[tuple[Any, ...]]] = {}
        self._contexts: dict[tuple[str | None, ...], tuple[int, int]] = {}

    def add(self, event: Event, event_id: Packed, seq: int, at_us: int, session: Session) -> None:
        """Take in one event.

        Raises:
            ValueError: It cannot be stored; also ``TypeError`` and the like.
        """
        if type(event) is TestResult:
            self._add_attempt(event, event_id, seq, at_us, session)
            return
        first = (seq, event_id, session.number, at_us, event.source)
        table = _TABLES.get(type(event))
        if table is not None:
            self._rows.setdefault(table.insert, []).append((*first, *table.row(event)))
        else:
            self._add_declared(event, first)

    def write(self) -> None:
        """Write the rows."""
        self._connection.executemany(attempts.INSERT, self._attempts)
        for insert, table_rows in self._rows.items():
            self._connection.executemany(insert, table_rows)

    def _add_declared(self, event: Event, first: tuple[Any, ...]) -> None:
        """Take in an event of a kind that a plugin has declared."""
        kind = kind_of(event)
        body = self._codec.encode(event).decode()
        if kind not in self._codec.kinds or self._codec.decode(body) != event:
            raise ValueError("no installed plugin declares this kind with these fields")
        row = (*first, kind, *rows.other_row(event), body)
        self._rows.setdefault(rows.INSERT_OTHER, []).append(row)

    def _add_attempt(
        self, event: TestResult, event_id: Packed, seq: int, at_us: int, session: Session
    ) -> None:
        """Take in one of the many: one look at each dictionary."""
        key = (event.session, event.source, event.worker, event.invocation)
        context = self._contexts.get(key)
        if context is None:
            number = self._numbers.of_context(session.number, event)
            context = self._contexts[key] = (session.number, number)
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
