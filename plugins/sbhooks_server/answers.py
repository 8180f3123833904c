"""Answers for programs: skills, series, tests, runs and events, straight from the store.

Sums come from the store's rollups, so an answer about a million events costs as much as one
about a thousand. Findings of plugins are asked of the plugins.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta

import msgspec

from sbhooks import cutoff
from sbhooks.events import SessionEnd, SessionStart
from sbhooks.store import Dimension, EventQuery, EventReader, Rollup, merge
from sbhooks_server.shapes import (
    EventPage,
    Point,
    Run,
    Runs,
    Series,
    Skill,
    Skills,
    Step,
    Test,
    Tests,
)

MOST_POINTS = 1_000  #: Of a series.
_Z_95 = 1.959963984540054
_CHUNK = 500
_FIRST, _LAST = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)


def skills(store: EventReader, query: EventQuery, *, limit: int) -> Skills:
    """How skills fared, the most used first."""
    chosen = msgspec.structs.replace(query, kinds=("invocation",))
    rollups = [r for r in store.rollup(chosen, by=["skill"]) if r.key[0] is not None]
    rollups.sort(key=lambda r: (-r.n, r.key))
    return Skills(skills=[skill(r) for r in rollups[:limit]], total=len(rollups))


def skill(rollup: Rollup) -> Skill:
    """One skill from its sums; the first part of the key is its name."""
    completed = rollup.outcomes.get("success", 0)
    low, high = wilson(completed, rollup.n)
    return Skill(
        skill_name=str(rollup.key[0]),
        total_invocations=rollup.n,
        completed=completed,
        completion_rate=completed / rollup.n,
        completion_rate_low=low,
        completion_rate_high=high,
        avg_duration_seconds=rollup.duration_mean,
        p50_seconds=rollup.quantile(0.5),
        p95_seconds=rollup.quantile(0.95),
        last_invocation_at=rollup.last_at,
    )


def series(store: EventReader, query: EventQuery, *, step: Step) -> Series:
    """Invocations per hour or day, the empty ones between the first and the last included."""
    chosen = msgspec.structs.replace(query, kinds=("invocation",))
    newest = next(store.events(msgspec.structs.replace(chosen, newest_first=True, limit=1)), None)
    if newest is None:
        return points({}, query, step)
    oldest = oldest_of(begin_of(newest.at, step), step)
    if query.since is None or query.since < oldest:
        chosen = msgspec.structs.replace(chosen, since=oldest)
    rollups = ((_begin(r.key[0], step), r) for r in store.rollup(chosen, by=[step]))
    return points({at: _point(at, r) for at, r in rollups}, query, step)


def points(found: Mapping[datetime, Point], query: EventQuery, step: Step) -> Series:
    """A series from its points, with those between them in which nothing happened."""
    name = query.skills[0] if query.skills else None
    if not found:
        return Series(skill_name=name, step=step, points=[])
    length, last = length_of(step), max(found)
    number = min(MOST_POINTS, (last - min(found)) // length + 1)
    times = [last - length * back for back in reversed(range(number))]
    return Series(skill_name=name, step=step, points=[found.get(at) or _empty(at) for at in times])


def length_of(step: Step) -> timedelta:
    """How long an hour or a day is."""
    return timedelta(hours=1) if step == "hour" else timedelta(days=1)


def end_of(begin: datetime, step: Step) -> datetime | None:
    """When an hour or a day ends that begins then; ``None`` for the last one of the calendar."""
    length = length_of(step)
    return begin + length if begin <= _LAST - length else None


def oldest_of(newest: datetime, step: Step) -> datetime:
    """When the first point of the longest series begins whose last one begins then."""
    length = length_of(step) * (MOST_POINTS - 1)
    return newest - length if newest >= _FIRST + length else _FIRST


def begin_of(at: datetime, step: Step) -> datetime:
    """When the hour or day of a time began, UTC."""
    hour = at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    return hour if step == "hour" else hour.replace(hour=0)


def tests(store: EventReader, query: EventQuery, *, limit: int) -> Tests:
    """Tests with their counts, those that failed most often first."""
    by: list[Dimension] = ["project", "test", "params", "subtest", "detail"]
    every = cutoff.rollup(store, query, by)
    rows = [r for r in every if r.key[1] is not None and r.key[3] is None]
    outcomes: dict[tuple[str | None, ...], dict[str, int]] = {}
    for row in rows:
        outcomes.setdefault(row.key[:3], {})[str(row.key[4])] = row.n
    whole = merge(rows, keep=(0, 1, 2))
    whole.sort(key=lambda r: _worst(outcomes[r.key], r.key))
    return Tests(tests=[_test(r, outcomes[r.key]) for r in whole[:limit]], total=len(whole))


def worst_first(tests: Iterable[Test]) -> list[Test]:
    """Tests in the order in which :func:`tests` tells them."""
    return sorted(tests, key=lambda t: _worst(t.outcomes, (t.project, t.test, t.params)))


def runs(store: EventReader, query: EventQuery, *, limit: int) -> Runs:
    """The newest sessions of tools."""
    chosen = msgspec.structs.replace(
        query, kinds=("session-start",), newest_first=True, limit=limit
    )
    starts = {e.session: e for e in store.events(chosen) if isinstance(e, SessionStart)}
    ends: dict[str, SessionEnd] = {}
    for some in _chunks(list(starts)):
        wanted = EventQuery(kinds=("session-end",), sessions=some)
        ends |= {e.session: e for e in store.events(wanted) if isinstance(e, SessionEnd)}
    return Runs(runs=[_run(start, ends.get(session)) for session, start in starts.items()])


def events(store: EventReader, *, after: int, limit: int) -> EventPage:
    """Read on behind a position."""
    tail = store.tail(after, limit=limit)
    return EventPage(events=list(tail.events), position=tail.position, at_end=not tail.events)


def wilson(successes: int, n: int) -> tuple[float, float]:
    """The 95 % interval of a share, 0 to 1; all of it without observations.

    References:
        Wilson, *Probable inference*, JASA 22 (1927).
    """
    if n == 0:
        return 0.0, 1.0
    share, z2 = successes / n, _Z_95**2
    middle = (share + z2 / (2 * n)) / (1 + z2 / n)
    half = _Z_95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n)
    return max(0.0, middle - half), min(1.0, middle + half)


def _begin(label: str | None, step: Step) -> datetime:
    text = f"{label}:00+00:00" if step == "hour" else f"{label}T00:00+00:00"
    return datetime.fromisoformat(text)


def _point(at: datetime, rollup: Rollup) -> Point:
    return Point(
        at=at,
        total_invocations=rollup.n,
        completed=rollup.outcomes.get("success", 0),
        avg_duration_seconds=rollup.duration_mean,
        p95_seconds=rollup.quantile(0.95),
    )


def _empty(at: datetime) -> Point:
    return Point(
        at=at, total_invocations=0, completed=0, avg_duration_seconds=None, p95_seconds=None
    )


def _worst(outcomes: Mapping[str, int], key: tuple[str | None, ...]) -> tuple[int, str]:
    return -outcomes.get("failed", 0) - outcomes.get("error", 0), str(key)


def _test(rollup: Rollup, outcomes: dict[str, int]) -> Test:
    return Test(
        project=rollup.key[0],
        test=str(rollup.key[1]),
        params=rollup.key[2],
        attempts=rollup.n,
        outcomes=outcomes,
        p50_seconds=rollup.quantile(0.5),
        p95_seconds=rollup.quantile(0.95),
        last_at=rollup.last_at,
    )


def _run(start: SessionStart, end: SessionEnd | None) -> Run:
    return Run(
        session=start.session,
        source=start.source,
        project=start.project,
        tool=start.tool,
        started_at=start.at,
        ended_at=end.at if end else None,
        outcome=str(end.outcome) if end else None,
        reason=end.reason if end else None,
        duration_s=end.duration_s if end else None,
        counts=end.counts if end else {},
        commit=start.vcs.commit if start.vcs else None,
        branch=start.vcs.branch if start.vcs else None,
    )


def _chunks(items: Sequence[str]) -> Iterable[tuple[str, ...]]:
    for first in range(0, len(items), _CHUNK):
        yield tuple(items[first : first + _CHUNK])
