"""Sums that add up, and quantiles read from buckets."""

from __future__ import annotations

import math
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.store import (
    BUCKET_RATIO,
    EventQuery,
    EventReader,
    EventStore,
    Rollup,
    bucket,
    bucket_middle,
    merge,
)
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks.testing.strategies import durations

micros = st.integers(1, 10**15)


def rollup(*seconds: float, key: tuple[str | None, ...] = ()) -> Rollup:
    """The sums of some durations, made by the reference store."""
    store = MemoryEventStore()
    store.append([Timeline().invocation(duration_s=duration) for duration in seconds])
    (whole,) = store.rollup(EventQuery())
    return Rollup(
        **{name: getattr(whole, name) for name in Rollup.__struct_fields__} | {"key": key}
    )


@given(micros)
def test_the_middle_of_a_bucket_is_within_one_per_cent_of_all_in_it(us: int) -> None:
    assert bucket_middle(bucket(us / 1e6)) == pytest.approx(us / 1e6, rel=0.01 + 1e-9)


@given(micros, micros)
def test_longer_durations_have_no_smaller_buckets(one: int, other: int) -> None:
    low, high = sorted((one / 1e6, other / 1e6))
    assert bucket(low) <= bucket(high)


@given(durations)
def test_a_bucket_is_a_small_number(seconds: float) -> None:
    assert 0 <= bucket(seconds) < 2_000


def test_less_than_a_microsecond_is_bucket_zero() -> None:
    assert bucket(0.0) == bucket(0.4e-6) == 0
    assert bucket_middle(0) == 0.0
    assert bucket(1e-6) == 1


@pytest.mark.parametrize("power", range(1, 1500, 37))
def test_the_limits_of_buckets_are_powers_of_the_ratio(power: int) -> None:
    us = math.ceil(BUCKET_RATIO**power)
    if us < 10**15 and us > 100:
        assert bucket(us / 1e6) == power + 1
        assert bucket(math.floor(BUCKET_RATIO**power) / 1e6) in {power, power + 1}


@given(st.lists(durations, min_size=1, max_size=20), st.floats(0, 1))
def test_a_quantile_is_within_one_per_cent_of_the_nearest_rank(
    seconds: list[float], share: float
) -> None:
    exact = sorted(seconds)[max(1, math.ceil(share * len(seconds))) - 1]
    assert rollup(*seconds).quantile(share) == pytest.approx(exact, rel=0.0101, abs=1e-6)


def test_without_durations_there_is_no_mean_and_no_quantile() -> None:
    store = MemoryEventStore()
    store.append([Timeline().phase("setup")])
    (empty,) = store.rollup(EventQuery())
    assert empty.duration_mean is None
    assert empty.quantile(0.5) is None


def test_the_mean_is_sum_over_number() -> None:
    assert rollup(1.0, 2.0, 6.0).duration_mean == 3.0


@given(st.lists(durations, min_size=1, max_size=9), st.lists(durations, min_size=1, max_size=9))
def test_adding_rollups_is_pooling_their_events(one: list[float], other: list[float]) -> None:
    total, pooled = rollup(*one) + rollup(*other), rollup(*one, *other)
    assert (total.n, total.outcomes, total.buckets) == (pooled.n, pooled.outcomes, pooled.buckets)
    assert total.duration_sum == pytest.approx(pooled.duration_sum)
    assert total.duration_sum_squares == pytest.approx(pooled.duration_sum_squares)


def test_adding_keeps_the_first_and_last_time() -> None:
    store = MemoryEventStore()
    time = Timeline()
    store.append([time.invocation("a"), time.invocation("b"), time.invocation("a")])
    one, other = store.rollup(EventQuery(), ["skill"])
    assert (one + other).first_at == (other + one).first_at == NOON
    assert (one + other).last_at == (other + one).last_at == NOON + timedelta(seconds=2)


def test_merging_drops_dimensions_in_order_of_appearance() -> None:
    rows = [rollup(1.0, key=("b", "x")), rollup(2.0, key=("a", "x")), rollup(3.0, key=("b", "y"))]
    merged = merge(rows, keep=[0])
    assert [(row.key, row.n, row.duration_sum) for row in merged] == [
        (("b",), 2, 4.0),
        (("a",), 1, 2.0),
    ]
    assert merge(rows, keep=[1, 0])[0].key == ("x", "b")
    (whole,) = merge(rows, keep=())
    assert whole.n == 3


def test_a_reader_is_no_store_and_a_store_is_a_reader() -> None:
    assert isinstance(MemoryEventStore(), EventStore)
    assert issubclass(EventStore, EventReader)
