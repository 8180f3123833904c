"""Slopes against scipy; error rates by simulation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import theilslopes

from sbhooks_analytics.season import season_of
from sbhooks_analytics.trend import (
    LEAST_POINTS,
    Floats,
    _theil_sen,
    block_length,
    slope_of,
    verdict_of,
)

Noise = Callable[..., Floats]
finite = st.floats(-1e3, 1e3, allow_nan=False).map(lambda x: round(x, 3))


def found(values: Floats) -> float:
    slope = slope_of(values)
    assert slope is not None
    return slope.p_value


@given(st.lists(finite, min_size=LEAST_POINTS, max_size=40))
def test_the_slope_is_the_one_of_scipy(values: list[float]) -> None:
    slope = slope_of(np.array(values))
    assert slope is not None
    assert slope.slope == pytest.approx(theilslopes(values).slope, abs=1e-9)
    assert slope.low <= slope.slope <= slope.high


def test_the_interval_of_independent_points_is_the_one_of_scipy() -> None:
    values = np.random.default_rng(3).standard_normal(60)
    even = np.ones(60)
    _, low, high = _theil_sen(np.arange(60.0), values, even, 1.0)
    expected = theilslopes(values)
    assert (low, high) == pytest.approx((expected.low_slope, expected.high_slope), abs=4e-4)


def test_b03_improving_declining_and_v_shaped_series_differ() -> None:
    noise = np.random.default_rng(1).normal(0, 0.01, 30)
    up = slope_of(np.linspace(0.5, 0.9, 30) + noise)
    down = slope_of(np.linspace(0.9, 0.5, 30) + noise)
    both = slope_of(np.abs(np.linspace(-0.4, 0.4, 30)) + noise)
    words = [verdict_of(slope, less_is_better=False) for slope in (up, down, both)]
    assert words == ["improving", "declining", "stable"]
    assert up is not None and down is not None
    assert up.slope == pytest.approx(0.4 / 29, rel=0.05)
    assert down.slope == pytest.approx(-0.4 / 29, rel=0.05)
    assert verdict_of(down, less_is_better=True) == "improving"


def test_few_or_constant_values_have_an_answer() -> None:
    assert slope_of(np.array([])) is None
    assert slope_of(np.arange(LEAST_POINTS - 1.0)) is None
    assert slope_of(np.full(30, np.nan)) is None
    constant = slope_of(np.full(30, 0.9))
    assert constant is not None
    assert (constant.slope, constant.p_value) == (0.0, 1.0)
    assert verdict_of(None, less_is_better=False) == "insufficient_data"


def test_gaps_keep_their_place_in_time() -> None:
    values = np.linspace(0.0, 49.0, 50)
    values[10:30] = np.nan
    slope = slope_of(values)
    assert slope is not None
    assert slope.slope == pytest.approx(1.0)


def test_b17_days_with_few_runs_say_less() -> None:
    """B17: each day weighed the same, whatever its number of runs."""
    values = np.full(30, 0.9)
    values += np.random.default_rng(2).normal(0, 0.005, 30)
    values[20:] = np.where(np.arange(10) % 2, 0.9, 0.0)
    counts = np.full(30, 200.0)
    counts[20:][values[20:] == 0] = 1.0
    weighed, even = slope_of(values, counts), slope_of(values)
    assert weighed is not None and even is not None
    assert abs(weighed.slope) < abs(even.slope)


def test_a_very_long_series_is_answered() -> None:
    rng = np.random.default_rng(5)
    slope = slope_of(np.linspace(0, 1, 5_000) + rng.normal(0, 0.1, 5_000))
    assert slope is not None
    assert slope.slope == pytest.approx(1 / 5_000, rel=0.1)
    assert slope.p_value < 0.01


@pytest.mark.parametrize("phi", [0.0, 0.3])
def test_few_series_without_a_trend_have_one(ar1: Noise, phi: float) -> None:
    series = ar1(20, 400, 60, phi)
    assert np.mean([found(values) <= 0.05 for values in series]) <= 0.08


@pytest.mark.slow
@pytest.mark.parametrize("points", [12, 30, 60, 120])
@pytest.mark.parametrize("phi", [0.0, 0.3])
def test_at_most_8_of_100_series_without_a_trend_have_one(
    ar1: Noise, phi: float, points: int
) -> None:
    series = ar1(21, 5_000, points, phi)
    assert np.mean([found(values) <= 0.05 for values in series]) <= 0.08


def test_clear_trends_are_found(ar1: Noise) -> None:
    noise = ar1(22, 200, 60, 0.3)
    series = noise + np.linspace(0, 3, 60)
    assert np.mean([found(values) <= 0.05 for values in series]) >= 0.9


def test_blocks_grow_with_the_series() -> None:
    assert [block_length(n) for n in (10, 30, 60, 400)] == [3, 5, 6, 11]


def test_weekdays_are_told_from_chance() -> None:
    rng = np.random.default_rng(8)
    slots = np.arange(70) % 7
    weekend = np.where(slots >= 5, -5.0, 0.0) + rng.normal(0, 1, 70)
    season = season_of(weekend, slots, 7)
    assert season is not None
    assert set(np.argsort(season.profile)[:2]) == {5, 6}
    flat = [season_of(rng.normal(0, 1, 70), slots, 7) for _ in range(300)]
    assert sum(one is not None for one in flat) <= 9
    assert season_of(np.ones(70), slots, 7) is None
    assert season_of(np.full(70, np.nan), slots, 7) is None
    assert season_of(weekend[:13], slots[:13], 7) is None
