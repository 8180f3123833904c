"""Keeps the hints for recorders: how long each test took when it last passed.

A function of the log: each call reads on where the last one stopped, so that batches that
come twice, and collectors at the same time, count no run twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sbhooks import hints, identity
from sbhooks.events import Detail, Event, SessionEnd, SessionStart, TestResult
from sbhooks.hints import Hints
from sbhooks.store import EventQuery, EventReader

_FURTHEST = 50_000  #: Positions that are read at most: older times leave the window anyway.


def update(events: Sequence[Event], store: EventReader, home: str) -> None:
    """Count what was stored since the last time, if a run has ended.

    Args:
        events: The batch that was stored last.
        store: Where it was stored.
        home: The folder of sbhooks' data.

    Raises:
        OSError: The home cannot be written.
    """
    if not any(isinstance(event, SessionEnd) for event in events):
        return
    known = hints.load(home)
    newest = store.high_water()
    if known.after > newest:  # another store than the last time
        known = Hints()
    known.after = max(known.after, newest - _FURTHEST)
    own = identity.who(home)[0]
    while found := store.tail(known.after):
        known.after = found.position
        if not found.events:
            break
        _count(known, found.events, _projects(found.events, store, own))
    hints.save(home, known)


def _count(known: Hints, events: Iterable[Event], projects: dict[str, str]) -> None:
    for event in events:
        if (
            isinstance(event, TestResult)
            and event.detail is Detail.PASSED
            and event.subtest is None
            and event.call_s is not None
            and event.session in projects
        ):
            known.add(projects[event.session], event.test, event.params, event.call_s)


def _projects(events: Iterable[Event], store: EventReader, own: str) -> dict[str, str]:
    """Session → project, of the sessions of this user on this machine.

    A store may be shared; how long tests take on another machine says nothing about this one.
    """
    sessions = tuple({event.session for event in events if isinstance(event, TestResult)})
    if not sessions:
        return {}
    query = EventQuery(kinds=("session-start",), sessions=sessions)
    return {
        start.session: start.project
        for start in store.events(query)
        if isinstance(start, SessionStart) and start.project and start.user == own
    }
