"""Skills, series, runs and tests, kept up with what is stored since.

To add up every hour of every skill takes most of a second where there are millions of
invocations. So answers are kept, and when something was stored only what it concerns is added up
again: some hours, some skills, some tests. What is told is always what the store would say.

Answers about a time that ends are not kept: nobody asks for the same one again. Neither are those
of skills and tests since some time, whose sums would have to be taken apart, nor those of very
many skills or tests, for which there is no room.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Generic, TypeVar

import msgspec
from msgspec.structs import replace

from sbhooks.cutoff import chunks
from sbhooks.events import Event, Invocation, SessionEnd, SessionStart, TestResult
from sbhooks.store import EventQuery, EventReader
from sbhooks_server import answers
from sbhooks_server.kept import Kept
from sbhooks_server.shapes import Point, Runs, Series, Skill, Skills, Step, Test, Tests

MOST_NAMES = 20_000  #: Skills or tests of an answer that is kept.
_MOST_AGAIN = 48  #: Hours, days, skills or tests; adding up many more costs as much as all.

Points = Mapping[datetime, Point]
TestKey = tuple[str | None, str, str | None]  #: Project, test and parameters.
T = TypeVar("T")
K = TypeVar("K")


class Listed(msgspec.Struct, Generic[K, T], frozen=True):
    """Everything that an answer is the beginning of.

    Attributes:
        by: What is listed, by its name; ``None`` when it is too much to be kept.
        first: The same in the order in which it is told.
    """

    by: Mapping[K, T] | None
    first: Sequence[T]


class KeptAnswers:
    """Answers like the functions of :mod:`sbhooks_server.answers` of the same names.

    Args:
        store: What it is about.
    """

    def __init__(self, store: EventReader) -> None:
        self._store = store
        self._series: Kept[Points] = Kept(store)
        self._skills: Kept[Listed[str, Skill]] = Kept(store, lambda all_: len(all_.first))
        self._runs: Kept[Runs] = Kept(store)
        self._tests: Kept[Listed[TestKey, Test]] = Kept(store, lambda all_: len(all_.first))

    def series(self, query: EventQuery, *, step: Step) -> Series:
        """Invocations per hour or day, the empty ones between the first and the last included.

        Raises:
            StoreError: The store cannot be read.
        """
        if query.until is not None:
            return answers.series(self._store, query, step=step)
        always = replace(query, since=None)

        def changed(before: Points, events: Sequence[Event]) -> Points | None:
            begins = {answers.begin_of(e.at, step) for e in events if isinstance(e, Invocation)}
            length = answers.length_of(step)
            if _concerns_others(events, query):
                return None
            if not begins:
                return before
            if (max(begins) - min(begins)) // length >= _MOST_AGAIN:
                return None
            end = answers.end_of(max(begins), step)
            again = replace(always, since=min(begins), until=end)
            return _newest({**before, **self._points(again, step)}, step)

        found = self._series.of((always, step), lambda: self._points(always, step), changed)
        if query.since is not None:
            found = self._cut(found, query, query.since, step)
        return answers.points(found, query, step)

    def skills(self, query: EventQuery, *, limit: int) -> Skills:
        """How skills fared, the most used first.

        Raises:
            StoreError: The store cannot be read.
        """
        if query.since is not None or query.until is not None or query.skills:
            return answers.skills(self._store, query, limit=limit)

        def some(wanted: EventQuery) -> Mapping[str, Skill] | None:
            found = answers.skills(self._store, wanted, limit=MOST_NAMES)
            return _if_all(found.total, {one.skill_name: one for one in found.skills})

        def changed(
            before: Listed[str, Skill], events: Sequence[Event]
        ) -> Listed[str, Skill] | None:
            names = {event.skill for event in events if isinstance(event, Invocation)}
            if before.by is None or not names:
                return None if _concerns_others(events, query) else before
            if _concerns_others(events, query) or len(names) > _MOST_AGAIN:
                return None
            again = some(replace(query, skills=tuple(sorted(names))))
            return _listed(None if again is None else {**before.by, **again}, _most_used_first)

        found = self._skills.of(query, lambda: _listed(some(query), _most_used_first), changed)
        if found.by is None:
            return answers.skills(self._store, query, limit=limit)
        return Skills(skills=list(found.first[:limit]), total=len(found.first))

    def tests(self, query: EventQuery, *, limit: int) -> Tests:
        """Tests with their counts, those that failed most often first.

        Raises:
            StoreError: The store cannot be read.
        """
        if query.since is not None or query.until is not None or query.tests:
            return answers.tests(self._store, query, limit=limit)

        def some(wanted: EventQuery) -> Mapping[TestKey, Test] | None:
            found = answers.tests(self._store, wanted, limit=MOST_NAMES)
            return _if_all(found.total, {(t.project, t.test, t.params): t for t in found.tests})

        def changed(
            before: Listed[TestKey, Test], events: Sequence[Event]
        ) -> Listed[TestKey, Test] | None:
            if before.by is None:
                return before
            names = {event.test for event in events if isinstance(event, TestResult)}
            names |= self._tests_of(events)
            if len(names) > _MOST_AGAIN:
                return None
            if not names:
                return before
            others = {key: test for key, test in before.by.items() if key[1] not in names}
            again = some(replace(query, tests=tuple(sorted(names))))
            return _listed(None if again is None else {**others, **again}, answers.worst_first)

        found = self._tests.of(query, lambda: _listed(some(query), answers.worst_first), changed)
        if found.by is None:
            return answers.tests(self._store, query, limit=limit)
        return Tests(tests=list(found.first[:limit]), total=len(found.first))

    def runs(self, query: EventQuery, *, limit: int) -> Runs:
        """The newest sessions of tools.

        Raises:
            StoreError: The store cannot be read.
        """

        def changed(before: Runs, events: Sequence[Event]) -> Runs | None:
            concerns = any(isinstance(event, SessionStart | SessionEnd) for event in events)
            return None if concerns else before

        if query.since is not None or query.until is not None:
            return answers.runs(self._store, query, limit=limit)
        whole = partial(answers.runs, self._store, query, limit=limit)
        return self._runs.of((query, limit), whole, changed)

    def _points(self, query: EventQuery, step: Step) -> Points:
        found = answers.series(self._store, query, step=step).points
        return {point.at: point for point in found if point.total_invocations}

    def _cut(self, found: Points, query: EventQuery, since: datetime, step: Step) -> Points:
        """Leave out what was before a time; of the hour or day that it falls into, a part."""
        first = answers.begin_of(since, step)
        later = {at: point for at, point in found.items() if at > first}
        if first in found:
            end = answers.end_of(first, step)
            later.update(self._points(replace(query, since=since, until=end), step))
        return later

    def _tests_of(self, events: Sequence[Event]) -> set[str]:
        """Tests of runs that began or ended: of which project they are, and which were killed."""
        sessions = {e.session for e in events if isinstance(e, SessionStart | SessionEnd)}
        found: set[str] = set()
        for part in chunks(sorted(sessions)):
            wanted = EventQuery(kinds=("test-result",), sessions=part)
            found |= {str(row.key[0]) for row in self._store.rollup(wanted, ["test"])}
        return found


def _concerns_others(events: Sequence[Event], query: EventQuery) -> bool:
    """Whether events say which project others belong to, and that matters."""
    return bool(query.projects) and any(isinstance(event, SessionStart) for event in events)


def _if_all(total: int, by: Mapping[K, T]) -> Mapping[K, T] | None:
    return by if total <= MOST_NAMES else None


def _listed(by: Mapping[K, T] | None, order: Callable[[Iterable[T]], Sequence[T]]) -> Listed[K, T]:
    if by is None or len(by) > MOST_NAMES:
        return Listed(None, ())
    return Listed(by, order(by.values()))


def _most_used_first(skills: Iterable[Skill]) -> Sequence[Skill]:
    """Skills in the order in which :func:`sbhooks_server.answers.skills` tells them."""
    return sorted(skills, key=lambda skill: (-skill.total_invocations, skill.skill_name))


def _newest(points: Points, step: Step) -> Points:
    """As many points as are told at most."""
    if not points:
        return points
    oldest = answers.oldest_of(max(points), step)
    return {at: point for at, point in points.items() if at >= oldest}
