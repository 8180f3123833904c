"""The state of each test: healthy, flaky, broken, slow, new or unknown.

In this order; the first that fits is the state:

1. **broken**: it failed in each of its last two runs or more, on code on which it never passed.
   A flaky test is broken after more of them (:mod:`sbhooks_analytics.broken`).
2. **flaky**: it passed and failed on the same code, and has not passed often enough since to be
   called fixed.
3. **unknown**: fewer than five attempts passed or failed. Three runs say nothing.
4. **new**: first seen in the last 7 days.
5. **slow**: it takes 5 % of the time of all tests or more, five times its fair share, and a tenth
   of a second.
6. **healthy**: everything else.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal, NamedTuple

import msgspec

from sbhooks.store import EventQuery, EventReader, Rollup
from sbhooks_analytics.attempts import SLOW_SHARE, Case, by_run, slow, summaries
from sbhooks_analytics.branches import branches_of, default_branches
from sbhooks_analytics.broken import broken
from sbhooks_analytics.flaky import ENOUGH, by_code, mixed_tests, verdict
from sbhooks_analytics.intervals import wilson
from sbhooks_analytics.numbers import have_numbers
from sbhooks_analytics.posterior import FLIP_WEIGHT, Posterior, flips, passes_needed, posterior

State = Literal["broken", "flaky", "unknown", "new", "slow", "healthy"]
STATES: tuple[State, ...] = ("broken", "flaky", "slow", "new", "unknown", "healthy")
_ENOUGH = 5
_NEW = timedelta(days=7)
_TIMES_FAIR = 5  # of the share that a test has when all take equally long
_BAD = frozenset({"failed", "error"})


class Ended(NamedTuple):
    """How a test ended in one run; clean when it did not fail on the way."""

    at: datetime
    passed: bool
    clean: bool
    session: str


class TestHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The state of one test.

    Attributes:
        state: ``broken``, ``flaky``, ``slow``, ``new``, ``unknown`` or ``healthy``.
        runs: Attempts that passed or failed.
        failure_rate: Of a test that passed and failed on the same code: the share of failures
            there, as ``sbhooks tests flaky`` has it; ``None`` of all others, as are its bounds.
        failure_rate_low: Lower end of its 95 % interval (Wilson).
        failure_rate_high: Upper end.
        enough_data: Whether there are enough attempts for the rate to mean something.
        flaky_probability: Of a failure of the next attempt although the code is good. Not a share
            of what was seen: a mean over all rates that are credible, of which a test without any
            failure has some, too. ``None`` without the extra ``analytics``, as are its bounds.
        flaky_low: Lower end of its 95 % interval (posterior).
        flaky_high: Upper end.
        passes_since: Passed runs since it last failed on code on which it also passed.
        passes_needed: Passed runs after which it counts as fixed; 0 if it never was flaky.
        flips: Single failing runs of the default branch between passing ones, on code that is
            not known to be the same; each counts half. 0 of a test that is proved to be flaky.
        first_at: When it was first seen in the time looked at.
    """

    test: str
    params: str | None
    project: str | None
    state: State
    runs: int
    failure_rate: float | None = None
    failure_rate_low: float | None = None
    failure_rate_high: float | None = None
    enough_data: bool = False
    flaky_probability: float | None = None
    flaky_low: float | None = None
    flaky_high: float | None = None
    passes_since: int = 0
    passes_needed: int = 0
    flips: int = 0
    first_at: datetime


