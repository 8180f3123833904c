"""Series from rollups: equal to a count over the log, with true gaps."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.errors import SbhooksError
from sbhooks.events import Outcome
from sbhooks.store import EventQuery
from sbhooks.testing.factories import Timeline
from sbhooks.testing.histories import history_of
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.series import PERIODS, Period, begin_of, series_of
from sbhooks_analytics.trends import known_skill, trends

MONDAY = datetime(2026, 10, 5, tzinfo=UTC)
DAY = timedelta(days=1)


def put(store: MemoryEventStore, days: dict[int, tuple[int, int]], skill: str = "mypy") -> None:
    store.append(history_of([(MONDAY + DAY * d, *n) for d, n in days.items()], skill=skill))


def test_b17_a_day_without_invocations_is_a_gap_and_today_is_left_out(
    store: MemoryEventStore,
) -> None:
    """Today's part of a day read as a loss of 97 %."""
    put(store, {0: (3, 1), 2: (2, 0), 3: (1, 0)})
    now = MONDAY + DAY * 3 + timedelta(hours=2)
    series = series_of(store, EventQuery(), "mypy", metric="completion_rate", period="day", now=now)
    assert series.starts == [MONDAY, MONDAY + DAY, MONDAY + DAY * 2]
    assert series.values == [0.75, None, 1.0]
    assert series.n == [4, 0, 2]


def test_b17_a_part_of_a_day_is_no_day_at_either_end(store: MemoryEventStore) -> None:
    """What was asked for begins and ends within days; a day counts as a whole or not at all."""
    put(store, {0: (4, 0), 1: (3, 1), 2: (2, 2)})
    query = EventQuery(since=MONDAY + DAY / 2, until=MONDAY + DAY * 2 + timedelta(minutes=1))
    series = series_of(
        store, query, "mypy", metric="invocations", period="day", now=MONDAY + DAY * 9
    )
    assert (series.starts, series.values) == ([MONDAY, MONDAY + DAY], [4.0, 4.0])


def test_a_day_without_invocations_is_none_of_them_only_when_something_was_recorded(
    store: MemoryEventStore,
) -> None:
    put(store, {0: (3, 0), 4: (1, 0)})
    put(store, {2: (1, 0)}, skill="ruff")
    series = series_of(
        store, EventQuery(), "mypy", metric="invocations", period="day", now=MONDAY + DAY * 6
    )
    assert series.values == [3.0, None, 0.0, None, 1.0, None]


def test_durations_are_of_what_came_to_its_own_end(store: MemoryEventStore) -> None:
    line = Timeline(start=MONDAY)
    store.append([
        line.invocation("mypy", duration_s=2.0),
        line.invocation("mypy", Outcome.FAILURE, duration_s=4.0),
        line.invocation("mypy", Outcome.TIMEOUT, duration_s=600.0),
        line.invocation("mypy", Outcome.ERROR, duration_s=900.0),
    ])  # fmt: skip
    series = series_of(
        store, EventQuery(), "mypy", metric="duration", period="hour", now=MONDAY + DAY
    )
    assert series.values[0] == pytest.approx(2.0, rel=0.01)
    assert (series.n[0], set(series.values[1:])) == (2, {None})


@given(
    offsets=st.lists(st.integers(0, 400), min_size=1, max_size=30),
    period=st.sampled_from(PERIODS),
)
def test_counts_equal_those_over_the_log(offsets: list[int], period: Period) -> None:
    store = MemoryEventStore()
    line = Timeline()
    times = [MONDAY + timedelta(hours=offset, minutes=30) for offset in offsets]
    store.append([line.invocation("mypy", at=at) for at in times])
    now = max(times) + timedelta(days=8)
    series = series_of(store, EventQuery(), "mypy", metric="invocations", period=period, now=now)
    expected = Counter(begin_of(at, period) for at in times)
    counted = {s: v for s, v in zip(series.starts, series.values, strict=True) if v}
    assert counted == {start: float(n) for start, n in expected.items()}


def test_weeks_begin_on_monday_and_the_calendar_may_end() -> None:
    assert begin_of(MONDAY + DAY * 6, "week") == MONDAY
    assert begin_of(datetime(1, 1, 1, tzinfo=UTC), "week") == datetime(1, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize("metric", ["completion_rate", "duration", "invocations"])
@pytest.mark.parametrize(
    "days",
    [
        {},
        {0: (1, 0)},
        {0: (5, 5)},
        dict.fromkeys(range(40), (5, 0)),
        dict.fromkeys(range(40), (0, 5)),
        dict.fromkeys(range(0, 80, 3), (4, 1)),
        {0: (1, 0), 9_000: (1, 0)},
    ],
    ids=["empty", "one", "one day", "all good", "all bad", "gaps", "clock jump"],
)
def test_every_history_has_an_answer(
    store: MemoryEventStore, days: dict[int, tuple[int, int]], metric: str
) -> None:
    put(store, days)
    now = MONDAY + DAY * 9_100
    answer = trends(store, EventQuery(), metric=metric, period="day", now=now)  # type: ignore[arg-type]
    found = answer.trends
    assert [one.trend for one in found] in (
        [], ["stable"], ["insufficient_data"], ["improving"], ["declining"],
    )  # fmt: skip
    for one in found:
        assert bool(one.reason) == (one.trend == "insufficient_data")
        assert one.slope_per_day is None or one.slope_per_day == one.slope_per_day


def test_a_declining_skill_is_found_and_named_first(store: MemoryEventStore) -> None:
    put(store, {day: (20 - day // 3, day // 3) for day in range(30)})
    put(store, dict.fromkeys(range(30), (19, 1)), skill="ruff")
    found = trends(
        store, EventQuery(), metric="completion_rate", period="day", now=MONDAY + DAY * 30
    ).trends
    assert [(one.skill_name, one.trend) for one in found] == [
        ("mypy", "declining"), ("ruff", "stable"),
    ]  # fmt: skip
    slope = found[0].slope_per_day
    assert slope == pytest.approx(-1 / 60, rel=0.1)


def test_a_quiet_weekend_is_a_season_and_no_trend(store: MemoryEventStore) -> None:
    put(store, {day: (4 if day % 7 >= 5 else 20 + day % 3, 0) for day in range(56)})
    now = MONDAY + DAY * 56
    (one,) = trends(store, EventQuery(), metric="invocations", period="day", now=now).trends
    assert one.trend == "stable"
    assert one.seasonality is not None
    assert one.seasonality.lowest in {"Saturday", "Sunday"}


def test_a_skill_is_found_by_a_part_of_its_name(store: MemoryEventStore) -> None:
    put(store, {0: (1, 0)})
    assert known_skill(store, EventQuery(), "myp") == "mypy"
    with pytest.raises(SbhooksError, match="Did you mean 'mypy'"):
        known_skill(store, EventQuery(), "mpyy")
