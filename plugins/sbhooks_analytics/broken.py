"""Which tests are broken: they fail, and not by chance.

The latest failing runs of a test count, back to the first that says nothing against the code: one
in which it passed, or one on code on which it also passed. Two of them are enough, except of a test
that has passed and failed on the same code. That fails in a row by chance, too: it is broken after
so many that chance explains less than one in twenty, ln 0.05 / ln of its failure rate.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from itertools import takewhile

import msgspec

from sbhooks.cutoff import INTERRUPTED
from sbhooks.store import EventQuery, EventReader, Rollup
from sbhooks_analytics.attempts import Case, by_run, summaries
from sbhooks_analytics.flaky import grouped, verdict
from sbhooks_analytics.runs import Run, runs_of

ENOUGH = 2  #: Failing runs in a row; one may be an accident.
_BY_CHANCE = 0.05
_BAD = frozenset({"failed", "error"})
_SILENT = frozenset({"skipped", INTERRUPTED})


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A test that failed in each of its latest runs, on code on which it never passed.

    Attributes:
        runs: How many in a row.
        since: When the first of them ended.
        sessions: The newest of them, newest first.
    """

    test: str
    params: str | None
    project: str | None
    runs: int
    since: datetime
    sessions: list[str]


class BrokenTests(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks tests broken --json`` prints; the longest broken test first."""

    tests: list[Broken]  #: At most as many as were asked for.


def broken(store: EventReader, query: EventQuery, *, now: datetime) -> list[Broken]:
    """The broken tests, the longest broken first.

    Args:
        store: The events.
        query: Projects, tests and times to look at.
        now: Decides which runs still count as running.
    """
    failing = {s.key for s in summaries(store, query) if s.last_outcome in _BAD}
    tests = sorted({key.test for key in failing})
    found: list[Broken] = []
    for some in by_run(store, query, tests):
        likely = {
            key: rollups
            for key, rollups in some.items()
            if key in failing and len(_latest_failing(rollups)) >= ENOUGH
        }
        sessions = {str(rollup.key[3]) for rollups in likely.values() for rollup in rollups}
        runs = runs_of(store, sessions, now=now)
        found += [one for key, rollups in likely.items() if (one := streak(key, rollups, runs))]
    return sorted(found, key=lambda one: (one.since, one.test, one.params or ""))


def streak(key: Case, rollups: Sequence[Rollup], runs: Mapping[str, Run]) -> Broken | None:
    """The failing runs of a test up to now; ``None`` when they are too few.

    Args:
        key: The test.
        rollups: Its attempts per session and detail, with these two at places 3 and 4 of the
            key. The last attempt of a run is the run's verdict, unless it was skipped or cut
            off, which says nothing.
        runs: Session → run, which says what code it saw.
    """
    groups = grouped(rollups, runs)
    good = frozenset[str]().union(*(group.sessions for group in groups if group.passed))
    failing: list[Rollup] = []
    for rollup in _latest_failing(rollups):
        if rollup.key[3] in good:
            break
        failing.append(rollup)
    flaky = verdict(key, groups)
    needed = ENOUGH if flaky is None else max(ENOUGH, _runs_by_chance(flaky.failure_rate))
    if len(failing) < needed:
        return None
    return Broken(
        test=key.test,
        params=key.params,
        project=key.project,
        runs=len(failing),
        since=failing[-1].last_at,
        sessions=[str(rollup.key[3]) for rollup in failing[:5]],
    )


def _runs_by_chance(rate: float) -> int:
    """Failing runs in a row that happen by chance in less than one of twenty cases."""
    return math.ceil(math.log(_BY_CHANCE) / math.log(rate))


def _latest_failing(rollups: Iterable[Rollup]) -> list[Rollup]:
    """What decided each of the latest runs that failed, the newest first."""
    verdicts: dict[str, Rollup] = {}
    for rollup in sorted(rollups, key=lambda rollup: rollup.last_at):
        if rollup.key[4] not in _SILENT:
            verdicts[str(rollup.key[3])] = rollup
    newest_first = sorted(verdicts.values(), key=lambda rollup: rollup.last_at, reverse=True)
    return list(takewhile(lambda rollup: rollup.key[4] in _BAD, newest_first))
