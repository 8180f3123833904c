"""Activity equals a count over the log."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from statistics import mean

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.events import Invocation, Outcome
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.activity import PERIODS, top, with_people

HOUR = timedelta(hours=1)
calls = st.lists(
    st.builds(
        Invocation,
        source=st.just("pytest"),
        session=st.just("s"),
        at=st.integers(0, 500).map(lambda h: NOON - h * HOUR),
        skill=st.sampled_from(["lint", "test", "build"]),
        outcome=st.sampled_from(Outcome),
        duration_s=st.none() | st.integers(0, 10**8).map(lambda us: us / 1e6),
        error_type=st.sampled_from([None, "tests-failed"]),
    ),
    max_size=30,
)


@given(calls, st.sampled_from([None, 24, 100]))
def test_every_figure_is_that_of_the_log(events: list[Invocation], hours: int | None) -> None:
    store = MemoryEventStore()
    store.append(events)
    since = None if hours is None else NOON - hours * HOUR
    found = top(store, EventQuery(since=since), now=NOON, limit=99)
    seen = [event for event in events if since is None or event.at >= since]
    assert {s.skill_name: s.invocation_count for s in found.skills} == Counter(
        event.skill for event in seen
    )
    for skill in found.skills:
        own = [event for event in seen if event.skill == skill.skill_name]
        times = sorted(event.duration_s for event in own if event.duration_s is not None)
        assert skill.completed_count == sum(event.outcome == "success" for event in own)
        assert skill.completion_rate == skill.completed_count / len(own)
        assert skill.completion_rate_low <= skill.completion_rate <= skill.completion_rate_high
        assert skill.last_invocation_at == max(event.at for event in own)
        if times:
            assert abs((skill.avg_duration_seconds or 0) - mean(times)) < 1e-6 * max(1, times[-1])
            assert skill.p50_seconds is not None and skill.p95_seconds is not None
            assert times[0] * 0.98 - 1e-6 <= skill.p50_seconds <= skill.p95_seconds
            assert skill.p99_seconds is not None
            assert skill.p95_seconds <= skill.p99_seconds <= times[-1] * 1.02 + 1e-6
        else:
            assert skill.avg_duration_seconds is skill.p50_seconds is skill.p95_seconds is None


@given(calls)
def test_a_series_counts_the_latest_days(events: list[Invocation]) -> None:
    store = MemoryEventStore()
    store.append(events)
    first_day = (NOON - timedelta(days=PERIODS - 1)).date()
    for skill in top(store, EventQuery(), now=NOON, limit=99).skills:
        own = [e.at.date() for e in events if e.skill == skill.skill_name]
        counts = Counter(own)
        days = [first_day + timedelta(days=n) for n in range(PERIODS)]
        assert skill.series == [counts[day] for day in days]


def test_a_short_look_back_counts_hours(store: MemoryEventStore) -> None:
    line = Timeline(start=NOON - 3 * HOUR, step=HOUR)
    store.append([line.invocation("lint"), line.invocation("lint")])
    found = top(store, EventQuery(since=NOON - 24 * HOUR), now=NOON, limit=1)
    assert found.period == "hour"
    assert found.skills[0].series == [0] * (PERIODS - 4) + [1, 1, 0, 0]


def test_the_most_used_comes_first_and_the_limit_holds(store: MemoryEventStore) -> None:
    line = Timeline()
    store.append([line.invocation(skill) for skill in ("a", "b", "b", "c", "c")])
    found = top(store, EventQuery(), now=NOON, limit=2)
    assert [skill.skill_name for skill in found.skills] == ["b", "c"]


def test_nothing_recorded_is_an_empty_answer(store: MemoryEventStore) -> None:
    assert top(store, EventQuery(), now=NOON, limit=9).skills == []


@given(calls, st.lists(st.sampled_from(["ann", "bob", None]), min_size=3, max_size=3))
def test_sessions_and_users_are_those_of_the_log(
    events: list[Invocation], users: list[str | None]
) -> None:
    store = MemoryEventStore()
    placed = [
        msgspec.structs.replace(event, session=f"s{number % 3}")
        for number, event in enumerate(events)
    ]
    starts = [Timeline(f"s{n}").start(user=user) for n, user in enumerate(users)]
    store.append([*starts, *placed])
    query = EventQuery()
    found = with_people(store, query, top(store, query, now=NOON, limit=99))
    for skill in found.skills:
        inside = {event.session for event in placed if event.skill == skill.skill_name}
        assert skill.sessions == len(inside)
        assert skill.users == len({users[int(name[1])] for name in inside} - {None})
