"""What tests cost: the time they take, and the time that is lost by their flaky failures.

Lost is the time of attempts that failed in a run in which the test passed in the end: without
the flakiness nobody would have waited for them.
"""

from __future__ import annotations

import msgspec

from sbhooks.store import EventQuery, EventReader, Rollup
from sbhooks_analytics.attempts import Case, by_run, slow
from sbhooks_analytics.flaky import mixed_tests

_BAD = frozenset({"failed", "error"})


class TestCost(msgspec.Struct, frozen=True, kw_only=True):
    """What one test costs; seconds.

    Attributes:
        total_s: Time of all its attempts.
        share: Of the time of all tests, 0 to 1.
        n: Attempts that were timed.
        reruns: Failed attempts in runs in which it passed in the end.
        lost_s: Their time.
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
        reruns: Attempts that were lost.
    """

    tests: list[TestCost]
    total_s: float
    lost_s: float
    reruns: int


def cost(store: EventReader, query: EventQuery, *, limit: int) -> TestCosts:
    """Add up what tests cost."""
    every = slow(store, query, limit=1_000_000)
    lost: dict[Case, tuple[int, float]] = {}
    for some in by_run(store, query, mixed_tests(store, query)):
        lost.update({key: _lost(rollups) for key, rollups in some.items()})
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


def _lost(rollups: list[Rollup]) -> tuple[int, float]:
    passed = {rollup.key[3] for rollup in rollups if rollup.key[4] == "passed"}
    wasted = [r for r in rollups if r.key[4] in _BAD and r.key[3] in passed]
    return sum(r.n for r in wasted), sum(r.duration_sum for r in wasted)
