"""Tests and their attempts: how many, how they ended, how long they took."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec

from sbhooks.store import Dimension, EventQuery, EventReader, Rollup, merge
from sbhooks_analytics import cutoff
from sbhooks_analytics.cutoff import INTERRUPTED

_BY: tuple[Dimension, ...] = ("project", "test", "params", "subtest", "detail")
_BY_RUN: tuple[Dimension, ...] = ("project", "test", "params", "session", "detail", "subtest")
_FIELD = {
    "passed": "passed", "failed": "failed", "error": "errors", "skipped": "skipped",
    "xfailed": "xfailed", "xpassed": "xpassed", INTERRUPTED: "interrupted",
}  # fmt: skip


class Case(NamedTuple):
    """A test with one set of parameters.

    Ids of different projects have nothing to do with each other.
    """

    project: str | None
    test: str
    params: str | None

    @property
    def name(self) -> str:
        """The id with its parameters, as pytest writes it."""
        return name_of(self.test, self.params)


class TestSummary(msgspec.Struct, frozen=True, kw_only=True):
    """All recorded attempts at one test with one set of parameters.

    Attributes:
        runs: Number of attempts; records of subtests are not counted.
        passed: Attempts that passed.
        failed: Attempts of which the test body failed.
        errors: Attempts of which setup, teardown, collection or the process failed.
        skipped: Attempts that were skipped.
        xfailed: Attempts that failed as expected.
        xpassed: Attempts that passed although a failure was expected.
        interrupted: Attempts that were cut off, by Ctrl-C or by a kill: no fault of the test.
        last_outcome: Of the newest attempt that was not cut off, in pytest's words: passed,
            failed, error, skipped, xfailed, xpassed; ``"interrupted"`` when all were.
        p50_s: Half of the attempts that ran (were not skipped) took no longer; at most 1 %
            off. ``None`` when none ran, as is the next.
        p95_s: 95 of 100 attempts that ran took no longer; at most 1 % off.
        last_at: When the newest attempt ended, UTC.
        total_s: Time of all attempts that ran.
    """

    test: str
    params: str | None
    runs: int
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    xfailed: int = 0
    xpassed: int = 0
    interrupted: int = 0
    last_outcome: str
    p50_s: float | None
    p95_s: float | None
    project: str | None
    last_at: datetime
    total_s: float = 0.0

    @property
    def key(self) -> Case:
        """Which test."""
        return Case(self.project, self.test, self.params)


class TestList(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks tests list --json`` prints, ordered by project, test and parameters."""

    tests: list[TestSummary]  #: One per project, test and parameters.


class SlowTestRow(msgspec.Struct, frozen=True, kw_only=True):
    """Where time goes; seconds.

    Attributes:
        n: Attempts that were timed: neither skipped nor cut off.
        total_s: Time of all of them.
        share: Of the time of all tests looked at, 0 to 1.
        mean_s: Mean time of an attempt.
        slower_since: The first run of a higher level of its passed attempts that still lasts;
            ``None`` when it did not become slower, as are the commits.
        slower_from_s: The level before; 0 when it did not become slower.
        slower_to_s: The level since.
        slower_after_commit: Commit of the last run before.
        slower_with_commit: Commit of the first run since.
    """

    test: str
    params: str | None
    project: str | None
    n: int
    total_s: float
    share: float
    mean_s: float
    p50_s: float
    p95_s: float
    slower_since: datetime | None = None
    slower_from_s: float = 0.0
    slower_to_s: float = 0.0
    slower_after_commit: str | None = None
    slower_with_commit: str | None = None


class SlowTests(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks tests slow --json`` prints; the most expensive test first."""

    tests: list[SlowTestRow]  #: At most as many as were asked for.
    total_s: float  #: Time of all tests looked at.


def summaries(store: EventReader, query: EventQuery) -> list[TestSummary]:
    """Every test that was attempted, ordered by project, test and parameters."""
    groups: dict[Case, list[Rollup]] = {}
    for rollup in cutoff.rollup(store, query, _BY):
        project, test, params, subtest, _ = rollup.key
        if subtest is None and test is not None:
            groups.setdefault(Case(project, test, params), []).append(rollup)
    return [_summary(key, rollups) for key, rollups in groups.items()]


def by_run(
    store: EventReader, query: EventQuery, tests: Iterable[str]
) -> Iterator[dict[Case, list[Rollup]]]:
    """Look at the attempts at tests run by run, some hundred tests at a time.

    Returns:
        Test → its attempts per project, test, parameters, session and detail: the first five
        parts of the keys. Records of subtests are left out.
    """
    for some in cutoff.chunks(tests):
        groups: dict[Case, list[Rollup]] = {}
        chosen = msgspec.structs.replace(query, tests=some)
        for rollup in cutoff.rollup(store, chosen, _BY_RUN):
            project, test, params, *_, subtest = rollup.key
            if subtest is None:
                groups.setdefault(Case(project, str(test), params), []).append(rollup)
        yield groups


def slow(store: EventReader, query: EventQuery, *, limit: int) -> SlowTests:
    """The tests that take the largest share of the time."""
    chosen = msgspec.structs.replace(query, kinds=("test-result",))
    ran = [
        rollup
        for rollup in store.rollup(chosen, by=_BY)
        if rollup.key[3] is None and rollup.key[4] != "skipped" and rollup.duration_n
    ]
    tests = merge(ran, keep=(0, 1, 2))
    total = sum(rollup.duration_sum for rollup in tests)
    tests.sort(key=lambda rollup: (-rollup.duration_sum, str(rollup.key)))
    return SlowTests(tests=[_slow(rollup, total) for rollup in tests[:limit]], total_s=total)


def _summary(key: Case, rollups: list[Rollup]) -> TestSummary:
    ended = [rollup for rollup in rollups if rollup.key[4] != INTERRUPTED]
    last = max(ended or rollups, key=lambda rollup: rollup.last_at)
    ran = merge((r for r in rollups if r.key[4] != "skipped"), keep=())
    times = ran[0] if ran else None
    return TestSummary(
        test=key.test,
        params=key.params,
        project=key.project,
        runs=sum(rollup.n for rollup in rollups),
        last_outcome=str(last.key[4]),
        last_at=last.last_at,
        p50_s=times.quantile(0.5) if times else None,
        p95_s=times.quantile(0.95) if times else None,
        total_s=times.duration_sum if times else 0.0,
        **{_FIELD[str(r.key[4])]: r.n for r in rollups if r.key[4] in _FIELD},
    )


def _slow(rollup: Rollup, total: float) -> SlowTestRow:
    return SlowTestRow(
        project=rollup.key[0],
        test=str(rollup.key[1]),
        params=rollup.key[2],
        n=rollup.duration_n,
        total_s=rollup.duration_sum,
        share=rollup.duration_sum / total if total else 0.0,
        mean_s=rollup.duration_mean or 0.0,
        p50_s=rollup.quantile(0.5) or 0.0,
        p95_s=rollup.quantile(0.95) or 0.0,
    )


def name_of(test: str, params: str | None) -> str:
    """The id of a test as pytest writes it."""
    return test if params is None else f"{test}[{params}]"
