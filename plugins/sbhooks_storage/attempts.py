"""Test results as rows of a few dozen bytes: names, workers and failures are numbers.

What is the same for thousands of attempts is kept once: the test with its parameters, the
context (source, worker, invocation) and the failure.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from sbhooks.events import Detail, Failure, Outcome, TestResult, from_us
from sbhooks.ids import unpack_id
from sbhooks_storage.rows import ATTRIBUTES, micros, seconds

OUTCOMES = (
    Outcome.SUCCESS, Outcome.FAILURE, Outcome.ERROR,
    Outcome.TIMEOUT, Outcome.CANCELLATION, Outcome.SKIP,
)  # fmt: skip
DETAILS = (
    Detail.PASSED, Detail.FAILED, Detail.ERROR, Detail.SKIPPED, Detail.XFAILED, Detail.XPASSED,
)  # fmt: skip
_OUTCOME_CODES = {outcome: code for code, outcome in enumerate(OUTCOMES)}
_DETAIL_CODES = {detail: code for code, detail in enumerate(DETAILS)}

INSERT = """
    INSERT INTO test_attempt (
        seq, session_no, test_no, event_id, at_delta_us, outcome, detail,
        setup_us, call_us, teardown_us, context_no
    ) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
INSERT_NOTE = """
    INSERT INTO test_attempt_note (seq, attempt, failure_no, subtest, attributes)
    VALUES (?, ?, ?, ?, ?)
"""
COLUMNS = """
    e.event_id, s.origin_us + e.at_delta_us, c.source, s.session_id, t.test, t.params,
    e.outcome, e.detail, e.setup_us, e.call_us, e.teardown_us, c.worker, c.invocation,
    n.attempt, n.subtest, n.attributes, f.fingerprint, f.type, f.message
"""


class Numbers:
    """The numbers of tests, contexts and failures in one write transaction.

    Args:
        connection: In a write transaction.
        tests: Numbers that are known to hold, (test, params) → number; grows.
    """

    def __init__(
        self, connection: sqlite3.Connection, tests: dict[tuple[str, str | None], int]
    ) -> None:
        self._connection = connection
        self._tests = tests
        self._contexts: dict[int, dict[tuple[str, str | None, str | None], int]] = {}
        self._failures: dict[tuple[str, str | None, str | None], int] = {}

    def of_test(self, event: TestResult) -> int:
        """The number of a test and its parameters; a new one for a new test."""
        key = (event.test, event.params)
        number = self._tests.get(key)
        if number is None:
            number = self._tests[key] = self._find_or_insert(
                "test_case", "test_no", ("test", "params"), key
            )
        return number

    def of_failure(self, failure: Failure) -> int:
        """The number of a failure; equal ones share it."""
        key = (failure.fingerprint, failure.type, failure.message)
        number = self._failures.get(key)
        if number is None:
            number = self._failures[key] = self._find_or_insert(
                "test_failure", "failure_no", ("fingerprint", "type", "message"), key
            )
        return number

    def of_context(self, session_no: int, event: TestResult) -> int:
        """The number of a context, counted from 0 within its session."""
        known = self._contexts.get(session_no)
        if known is None:
            rows = self._connection.execute(
                "SELECT source, worker, invocation, context_no FROM test_context "
                "WHERE session_no = ?", (session_no,),
            )  # fmt: skip
            known = self._contexts[session_no] = {(*key,): number for *key, number in rows}
        key = (event.source, event.worker, event.invocation)
        number = known.get(key)
        if number is None:
            number = known[key] = len(known)
            self._connection.execute(
                "INSERT INTO test_context (session_no, context_no, source, worker, invocation) "
                "VALUES (?, ?, ?, ?, ?)", (session_no, number, *key),
            )  # fmt: skip
        return number

    def _find_or_insert(
        self, table: str, number: str, columns: Sequence[str], key: tuple[str | None, ...]
    ) -> int:
        # "= ?" and "IS NULL" instead of "IS ?": only these use the partial indexes.
        where = " AND ".join(
            f"{column} IS NULL" if value is None else f"{column} = ?"
            for column, value in zip(columns, key, strict=True)
        )
        found = self._connection.execute(
            f"SELECT {number} FROM {table} WHERE {where}",
            [value for value in key if value is not None],
        ).fetchone()
        if found is not None:
            return int(found[0])
        marks = ", ".join("?" * len(columns))
        made = self._connection.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({marks})",
            key,
        )
        return int(made.lastrowid or 0)


def attempt_row(
    event: TestResult,
    *,
    seq: int,
    event_id: bytes | str,
    test_no: int,
    delta_us: int,
    context: tuple[int, int],
) -> tuple[Any, ...]:
    """A row for :data:`INSERT`.

    Args:
        event: The attempt.
        seq: Its number in the order of storing.
        event_id: Its packed id.
        test_no: The number of its test.
        delta_us: Its time since the origin of its session.
        context: The numbers of its session and of its context therein.

    Raises:
        ValueError: A duration is out of range.
    """
    return (
        seq,
        context[0],
        test_no,
        event_id,
        delta_us,
        _OUTCOME_CODES[event.outcome],
        _DETAIL_CODES[event.detail],
        micros(event.setup_s),
        micros(event.call_s),
        micros(event.teardown_s),
        context[1],
    )


def has_note(event: TestResult) -> bool:
    """Whether an attempt has anything that ``attempt_row`` leaves out."""
    return bool(
        event.failure is not None
        or event.attempt != 1
        or event.attributes
        or event.subtest is not None
    )


def note_row(event: TestResult, seq: int, numbers: Numbers) -> tuple[Any, ...]:
    """A row for :data:`INSERT_NOTE`."""
    failure = event.failure
    return (
        seq,
        event.attempt,
        None if failure is None else numbers.of_failure(failure),
        event.subtest,
        ATTRIBUTES.write(event.attributes),
    )


def attempt(row: Sequence[Any]) -> TestResult:
    """Build the event of :data:`COLUMNS`."""
    failure = (
        None if row[16] is None else Failure(fingerprint=row[16], type=row[17], message=row[18])
    )
    return TestResult(
        id=unpack_id(row[0]),
        at=from_us(row[1]),
        source=row[2],
        session=row[3],
        test=row[4],
        params=row[5],
        outcome=OUTCOMES[row[6]],
        detail=DETAILS[row[7]],
        setup_s=seconds(row[8]),
        call_s=seconds(row[9]),
        teardown_s=seconds(row[10]),
        worker=row[11],
        invocation=row[12],
        attempt=1 if row[13] is None else row[13],
        subtest=row[14],
        attributes=ATTRIBUTES.read(row[15]),
        failure=failure,
    )
