"""Series, kept up with what is stored since.

To add up every hour of every skill takes most of a second where there are millions of
invocations. So the points of a series are kept, and when something was stored only those hours or
days are added up again in which it happened. What is told is always what the store would say.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from datetime import datetime
from threading import Lock
from typing import NamedTuple

import msgspec

from sbhooks.events import Event, Invocation, SessionStart
from sbhooks.store import EventQuery, EventReader
from sbhooks_server.answers import MOST_POINTS, Point, Series, Step, begin_of, length_of, points
from sbhooks_server.answers import series as added_up

MOST_LINES = 64  #: Series that are kept; the one that was not asked for longest goes.
MOST_NEWS = 2_000  #: After more events everything is added up again.
_MOST_AGAIN = 48  #: Hours or days; adding up more of them costs as much as all.


class _Line:
    """The points of one series; whoever holds the lock may read and change them.

    Attributes:
        position: Of the store; -1 when it is not known what the points are of.
        points: Those in which something happened.
    """

    def __init__(self) -> None:
        self.lock = Lock()
        self.position = -1
        self.points: dict[datetime, Point] = {}


class _Span(NamedTuple):
    """From when until when hours or days have changed."""

    since: datetime
    until: datetime


_NOTHING = _Span(datetime.min, datetime.min)


class KeptSeries:
    """Answers like :func:`sbhooks_server.answers.series`.

    Args:
        store: What it is about.
    """

    def __init__(self, store: EventReader) -> None:
        self._store = store
        self._lock = Lock()
        self._lines: OrderedDict[tuple[EventQuery, Step], _Line] = OrderedDict()

    def series(self, query: EventQuery, *, step: Step) -> Series:
        """Invocations per hour or day, the empty ones between the first and the last included.

        Raises:
            StoreError: The store cannot be read.
        """
        if query.until is not None:
            return added_up(self._store, query, step=step)
        line = self._line(msgspec.structs.replace(query, since=None), step)
        with line.lock:
            self._follow(line, msgspec.structs.replace(query, since=None), step)
            found = dict(line.points)
        if query.since is not None:
            found = self._cut(found, query, query.since, step)
        return points(found, query, step)

    def _line(self, question: EventQuery, step: Step) -> _Line:
        with self._lock:
            line = self._lines.pop((question, step), None) or _Line()
            self._lines[question, step] = line
            if len(self._lines) > MOST_LINES:
                self._lines.popitem(last=False)
            return line

    def _follow(self, line: _Line, query: EventQuery, step: Step) -> None:
        """Bring a line up to date."""
        newest = self._store.high_water()
        if newest == line.position:
            return
        before, line.position = line.position, -1
        position, span = newest, None
        if before >= 0 and 0 < newest - before <= MOST_NEWS:
            tail = self._store.tail(before, limit=MOST_NEWS)
            if len(tail.events) == tail.position - before:  # nothing but events
                position, span = tail.position, _changed(tail.events, query, step)
        if span is None:
            line.points = _found(self._store, query, step)
        elif span is not _NOTHING:
            again = msgspec.structs.replace(query, since=span.since, until=span.until)
            line.points |= _found(self._store, again, step)
        _forget_old(line.points, step)
        line.position = position

    def _cut(
        self, found: dict[datetime, Point], query: EventQuery, since: datetime, step: Step
    ) -> dict[datetime, Point]:
        """Leave out what was before a time; of the hour or day that it falls into, a part."""
        first = begin_of(since, step)
        later = {at: point for at, point in found.items() if at > first}
        if first in found:
            end = first + length_of(step)
            edge = msgspec.structs.replace(query, since=since, until=end)
            later |= _found(self._store, edge, step)
        return later


def _found(store: EventReader, query: EventQuery, step: Step) -> dict[datetime, Point]:
    found = added_up(store, query, step=step).points
    return {point.at: point for point in found if point.total_invocations}


def _changed(events: Sequence[Event], query: EventQuery, step: Step) -> _Span | None:
    """From the first to the last hour or day that events change; ``None`` for any."""
    if query.projects and any(isinstance(event, SessionStart) for event in events):
        return None  # it says which project earlier events belong to
    begins = [begin_of(event.at, step) for event in events if isinstance(event, Invocation)]
    if not begins:
        return _NOTHING
    first, last = min(begins), max(begins)
    length = length_of(step)
    return _Span(first, last + length) if (last - first) // length < _MOST_AGAIN else None


def _forget_old(kept: dict[datetime, Point], step: Step) -> None:
    """Keep as many as are told at most."""
    if len(kept) > MOST_POINTS:
        oldest = max(kept) - length_of(step) * (MOST_POINTS - 1)
        for at in [at for at in kept if at < oldest]:
            del kept[at]
