"""Which tests pass and fail on the same code.

The method, in full:

1. Attempts are put into groups of the same code. Runs share a group when their project, commit
   and code state agree; the code state is a hash that the recorder takes of the files. A run
   whose code state is unknown is a group of its own, never compared with another.
2. A test is flaky when some group holds both a pass and a failure of it, with the same
   parameters. That is proof, whatever the number of attempts.
3. Its failure rate is the share of failures in all groups that hold a pass. Failures on code
   on which it never passed may be real, and are not counted. The interval is Wilson's.

Failures and errors count as failures; skips and expected failures count as neither. Nor do
attempts that were cut off, by Ctrl-C or by a kill: the test that was running is not to blame.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from sbhooks import cutoff
from sbhooks.store import EventQuery, EventReader, Rollup
from sbhooks_analytics.attempts import Case, by_run
from sbhooks_analytics.intervals import wilson
from sbhooks_analytics.runs import Run, runs_of

ENOUGH = 5  #: Attempts on comparable code from which a rate is worth reading.
METHOD = "passed and failed on the same code; rate with Wilson's 95 % interval"

Code = tuple[str, ...]
_KNOWN = "code"


class Attempts(NamedTuple):
    """What happened to one test on one state of the code.

    Attributes:
        known: Whether the state is known; if not, this is one run.
    """

    known: bool
    passed: int
    failed: int
    last_failed_at: datetime | None
    sessions: frozenset[str]


class FlakyTestRow(msgspec.Struct, frozen=True, kw_only=True):
    """A test that passed and failed on the same code.

    Attributes:
        flips: States of the code on which it did both.
        failed: Failures on code on which it also passed.
        attempts: Attempts on that code.
        failure_rate: ``failed / attempts``.
        failure_rate_low: Lower end of its 95 % interval (Wilson).
        failure_rate_high: Upper end.
        enough_data: Whether there are enough attempts for the rate to mean something.
        last_failed_at: When the newest of the failures ended, UTC.
        sessions: Runs to look at, the newest last.
    """

    test: str
    params: str | None
    project: str | None
    flips: int
    failed: int
    attempts: int
    failure_rate: float
    failure_rate_low: float
    failure_rate_high: float
    enough_data: bool
    last_failed_at: datetime | None
    sessions: list[str]


class FlakyTests(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks tests flaky --json`` prints; the most failing test first.

    Attributes:
        tests: At most as many as were asked for.
        undecided: Tests that passed and failed, but nobody knows whether on the same code.
        method: How the verdict is reached.
    """

    tests: list[FlakyTestRow]
    undecided: int
    method: str = METHOD


def flaky(store: EventReader, query: EventQuery, *, now: datetime, limit: int) -> FlakyTests:
    """The flaky tests of the time looked at, the most failing first.

    Args:
        store: The events.
        query: Projects, tests and times to look at.
        now: Decides which runs still count as running.
        limit: At most that many.
    """
    found: list[FlakyTestRow] = []
    undecided = 0
    for key, groups in by_code(store, query, mixed_tests(store, query), now=now):
        row = verdict(key, groups)
        if row is not None:
            found.append(row)
        else:
            undecided += is_undecided(groups)
    found.sort(key=lambda row: (-row.failure_rate_low, -row.flips, row.test, row.params or ""))
    return FlakyTests(tests=found[:limit], undecided=undecided)


def verdict(key: Case, groups: Iterable[Attempts]) -> FlakyTestRow | None:
    """What the attempts at a test say; ``None`` when it is not known to be flaky.

    Args:
        key: The test.
        groups: Its attempts, one group per state of the code.
    """
    comparable = _comparable([group for group in groups if group.passed])
    flipped = [group for group in comparable if group.failed]
    failed = sum(group.failed for group in comparable)
    attempts = failed + sum(group.passed for group in comparable)
    share = wilson(failed, attempts)
    if not flipped or share is None:
        return None
    return FlakyTestRow(
        test=key.test,
        params=key.params,
        project=key.project,
        flips=len(flipped),
        failed=failed,
        attempts=attempts,
        failure_rate=share.rate,
        failure_rate_low=share.low,
        failure_rate_high=share.high,
        enough_data=attempts >= ENOUGH,
        last_failed_at=max(g.last_failed_at for g in flipped if g.last_failed_at),
        sessions=sorted(frozenset[str]().union(*(g.sessions for g in flipped)))[-5:],
    )


