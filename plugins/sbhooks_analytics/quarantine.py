"""Quarantine: flaky tests whose failures are known, with somebody who looks after each.

Only a test that is flaky now can be put there: a broken test would hide a real bug. A quarantine
ends by itself; whoever wants to keep it has to say so again. It is an event, so it says who, when
and why, and everybody who reads the log sees the same list.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from sbhooks.errors import SbhooksError
from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.attempts import Case
from sbhooks_analytics.decisions import Quarantine
from sbhooks_analytics.health import TestHealth, health

LONGEST = timedelta(days=90)


class Quarantined(msgspec.Struct, frozen=True, kw_only=True):
    """A test in quarantine.

    Attributes:
        state: What the test is by now; ``None`` when it was not seen in the time looked at.
        advice: What to do, where something is to be done.
    """

    test: str
    params: str | None
    project: str | None
    owner: str | None
    note: str | None
    since: datetime
    expires_at: datetime
    state: str | None
    advice: str = ""


class QuarantineList(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks tests quarantine list --json`` prints."""

    tests: list[Quarantined]  #: What expires first is first.
    expired: int  #: Quarantines that ended by themselves.


class Moved(msgspec.Struct, frozen=True, kw_only=True):
    """A decision that was taken down."""

    test: str
    params: str | None
    active: bool  #: Whether it is in quarantine from now on.


class Admitted(Moved, frozen=True, kw_only=True):
    """What ``sbhooks tests quarantine add --json`` prints."""


class Removed(Moved, frozen=True, kw_only=True):
    """What ``sbhooks tests quarantine remove --json`` prints."""


def quarantined(store: EventReader, query: EventQuery, *, now: datetime) -> QuarantineList:
    """The tests in quarantine now."""
    newest: dict[Case, Quarantine] = {}
    for event in store.events(EventQuery(kinds=("analytics-quarantine",))):
        if isinstance(event, Quarantine):
            newest[Case(event.project, event.test, event.params)] = event
    active = {key: event for key, event in newest.items() if event.active and event.expires_at}
    current = {k: e for k, e in active.items() if e.expires_at is not None and e.expires_at > now}
    states = {
        Case(one.project, one.test, one.params): one for one in _states(store, query, current, now)
    }
    rows = [_row(key, event, states.get(key)) for key, event in current.items()]
    rows.sort(key=lambda row: (row.expires_at, row.test))
    return QuarantineList(tests=rows, expired=len(active) - len(current))


def admit(
    store: EventReader, query: EventQuery, key: Case, *, owner: str, days: int,
    note: str | None, now: datetime,
) -> Quarantine:  # fmt: skip
    """Put a test into quarantine.

    Raises:
        SbhooksError: It is not flaky; says what it is.
    """
    chosen = msgspec.structs.replace(query, tests=(key.test,))
    states = [one for one in health(store, chosen, now=now) if _is(one, key)]
    flaky = [one for one in states if one.state == "flaky"]
    if not flaky:
        state = states[0].state if states else "unknown"
        raise SbhooksError(
            f"cannot put {key.name} into quarantine: it is {state}, and only flaky tests belong "
            "there. Look at: sbhooks tests flaky"
        )
    one = flaky[0]
    return Quarantine(
        source="analytics", session="quarantine", test=one.test, params=one.params,
        project=one.project, owner=owner, note=note,
        expires_at=now + min(timedelta(days=days), LONGEST),
    )  # fmt: skip


def _states(
    store: EventReader, query: EventQuery, keys: dict[Case, Quarantine], now: datetime
) -> list[TestHealth]:
    if not keys:
        return []
    tests = tuple(sorted({key.test for key in keys}))
    return health(store, msgspec.structs.replace(query, tests=tests), now=now)


def _row(key: Case, event: Quarantine, now_is: TestHealth | None) -> Quarantined:
    advice = ""
    if now_is is not None and now_is.state == "broken":
        advice = "it is broken now: take it out and repair it"
    elif now_is is not None and now_is.state != "flaky":
        advice = "it has passed often enough: take it out"
    return Quarantined(
        test=key.test, params=key.params, project=key.project, owner=event.owner, note=event.note,
        since=event.at, expires_at=event.expires_at or event.at,
        state=now_is.state if now_is else None, advice=advice,
    )  # fmt: skip


def _is(one: TestHealth, key: Case) -> bool:
    same = (one.project, one.test) == (key.project, key.test)
    return same and key.params in {None, one.params}