class TestStates(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks tests health --json`` prints.

    Attributes:
        tests: The broken first, then the flaky, and so on; at most as many as were asked for.
        counts: State → number of tests.
    """

    tests: list[TestHealth]
    counts: dict[str, int]


class Flakiness(msgspec.Struct, frozen=True, kw_only=True):
    """What is known about failures of one test that were not the code's fault.

    Attributes:
        failed: Failures on code on which it also passed.
        attempts: Attempts on that code.
        proven: Whether it passed and failed on the same code.
        passes_since: Passed runs since the last such failure.
        needed: Passed runs after which it counts as fixed.
        flips: Single failing runs of the default branch between passing ones.
    """

    failed: int = 0
    attempts: int = 0
    proven: bool = False
    passes_since: int = 0
    needed: int = 0
    flips: int = 0

    @property
    def fixed(self) -> bool:
        """Whether it was flaky and has passed often enough since."""
        return self.proven and self.passes_since >= self.needed

    def posterior(self) -> Posterior:
        """Probability of a failure although the code is good; needs the extra ``analytics``."""
        extra = FLIP_WEIGHT * self.flips
        return posterior(self.failed + extra, self.attempts + extra)


def health(store: EventReader, query: EventQuery, *, now: datetime) -> list[TestHealth]:
    """The state of every test, worst first.

    Args:
        store: The events.
        query: Projects, tests and times to look at.
        now: What "new" refers to.
    """
    known = summaries(store, query)
    red = {Case(one.project, one.test, one.params) for one in broken(store, query, now=now)}
    shaky = flakiness(store, query, now=now)
    heavy = {
        Case(row.project, row.test, row.params)
        for row in slow(store, query, limit=int(1 / SLOW_SHARE)).tests
        if row.is_slow and row.share >= _TIMES_FAIR / max(len(known), 1)
    }
    born = _born(store, query)
    can_reckon = have_numbers()  # looks for packages on the disk: once, not per test
    found = []
    for one in known:
        about = shaky.get(one.key, Flakiness(attempts=one.passed))
        runs = one.passed + one.failed + one.errors
        first = born.get(one.key, one.last_at)
        state: State = (
            "broken" if one.key in red
            else "flaky" if about.proven and not about.fixed
            else "unknown" if runs < _ENOUGH
            else "new" if now - first < _NEW and first > (query.since or first - _NEW)
            else "slow" if one.key in heavy
            else "healthy"
        )  # fmt: skip
        chance = about.posterior() if can_reckon else None
        share = wilson(about.failed, about.attempts) if about.proven else None
        found.append(TestHealth(
            test=one.test, params=one.params, project=one.project, state=state, runs=runs,
            flaky_probability=chance.mean if chance else None,
            flaky_low=chance.low if chance else None, flaky_high=chance.high if chance else None,
            passes_since=about.passes_since, passes_needed=about.needed,
            flips=about.flips, first_at=first,
            failure_rate=share.rate if share else None,
            failure_rate_low=share.low if share else None,
            failure_rate_high=share.high if share else None,
            enough_data=share is not None and about.attempts >= ENOUGH,
        ))  # fmt: skip
    found.sort(key=lambda one: (STATES.index(one.state), -(one.failure_rate_low or 0), one.test))
    return found


def counted(found: Sequence[TestHealth]) -> dict[str, int]:
    """How many tests are in each state."""
    counts = Counter(one.state for one in found)
    return {state: counts[state] for state in STATES}


def flakiness(store: EventReader, query: EventQuery, *, now: datetime) -> dict[Case, Flakiness]:
    """What is known about every test that both passed and failed."""
    mixed = mixed_tests(store, query)
    turned = _histories(store, query, mixed)
    main = default_branches(store, query)
    branch = branches_of(store, (run.session for runs in turned.values() for run in runs))
    found: dict[Case, Flakiness] = {}
    for key, groups in by_code(store, query, mixed, now=now):
        row = verdict(key, groups)
        passed = sum(group.passed for group in groups)
        history = turned.get(key, [])
        trunk = main.get(key.project)
        flipped = flips([run.passed for run in history if branch.get(run.session) == trunk])
        if row is None:
            found[key] = Flakiness(attempts=passed, flips=flipped)
            continue
        last = row.last_failed_at
        since = sum(run.clean and (last is None or run.at > last) for run in history)
        # The rate of the time when it was flaky: later passes must not move the goal.
        rate = row.failed / max(row.attempts - since, row.failed)
        found[key] = Flakiness(
            failed=row.failed, attempts=row.attempts, proven=True, passes_since=since,
            needed=passes_needed(rate),
        )  # fmt: skip
    return found


def _histories(
    store: EventReader, query: EventQuery, tests: Sequence[str]
) -> dict[Case, list[Ended]]:
    """Test → how each of its runs ended, oldest first."""
    found: dict[Case, list[Ended]] = {}
    for some in by_run(store, query, tests):
        for key, rollups in some.items():
            found[key] = sorted(_verdicts(rollups).values())
    return found


def _verdicts(rollups: Sequence[Rollup]) -> dict[str, Ended]:
    """Session → how the test ended there: the last attempt decides."""
    verdicts: dict[str, Ended] = {}
    for rollup in sorted(rollups, key=lambda rollup: rollup.last_at):
        session, passed = str(rollup.key[3]), rollup.key[4] == "passed"
        if passed or rollup.key[4] in _BAD:
            before = verdicts.get(session)
            clean = passed and (before is None or before.clean)
            verdicts[session] = Ended(rollup.last_at, passed, clean, session)
    return verdicts


def _born(store: EventReader, query: EventQuery) -> dict[Case, datetime]:
    chosen = msgspec.structs.replace(query, kinds=("test-result",))
    return {
        Case(row.key[0], str(row.key[1]), row.key[2]): row.first_at
        for row in store.rollup(chosen, by=["project", "test", "params"])
    }
