"""What tests cost: the time they take, how often they are run again, and the time lost by that.

A rerun is what ``sbhooks show`` counts as one: an attempt beyond the first in one run, on whatever
worker. They are counted of tests that ever failed: nobody runs others again. Lost is the time of
attempts that failed in a run in which the test passed in the end: without the flakiness nobody
would have waited for them. A test that failed in its reruns, too, has lost nothing: what it told
was true.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from sbhooks import cutoff
from sbhooks.store import Dimension, EventQuery, EventReader, Rollup
from sbhooks_analytics.attempts import Case, slow

_BAD = frozenset({"failed", "error"})
_BY: tuple[Dimension, ...] = ("project", "test", "params", "session", "subtest", "detail")


class TestCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one test costs; seconds.

    Attributes:
        total_s: Time of all its attempts.
        share: Of the time of all tests, 0 to 1.
        n: Attempts that were timed.
        reruns: Attempts beyond the first of a run, if it ever failed.
        lost_s: Time of failed attempts in runs in which it passed in the end.
    """

    test: str
    params: str | None
    project: str | None
    total_s: float
    share: float
    n: int
    reruns: int
    lost_s: float


class TestCosts(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks tests cost --json`` prints.

    Attributes:
        tests: What loses most time first, then what takes most.
        total_s: Time of all tests looked at.
        lost_s: Time lost in all of them.
        reruns: Attempts beyond the first of a run, of all of them.
    """

    tests: list[TestCost]
    total_s: float
    lost_s: float
    reruns: int


def cost(store: EventReader, query: EventQuery, *, limit: int) -> TestCosts:
    """Add up what tests cost."""
    every = slow(store, query, limit=1_000_000)
    lost = dict(_repeated(store, query))
    rows = [
        TestCost(
            test=row.test, params=row.params, project=row.project, total_s=row.total_s,
            share=row.share, n=row.n, reruns=reruns, lost_s=seconds,
        )
        for row in every.tests
        for reruns, seconds in [lost.get(Case(row.project, row.test, row.params), (0, 0.0))]
    ]  # fmt: skip
    rows.sort(key=lambda row: (-row.lost_s, -row.reruns, -row.total_s, row.test))
    return TestCosts(
        tests=rows[:limit], total_s=every.total_s, lost_s=sum(row.lost_s for row in rows),
        reruns=sum(row.reruns for row in rows),
    )  # fmt: skip


def _repeated(store: EventReader, query: EventQuery) -> Iterator[tuple[Case, tuple[int, float]]]:
    """Yield each test that ever failed with its reruns and the time that it lost."""
    for some in cutoff.chunks(_failing(store, query)):
        runs: dict[Case, dict[str | None, list[Rollup]]] = {}
        for row in cutoff.rollup(store, msgspec.structs.replace(query, tests=some), _BY):
            project, test, params, session, subtest, _ = row.key
            if subtest is None:
                mine = runs.setdefault(Case(project, str(test), params), {})
                mine.setdefault(session, []).append(row)
        for key, each in runs.items():
            yield key, _lost(each.values())


def _failing(store: EventReader, query: EventQuery) -> list[str]:
    """Ids of tests of which an attempt failed."""
    rows = cutoff.rollup(store, query, ["test", "detail"])
    return list(dict.fromkeys(str(row.key[0]) for row in rows if row.key[1] in _BAD))


def _lost(runs: Iterable[list[Rollup]]) -> tuple[int, float]:
    """Reruns of a test, and the time of its failures that they made good."""
    reruns, seconds = 0, 0.0
    for rows in runs:
        reruns += sum(row.n for row in rows) - 1
        if any(row.key[-1] == "passed" for row in rows):
            seconds += sum(row.duration_sum for row in rows if row.key[-1] in _BAD)
    return reruns, seconds
