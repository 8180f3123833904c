"""Which tests have failed in each of their latest runs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from sbhooks.store import EventQuery, EventReader, Rollup
from sbhooks_analytics.attempts import Case, by_run, summaries
from sbhooks_analytics.cutoff import INTERRUPTED

ENOUGH = 2  #: Failing runs in a row; one may be an accident.
_BAD = frozenset({"failed", "error"})
_SILENT = frozenset({"skipped", INTERRUPTED})


class Broken(msgspec.Struct, frozen=True, kw_only=True):
    """A test that failed in each of its latest runs.

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


def broken(store: EventReader, query: EventQuery) -> list[Broken]:
    """The broken tests, the longest broken first."""
    failing = {s.key for s in summaries(store, query) if s.last_outcome in _BAD}
    tests = sorted({key.test for key in failing})
    found = [
        one
        for some in by_run(store, query, tests)
        for key, rollups in some.items()
        if key in failing and (one := streak(key, rollups)) is not None
    ]
    return sorted(found, key=lambda one: (one.since, one.test, one.params or ""))


def streak(key: Case, rollups: Iterable[Rollup]) -> Broken | None:
    """The failing runs of a test up to now; ``None`` when they are too few.

    Args:
        key: The test.
        rollups: Its attempts per session and detail, with these two at places 3 and 4 of the
            key. The last attempt of a run is the run's verdict, unless it was skipped or cut
            off, which says nothing.
    """
    verdicts: dict[str, Rollup] = {}
    for rollup in sorted(rollups, key=lambda rollup: rollup.last_at):
        if rollup.key[4] not in _SILENT:
            verdicts[str(rollup.key[3])] = rollup
    failing: list[Rollup] = []
    for rollup in sorted(verdicts.values(), key=lambda rollup: rollup.last_at, reverse=True):
        if rollup.key[4] not in _BAD:
            break
        failing.append(rollup)
    if len(failing) < ENOUGH:
        return None
    return Broken(
        test=key.test,
        params=key.params,
        project=key.project,
        runs=len(failing),
        since=failing[-1].last_at,
        sessions=[str(rollup.key[3]) for rollup in failing[:5]],
    )
