"""The detector: error rates, localisation, and the statistic against brute force."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import comb
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from sbhooks_analytics.change import LEAST_SIDE, Floats, _ratios, best_split, changes_of

Noise = Callable[..., Floats]


def share_with_change(series: Floats) -> float:
    return float(np.mean([bool(changes_of(values)) for values in series]))


def localised(histories: int, seed: int, step: float = 2.0) -> tuple[float, float]:
    """Shares of steps in 100 points found at the exact point, and not found at all."""
    rng = np.random.default_rng(seed)
    exact = missed = 0
    for _ in range(histories):
        place = int(rng.integers(20, 80))
        found = changes_of(rng.standard_normal(100) + step * (np.arange(100) >= place))
        exact += any(change.place == place for change in found)
        missed += not found
    return exact / histories, missed / histories


@given(
    values=st.lists(st.floats(-9, 9).map(lambda x: round(x, 2)), min_size=12, max_size=30),
    weights=st.booleans(),
)
def test_the_statistic_is_the_t_of_scipy(values: list[float], weights: bool) -> None:
    row, n = np.array(values), len(values)
    if np.ptp(row) < 0.1:
        return
    ratios = _ratios(row[None, :], np.ones(n) * (3.0 if weights else 1.0))[0]
    for number, ratio in enumerate(ratios):
        place = number + LEAST_SIDE
        if np.ptp(row[:place]) and np.ptp(row[place:]):
            expected = ttest_ind(row[:place], row[place:]).statistic ** 2
            assert ratio == pytest.approx(expected, rel=1e-6, abs=1e-9)


def test_short_and_constant_series_have_no_change() -> None:
    assert changes_of(np.array([])) == []
    assert changes_of(np.arange(9.0)) == []
    assert changes_of(np.full(200, 3.0)) == []
    assert best_split(np.full(200, 3.0), np.ones(200)) is None


def test_a_step_without_noise_is_found_where_it_is() -> None:
    (one,) = changes_of(np.repeat([1.0, 2.0], [7, 7]))
    assert (one.place, one.before, one.after) == (7, 1.0, 2.0)


def test_several_steps_are_found_in_order() -> None:
    noise = np.random.default_rng(2).normal(0, 0.2, 150)
    found = changes_of(noise + np.repeat([0.0, 2.0, 1.0], 50))
    assert [change.place for change in found] == [50, 100]
    assert [round(change.after) for change in found] == [2, 1]
    assert all(change.half_width < 0.2 for change in found)


def test_single_outliers_are_no_change() -> None:
    values = np.random.default_rng(3).normal(0, 0.1, 100)
    values[[20, 60, 61]] = 50.0
    assert changes_of(values) == []


def test_the_same_series_gets_the_same_answer_and_only_its_newest_part_counts() -> None:
    values = np.random.default_rng(4).normal(0, 1, 3_000)
    values[2_500:] += 3
    (one,) = changes_of(values)
    assert one.place == 2_500
    assert changes_of(values) == [one]


@pytest.mark.parametrize("long", [2, 4, 8, 12])
def test_points_that_are_short_or_long_and_nothing_between_rarely_have_one(long: int) -> None:
    """Tests that wait now and then, or import something first, in a random order."""
    rng = np.random.default_rng(35)
    runs = np.concatenate([rng.normal(0, 0.2, 20 - long), rng.normal(3, 0.1, long)])
    assert share_with_change(np.array([rng.permutation(runs) for _ in range(300)])) <= 0.03


def test_no_p_value_is_smaller_than_the_orders_of_the_points_allow() -> None:
    found = best_split(np.repeat([1.0, 2.0], 5), np.ones(10))
    assert found is not None
    assert found[1] >= 1 / comb(10, 5)


def test_the_p_value_of_a_large_change_is_smaller_than_any_draw_could_say() -> None:
    steps = np.random.default_rng(1).standard_normal(200) + 4.0 * (np.arange(200) >= 100)
    found = best_split(steps, np.ones(200))
    assert found is not None
    assert found[0] == 100
    assert 0 < found[1] < 1e-6  # 499 draws alone could not say less than 1/500


@pytest.mark.parametrize(("phi", "bar"), [(0.0, 0.03), (0.3, 0.05)])
def test_few_series_without_a_change_have_one(ar1: Noise, phi: float, bar: float) -> None:
    assert share_with_change(ar1(30, 300, 100, phi)) <= bar


def test_steps_of_two_deviations_are_found() -> None:
    exact, missed = localised(150, seed=31)
    assert exact >= 0.5
    assert missed <= 0.03


def test_slow_downs_put_into_real_series_are_found() -> None:
    data = Path(__file__).parents[2] / "benchmarks" / "data" / "durations.json"
    rng = np.random.default_rng(34)
    hits = 0
    series = list(json.loads(data.read_text()).values())
    for number in range(60):
        start, place = int(rng.integers(100)), int(rng.integers(20, 80))
        values = np.log(series[number % len(series)][start : start + 100])
        found = changes_of(values + np.log(2) * (np.arange(100) >= place))
        hits += any(abs(change.place - place) <= 2 for change in found)
    assert hits >= 54


@pytest.mark.slow
@pytest.mark.parametrize("points", [20, 50, 100, 200])
@pytest.mark.parametrize(("phi", "bar"), [(0.0, 0.01), (0.3, 0.033)])
def test_1_of_100_series_without_a_change_has_one(
    ar1: Noise, phi: float, bar: float, points: int
) -> None:
    assert share_with_change(ar1(32, 4_000, points, phi)) <= bar


@pytest.mark.slow
def test_6_of_10_steps_of_two_deviations_are_placed_exactly() -> None:
    exact, missed = localised(2_000, seed=33)
    assert exact >= 0.6
    assert missed <= 0.027