def _comparable(passing: Sequence[Attempts]) -> Sequence[Attempts]:
    """Groups from which a rate can be told.

    A run whose code is unknown, such as one that was killed, would count when it passed but not
    when it failed, so it counts only where nothing better is known, or where it did both.
    """
    if not any(group.known for group in passing):
        return passing
    return [group for group in passing if group.known or group.failed]


def is_undecided(groups: Iterable[Attempts]) -> bool:
    """Whether a test passed and failed, and known code does not explain it."""
    groups = list(groups)
    return _both(groups) and not _both([group for group in groups if group.known])


def mixed_tests(store: EventReader, query: EventQuery) -> list[str]:
    """Ids of the tests that both passed and did not; all others cannot be flaky."""
    seen: dict[str, set[bool]] = {}
    for rollup in cutoff.rollup(store, query, ["test", "subtest", "detail"]):
        test, subtest, detail = rollup.key
        good = _is_pass(detail)
        if test is not None and subtest is None and good is not None:
            seen.setdefault(test, set()).add(good)
    return [test for test, both in seen.items() if len(both) == 2]


def by_code(
    store: EventReader, query: EventQuery, tests: Iterable[str], *, now: datetime
) -> Iterator[tuple[Case, list[Attempts]]]:
    """Yield each of the tests with its attempts, one group per state of the code."""
    for some in by_run(store, query, tests):
        sessions = {str(rollup.key[3]) for rollups in some.values() for rollup in rollups}
        runs = runs_of(store, sessions, now=now)
        for key, rollups in some.items():
            groups = grouped(rollups, runs)
            if groups:
                yield key, groups


def grouped(rollups: Iterable[Rollup], runs: Mapping[str, Run]) -> list[Attempts]:
    """Attempts at one test, one group per state of the code.

    Args:
        rollups: Per session and detail, with these two at places 3 and 4 of the key.
        runs: Session → run, which says what code it saw.
    """
    groups: dict[Code, Attempts] = {}
    for rollup in rollups:
        good = _is_pass(rollup.key[4])
        if good is None:
            continue
        session = str(rollup.key[3])
        code = _code(session, runs.get(session))
        empty = Attempts(code[0] == _KNOWN, 0, 0, None, frozenset())
        groups[code] = _more(groups.get(code, empty), rollup, good=good)
    return list(groups.values())


def _both(groups: Iterable[Attempts]) -> bool:
    """Whether there are passes and failures."""
    groups = list(groups)
    return any(group.passed for group in groups) and any(group.failed for group in groups)


def _more(old: Attempts, rollup: Rollup, *, good: bool) -> Attempts:
    """A group with the attempts of one more rollup."""
    sessions = old.sessions | {str(rollup.key[3])}
    if good:
        return old._replace(passed=old.passed + rollup.n, sessions=sessions)
    last = rollup.last_at if old.last_failed_at is None else max(old.last_failed_at, rollup.last_at)
    return old._replace(failed=old.failed + rollup.n, last_failed_at=last, sessions=sessions)


def _code(session: str, run: Run | None) -> Code:
    """What the code of a run is called; a run's own name when the code is unknown."""
    if run is None or run.code_state is None:
        return ("run", session)
    return (_KNOWN, run.commit or "", run.code_state)


def _is_pass(detail: str | None) -> bool | None:
    """Whether an attempt passed; ``None`` when it says nothing."""
    return {"passed": True, "failed": False, "error": False}.get(detail or "")
