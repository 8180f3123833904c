"""Skills, series, runs and tests, kept up with what is stored since.

To add up every hour of every skill takes most of a second where there are millions of
invocations. So answers are kept, and when something was stored only what it concerns is added up
again: some hours, some skills, some tests. What is told is always what the store would say.

Answers about a time that ends are not kept: nobody asks for the same one again. Neither are those
of skills and tests since some time, whose sums would have to be taken apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial

from msgspec.structs import replace

from sbhooks.cutoff import chunks
from sbhooks.events import Event, Invocation, SessionEnd, SessionStart, TestResult
from sbhooks.store import EventQuery, EventReader
from sbhooks_server import answers
from sbhooks_server.kept import Kept
from sbhooks_server.shapes import Point, Runs, Series, Skill, Skills, Step, Test, Tests

EVERYTHING = 1_000_000_000
_MOST_AGAIN = 48  #: Hours, days, skills or tests; adding up many more costs as much as all.

Points = Mapping[datetime, Point]
ByName = Mapping[str, Skill]
ByTest = Mapping[tuple[str | None, str, str | None], Test]  #: By project, test and parameters.


class KeptAnswers:
    """Answers like the functions of :mod:`sbhooks_server.answers` of the same names.

    Args:
        store: What it is about.
    """

    def __init__(self, store: EventReader) -> None:
        self._store = store
        self._series: Kept[Points] = Kept(store)
        self._skills: Kept[ByName] = Kept(store)
        self._runs: Kept[Runs] = Kept(store)
        self._tests: Kept[ByTest] = Kept(store)

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

        def some(wanted: EventQuery) -> ByName:
            found = answers.skills(self._store, wanted, limit=EVERYTHING).skills
            return {skill.skill_name: skill for skill in found}

        def changed(before: ByName, events: Sequence[Event]) -> ByName | None:
            names = {event.skill for event in events if isinstance(event, Invocation)}
            if _concerns_others(events, query) or len(names) > _MOST_AGAIN:
                return None
            if not names:
                return before
            return {**before, **some(replace(query, skills=tuple(sorted(names))))}

        found = self._skills.of(query, lambda: some(query), changed)
        first = sorted(found.values(), key=lambda s: (-s.total_invocations, s.skill_name))
        return Skills(skills=first[:limit], total=len(found))

    def tests(self, query: EventQuery, *, limit: int) -> Tests:
        """Tests with their counts, those that failed most often first.

        Raises:
            StoreError: The store cannot be read.
        """
        if query.since is not None or query.until is not None or query.tests:
            return answers.tests(self._store, query, limit=limit)

        def some(wanted: EventQuery) -> ByTest:
            found = answers.tests(self._store, wanted, limit=EVERYTHING).tests
            return {(test.project, test.test, test.params): test for test in found}

        def changed(before: ByTest, events: Sequence[Event]) -> ByTest | None:
            names = {event.test for event in events if isinstance(event, TestResult)}
            names |= self._tests_of(events)
            if len(names) > _MOST_AGAIN:
                return None
            if not names:
                return before
            others = {key: test for key, test in before.items() if key[1] not in names}
            return {**others, **some(replace(query, tests=tuple(sorted(names))))}

        found = self._tests.of(query, lambda: some(query), changed)
        return Tests(tests=answers.worst_first(found.values())[:limit], total=len(found))

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


def _newest(points: Points, step: Step) -> Points:
    """As many points as are told at most."""
    if not points:
        return points
    oldest = answers.oldest_of(max(points), step)
    return {at: point for at, point in points.items() if at >= oldest}
