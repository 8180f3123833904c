"""Findings as insights, for outputs that know nothing of tests and skills."""

from __future__ import annotations

from collections.abc import Iterator

from sbhooks.insights import (
    Anomaly,
    BrokenTest,
    ChangePoint,
    Drift,
    FlakyTest,
    Insight,
    InsightQuery,
    SlowTest,
    Trend,
)
from sbhooks.store import EventQuery, EventReader
from sbhooks.wording import count, duration, percent
from sbhooks_analytics.attempts import SlowTestRow, name_of, slow
from sbhooks_analytics.broken import Broken, broken
from sbhooks_analytics.flaky import METHOD, FlakyTestRow, flaky
from sbhooks_analytics.numbers import have_numbers

_LEAST_RUNS = 3
_OF_SKILLS: tuple[type[Insight], ...] = (Trend, Anomaly, ChangePoint, Drift)


def findings(query: InsightQuery, store: EventReader) -> Iterator[Insight]:
    """Answer a query: about tests, and about skills where the numeric libraries are there."""
    if not query.skills:
        yield from _of_tests(query, store)
    if have_numbers() and any(query.wants(kind) for kind in _OF_SKILLS):
        from sbhooks_analytics.skill_findings import skill_findings

        yield from skill_findings(query, store)


def _of_tests(query: InsightQuery, store: EventReader) -> Iterator[Insight]:
    events = EventQuery(
        projects=query.projects, tests=query.tests, since=query.since, until=query.until
    )
    if query.wants(SlowTest):
        for row in slow(store, events, limit=query.limit).tests:
            if row.is_slow and row.n >= _LEAST_RUNS:
                yield _slow(row)
    if query.wants(FlakyTest):
        for shaky in flaky(store, events, now=query.now, limit=query.limit).tests:
            yield _flaky(shaky)
    if query.wants(BrokenTest):
        for one in broken(store, events, now=query.now)[: query.limit]:
            yield _broken(one)


def _slow(row: SlowTestRow) -> SlowTest:
    name = name_of(row.test, row.params)
    return SlowTest(
        subject=row.test,
        params=row.params,
        project=row.project,
        summary=f"{name} takes {percent(row.share)} of the time of all tests: usually "
        f"{duration(row.p50_s)}, one in twenty longer than {duration(row.p95_s)}.",
        score=row.share,
        n=row.n,
        method="share of the time of all attempts",
        p50_s=row.p50_s,
        p95_s=row.p95_s,
        share=row.share,
    )


def _flaky(row: FlakyTestRow) -> FlakyTest:
    name = name_of(row.test, row.params)
    rate = (
        f"it fails in {percent(row.failure_rate)} of its attempts "
        f"(95 % interval {percent(row.failure_rate_low)} to {percent(row.failure_rate_high)})"
        if row.enough_data
        else "there are too few attempts to say how often it fails"
    )
    return FlakyTest(
        subject=row.test,
        params=row.params,
        project=row.project,
        summary=f"{name} passed and failed on the same code; {rate}.",
        score=0.5 + row.failure_rate_low / 2,
        n=row.attempts,
        method=METHOD,
        evidence=tuple(row.sessions),
        failure_rate=row.failure_rate,
        failure_rate_low=row.failure_rate_low,
        failure_rate_high=row.failure_rate_high,
        flips=row.flips,
    )


def _broken(one: Broken) -> BrokenTest:
    name = name_of(one.test, one.params)
    return BrokenTest(
        subject=one.test,
        params=one.params,
        project=one.project,
        summary=f"{name} has failed in its last {count(one.runs, 'run')}.",
        score=1.0 - 0.5**one.runs,
        n=one.runs,
        method="consecutive failing runs",
        evidence=tuple(one.sessions),
        runs=one.runs,
        since=one.since,
    )
