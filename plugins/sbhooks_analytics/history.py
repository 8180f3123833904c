"""The history of one test, and which test a user means."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import msgspec

from sbhooks.errors import SbhooksError
from sbhooks.events import Failure, TestResult
from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.attempts import Case
from sbhooks_analytics.cutoff import INTERRUPTED, is_cut_off
from sbhooks_analytics.runs import Run, runs_of

_MOST_COMPARED = 5_000  # tests that a mistyped name is compared with


class HistoryItem(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt at a test.

    Attributes:
        at: When it ended, UTC.
        outcome: In pytest's words: passed, failed, error, skipped, xfailed, xpassed; or
            ``"interrupted"`` when the attempt was cut off.
        duration_s: Of setup, call and teardown together; ``None`` when none was timed.
    """

    at: datetime
    session: str
    params: str | None
    attempt: int
    outcome: str
    duration_s: float | None
    commit: str | None
    branch: str | None
    worker: str | None
    failure: Failure | None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks tests history --json`` prints; the newest attempt first."""

    test: str
    params: str | None
    project: str | None
    attempts: list[HistoryItem]  #: At most as many as were asked for.


def history(
    store: EventReader, query: EventQuery, key: Case, *, now: datetime, limit: int
) -> History:
    """The newest attempts at a test, newest first.

    Args:
        store: The events.
        query: The times to look at.
        key: The test; without parameters, all of them.
        now: Decides which runs still count as running.
        limit: At most that many attempts.
    """
    projects = () if key.project is None else (key.project,)
    chosen = msgspec.structs.replace(
        query, kinds=("test-result",), tests=(key.test,), projects=projects, newest_first=True
    )
    found: list[TestResult] = []
    for event in store.events(chosen):
        if isinstance(event, TestResult) and _is_attempt(event, key):
            found.append(event)
        if len(found) == limit:
            break
    runs = runs_of(store, (event.session for event in found), now=now)
    return History(
        test=key.test,
        params=key.params,
        project=key.project,
        attempts=[_item(event, runs.get(event.session)) for event in found],
    )


def find_test(store: EventReader, name: str, query: EventQuery) -> Case:
    """The test that a user means.

    Args:
        store: The events.
        name: The id of a test, with or without parameters, or a unique part of it; the name
            of the function wins over a part of a longer one.
        query: Projects and times to choose from.

    Returns:
        The test; ``params`` is ``None`` when all parameters are meant.

    Raises:
        SbhooksError: There is none, or more than one.
    """
    if not name.strip():
        raise SbhooksError("no test was named. List them with: sbhooks tests list")
    chosen = msgspec.structs.replace(query, kinds=("test-result",))
    known = [
        Case(rollup.key[0], rollup.key[1], rollup.key[2])
        for rollup in store.rollup(chosen, by=["project", "test", "params"])
        if rollup.key[1] is not None
    ]
    whole = {key._replace(params=None) for key in known}
    for matching in (
        [key for key in whole if key.test == name],
        [key for key in known if key.name == name],
        [key for key in whole if key.test.endswith(f"::{name}")],
        [key for key in known if key.name.endswith(f"::{name}")],
        [key for key in whole if name in key.test],
        [key for key in known if name in key.name],
    ):
        if matching:
            return _only(sorted(matching, key=str), name)
    raise SbhooksError(
        f"no test {name!r} is recorded. {_meant(name, whole)}List them with: sbhooks tests list"
    )


def _meant(name: str, known: Iterable[Case]) -> str:
    """What a name was perhaps to be, as a question; nothing when no test is alike."""
    from difflib import get_close_matches

    tests = sorted({key.test for key in known})[:_MOST_COMPARED]
    likely = {test.rpartition("::")[2]: test for test in tests} | {test: test for test in tests}
    found = dict.fromkeys(
        likely[word] for word in get_close_matches(name[:500], likely, n=3, cutoff=0.8)
    )
    return f"Did you mean {' or '.join(map(repr, found))}? " if found else ""


def _only(matching: Sequence[Case], name: str) -> Case:
    if len(matching) == 1:
        return matching[0]
    if len({key.name for key in matching}) == 1:
        some = ", ".join(str(key.project) for key in matching[:3])
        raise SbhooksError(f"{name!r} is a test of several projects ({some}): add --project")
    some = ", ".join(key.name for key in matching[:3])
    raise SbhooksError(f"{len(matching)} tests match {name!r} ({some}, …): write more of the id")


def _is_attempt(event: TestResult, key: Case) -> bool:
    return event.subtest is None and (key.params is None or event.params == key.params)


def _item(event: TestResult, run: Run | None) -> HistoryItem:
    return HistoryItem(
        at=event.at,
        session=event.session,
        params=event.params,
        attempt=event.attempt,
        outcome=INTERRUPTED if is_cut_off(event) else str(event.detail),
        duration_s=event.duration_s,
        commit=run.commit if run else None,
        branch=run.branch if run else None,
        worker=event.worker,
        failure=event.failure,
    )
