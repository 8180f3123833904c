"""Which of the tests that take the time have become slower, and not faster again since."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec

from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.attempts import Case, SlowTestRow, SlowTests, slow
from sbhooks_analytics.changes import Found, changes
from sbhooks_analytics.tracks import MOST_TESTS

_OPEN = frozenset({"new", "confirmed"})


def with_changes(
    store: EventReader, query: EventQuery, found: SlowTests, *, now: datetime
) -> SlowTests:
    """The same tests, with the last change of those that became slower.

    Args:
        store: The events.
        query: As it was asked for ``found``.
        found: Some tests.
        now: When it is asked.
    """
    if not found.tests:
        return found
    newest = _newest(store, query, [row.test for row in found.tests], now)
    return msgspec.structs.replace(
        found, tests=[_marked(row, newest.get(_case(row))) for row in found.tests]
    )


def newly_slow(store: EventReader, query: EventQuery, *, now: datetime, limit: int) -> SlowTests:
    """Only tests that became slower; first what loses the most time in a run."""
    every = slow(store, query, limit=MOST_TESTS)
    marked = with_changes(store, query, every, now=now).tests
    slower = [row for row in marked if row.slower_since is not None]
    slower.sort(key=lambda row: row.slower_from_s - row.slower_to_s)
    return msgspec.structs.replace(every, tests=slower[:limit])


def _newest(
    store: EventReader, query: EventQuery, tests: Sequence[str], now: datetime
) -> dict[Case, Found]:
    """Test → its newest change."""
    chosen = msgspec.structs.replace(query, tests=tuple(dict.fromkeys(tests)), skills=())
    found: dict[Case, Found] = {}
    for one in changes(store, chosen, now=now).changes:  # the newest first
        found.setdefault(Case(one.project, one.subject, one.params), one)
    return found


def _case(row: SlowTestRow) -> Case:
    return Case(row.project, row.test, row.params)


def _marked(row: SlowTestRow, one: Found | None) -> SlowTestRow:
    if one is None or one.direction != "slower" or one.triage not in _OPEN:
        return row
    return msgspec.structs.replace(
        row, slower_since=one.at, slower_from_s=one.before, slower_to_s=one.after,
        slower_after_commit=one.commit_before, slower_with_commit=one.commit_after,
    )  # fmt: skip
