"""Failures by their fingerprint: one cause that fails 300 tests is one incident.

Failures with the same fingerprint (exception type and topmost frame of the project) belong
together, as long as their messages are alike: a function that is called from everywhere raises
one type in one place for many causes. Messages are alike when more than half of their words are
the same (Dice's coefficient), figures, paths and what stands in quotes taken as equal. What
pytest tells of an ``assert`` is values and no words, and says nothing about the cause. Where more
than ten kinds of message come from one place, they hold data, and it is one cause after all.

Failures of one run with the same type and message but different frames, in ten tests or more,
belong together as well: a server that is down fails every test in its own place.

References:
    Dice, *Measures of the amount of ecologic association between species*, Ecology 26 (1945).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from datetime import datetime

import msgspec

from sbhooks.cutoff import chunks, is_cut_off
from sbhooks.events import Outcome, TestResult
from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.intervals import wilson

MOST_RUNS = 100  #: Newest runs with failures that are looked at.
_COMMON = 10
_ALIKE = 0.5  # of the words of two messages, or they tell of two causes
_MOST_CAUSES = 10  # in one place; where there are more, messages hold data
_DATA = re.compile(r"""(?<!\w)'[^']*'|(?<!\w)"[^"]*"|\S*[\d/\\]\S*""")
_BAD = frozenset({Outcome.FAILURE, Outcome.ERROR, Outcome.TIMEOUT})


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """Failures of one cause.

    Attributes:
        fingerprint: What they share; incidents with unlike messages may share it, too.
        type: Exception type of the newest.
        message: First line of the newest.
        failures: How many attempts failed.
        tests: Different tests among them, at most 20.
        test_count: How many different tests.
        run_count: Runs in which it happened.
        run_share_high: Upper end of the 95 % interval of its share of the failing runs.
        first_at: The oldest failure.
        last_at: The newest.
    """

    fingerprint: str
    type: str | None
    message: str | None
    failures: int
    tests: list[str]
    test_count: int
    run_count: int
    run_share_high: float
    first_at: datetime
    last_at: datetime


class Incidents(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks tests failures --json`` prints.

    Attributes:
        incidents: What failed most tests first; at most as many as were asked for.
        failures: Failed attempts in all.
        runs: Runs with failures that were looked at, the newest.
    """

    incidents: list[Incident]
    failures: int
    runs: int


def incidents(store: EventReader, query: EventQuery, *, limit: int) -> Incidents:
    """Group the failures of the newest runs by cause."""
    chosen = msgspec.structs.replace(query, kinds=("test-result",))
    rows = store.rollup(chosen, by=["session", "outcome"])
    failing = {str(r.key[0]): r.last_at for r in rows if r.key[1] in _BAD}
    newest = sorted(failing, key=lambda session: failing[session], reverse=True)[:MOST_RUNS]
    found: dict[tuple[str, ...], list[TestResult]] = {}
    failed = list(_failed(store, chosen, newest))
    common = _common(failed)
    causes = _Causes()
    for event in failed:
        causes.learn(event)
    for event in failed:
        alike = (event.session, *_words(event))
        key = alike if alike in common else causes.of(event)
        found.setdefault(key, []).append(event)
    every = [_incident(events, len(newest)) for events in found.values()]
    every.sort(key=lambda one: (-one.test_count, -one.failures, one.fingerprint))
    return Incidents(incidents=every[:limit], failures=len(failed), runs=len(newest))


def _failed(store: EventReader, query: EventQuery, sessions: list[str]) -> Iterator[TestResult]:
    for some in chunks(sessions):
        for event in store.events(msgspec.structs.replace(query, sessions=some)):
            if not isinstance(event, TestResult) or event.subtest is not None:
                continue
            if event.outcome in _BAD and not is_cut_off(event):
                yield event


def _common(failed: list[TestResult]) -> set[tuple[str, ...]]:
    """Runs with type and message of failures that very many tests of the run share."""
    tests: dict[tuple[str, ...], set[str]] = {}
    for event in failed:
        tests.setdefault((event.session, *_words(event)), set()).add(event.test)
    return {key for key, names in tests.items() if len(names) >= _COMMON and any(key[1:])}


class _Causes:
    """Tells failures apart that have one fingerprint and different messages."""

    def __init__(self) -> None:
        self._known: dict[str, list[Counter[str]]] = {}  # fingerprint → a message of each cause

    def learn(self, event: TestResult) -> None:
        """Take in the message of a failure."""
        words, known = _told(event), self._known.setdefault(_fingerprint(event), [])
        if len(known) <= _MOST_CAUSES and not any(_is_alike(words, other) for other in known):
            known.append(words)

    def of(self, event: TestResult) -> tuple[str, ...]:
        """What the failures of one cause have in common; all messages were learnt before."""
        fingerprint, words = _fingerprint(event), _told(event)
        known = self._known[fingerprint]
        if len(known) > _MOST_CAUSES:
            return (fingerprint,)
        return fingerprint, str(next(n for n, other in enumerate(known) if _is_alike(words, other)))


def _told(event: TestResult) -> Counter[str]:
    """The words of a message; none of an ``assert`` without a message of its own."""
    message = event.failure.message if event.failure else None
    if not message or message.startswith("assert "):
        return Counter()
    return Counter(_DATA.sub("#", message).split())


def _is_alike(one: Counter[str], other: Counter[str]) -> bool:
    every = one.total() + other.total()
    return not every or 2 * (one & other).total() > _ALIKE * every


def _words(event: TestResult) -> tuple[str, str]:
    failure = event.failure
    return (failure.type or "", failure.message or "") if failure else ("", "")


def _fingerprint(event: TestResult) -> str:
    return event.failure.fingerprint if event.failure else f"unknown cause of {event.test}"


def _incident(events: list[TestResult], runs: int) -> Incident:
    newest = max(events, key=lambda event: event.at)
    tests = sorted({event.test for event in events})
    sessions = {event.session for event in events}
    share = wilson(len(sessions), runs)
    return Incident(
        fingerprint=_fingerprint(newest),
        type=newest.failure.type if newest.failure else None,
        message=newest.failure.message if newest.failure else None,
        failures=len(events),
        tests=tests[:20],
        test_count=len(tests),
        run_count=len(sessions),
        run_share_high=share.high if share else 1.0,
        first_at=min(event.at for event in events),
        last_at=newest.at,
    )
