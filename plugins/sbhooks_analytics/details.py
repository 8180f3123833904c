"""One run in full: its phases, what failed, what was slow, what was running."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

import msgspec

from sbhooks.errors import SbhooksError
from sbhooks.events import Ci, Event, Failure, Invocation, PhaseChange, SessionStart, TestResult
from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.cutoff import is_cut_off
from sbhooks_analytics.runs import RUNNING, Run, recounted, runs_of

_BAD = frozenset({"failed", "error"})


class PhaseSpan(msgspec.Struct, frozen=True, kw_only=True):
    """Time between two changes of phase."""

    phase: str  #: Name of the phase.
    duration_s: float | None  #: ``None`` while it goes on, and when the run was killed in it.


class RunFailure(msgspec.Struct, frozen=True, kw_only=True):
    """An attempt that failed, or a subtest in one.

    Attributes:
        outcome: In pytest's words: failed or error.
        duration_s: Of setup, call and teardown together; ``None`` when none was timed.
    """

    test: str
    params: str | None
    attempt: int
    subtest: str | None
    outcome: str
    duration_s: float | None
    failure: Failure | None


class RunTest(msgspec.Struct, frozen=True, kw_only=True):
    """A test and the time it took."""

    test: str
    params: str | None
    duration_s: float | None  #: ``None`` when nobody knows.


class RunDetails(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks show --json`` prints.

    Attributes:
        run: As ``sbhooks runs`` has it.
        python: Version of the interpreter.
        attempts: Recorded attempts at tests.
        phases: In order.
        failures: Attempts that failed, in order of time, each followed by the records of its
            failed subtests: those have a ``subtest``, and are no attempts.
        slowest: At most as many as were asked for.
        interrupted: Tests that were running when the run was stopped, or killed.
        skills: Invocations by skill, for runs of other tools than test runners.
    """

    run: Run
    python: str | None
    platform: str | None
    ci: Ci | None
    attempts: int
    phases: list[PhaseSpan]
    failures: list[RunFailure]
    slowest: list[RunTest]
    interrupted: list[RunTest]
    skills: dict[str, int]


def details(store: EventReader, session: str, *, now: datetime, limit: int) -> RunDetails:
    """Everything about one run.

    Args:
        store: The events.
        session: The run.
        now: Decides whether it still counts as running.
        limit: At most that many slow tests.

    Raises:
        SbhooksError: Its start is not recorded.
    """
    run = runs_of(store, [session], now=now).get(session)
    if run is None:
        raise SbhooksError(f"the start of run {session!r} is not recorded")
    events = list(store.events(EventQuery(sessions=(session,))))
    start = next(event for event in events if isinstance(event, SessionStart))
    tests = [event for event in events if isinstance(event, TestResult)]
    attempts = [event for event in tests if event.subtest is None]
    stopped = [event for event in attempts if is_cut_off(event)]
    failed = [event for event in tests if event.detail in _BAD and not is_cut_off(event)]
    slowest = sorted(attempts, key=lambda event: -(event.duration_s or 0.0))[:limit]
    return RunDetails(
        run=recounted(store, [run])[0],
        python=start.python,
        platform=start.platform,
        ci=start.ci,
        attempts=len(attempts),
        phases=phases(events, run, now),
        failures=[_failure(event) for event in _subtests_last(failed)],
        slowest=[_test(event) for event in slowest if event.duration_s],
        interrupted=[_test(event) for event in stopped],
        skills=_skills(events),
    )


def phases(events: list[Event], run: Run, now: datetime) -> list[PhaseSpan]:
    """How long each phase lasted; the one that a killed run was in has no end."""
    changes = [event for event in events if isinstance(event, PhaseChange)]
    ends = [change.at for change in changes[1:]]
    last = [now if run.outcome == RUNNING else None]
    return [
        PhaseSpan(
            phase=change.phase_to,
            duration_s=None if end is None else (end - change.at).total_seconds(),
        )
        for change, end in zip(changes, [*ends, *last], strict=False)
        if change.phase_to
    ]


def _subtests_last(failed: Iterable[TestResult]) -> list[TestResult]:
    """The same records, those of subtests behind the attempt that they belong to."""
    groups: dict[tuple[object, ...], list[TestResult]] = {}
    for event in failed:
        key = (event.test, event.params, event.attempt, event.worker)
        groups.setdefault(key, []).append(event)
    return [
        event
        for group in groups.values()
        for event in sorted(group, key=lambda event: event.subtest is not None)
    ]


def _failure(event: TestResult) -> RunFailure:
    return RunFailure(
        test=event.test,
        params=event.params,
        attempt=event.attempt,
        subtest=event.subtest,
        outcome=str(event.detail),
        duration_s=event.duration_s,
        failure=event.failure,
    )


def _test(event: TestResult) -> RunTest:
    return RunTest(test=event.test, params=event.params, duration_s=event.duration_s)


def _skills(events: list[Event]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for event in events:
        if isinstance(event, Invocation):
            counts[event.skill] = counts.get(event.skill, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
