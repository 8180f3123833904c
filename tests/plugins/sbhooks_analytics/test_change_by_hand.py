"""Every step of the detector of changes, done again with scipy and statsmodels."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import gumbel_r, median_abs_deviation, rankdata, ttest_ind
from statsmodels.regression.linear_model import WLS

from sbhooks_analytics import change
from sbhooks_analytics.change import LEAST_SIDE, Change, Floats, best_split, changes_of
from sbhooks_analytics.trend import block_length

DRAWS = 499


def steps(seed: int, *levels: float, each: int = 24, noise: float = 0.5) -> Floats:
    rng = np.random.default_rng(seed)
    values = np.repeat(np.array(levels), each) + rng.normal(0, noise, each * len(levels))
    values[each // 2] += 30 * noise  # an outlier
    return values


def fitted(values: Floats, weights: Floats, place: int) -> tuple[float, float, float, float]:
    """Level before, level after, error of their difference and t, by weighted least squares."""
    design = np.column_stack([np.ones(len(values)), np.arange(len(values)) >= place])
    fit = WLS(values, design, weights=weights).fit()
    return (
        float(fit.params[0]), float(fit.params.sum()), float(fit.bse[1]), float(fit.tvalues[1]),
    )  # fmt: skip


def largest(rows: Floats) -> tuple[Floats, Floats]:
    """The largest |t| over all splits of each row, and at which split."""
    places = np.arange(LEAST_SIDE, rows.shape[1] - LEAST_SIDE + 1)
    every = np.array(
        [abs(ttest_ind(rows[:, :place], rows[:, place:], axis=1).statistic) for place in places]
    )
    return every.max(axis=0), places[every.argmax(axis=0)]


def pulled_in(values: Floats, place: int) -> Floats:
    """Outliers at four robust deviations from the median of their side."""
    sides = [values[:place], values[place:]]
    rest = np.concatenate([side - np.median(side) for side in sides])
    reach = 4 * 1.4826 * np.median(abs(rest))
    if reach == 0:
        return values
    return np.concatenate(
        [np.clip(side, np.median(side) - reach, np.median(side) + reach) for side in sides]
    )


def chance_of(observed: float, maxima: Floats) -> float:
    """Share of draws as large, or the tail of a Gumbel distribution with their moments."""
    above = int((maxima >= observed).sum())
    if above:
        return (1 + above) / (1 + DRAWS)
    scale = maxima.std() * np.sqrt(6) / np.pi
    tail = gumbel_r.sf(observed, maxima.mean() - np.euler_gamma * scale, scale)
    return float(np.clip(tail, 1e-12, 1 / (1 + DRAWS)))


def split_by_hand(values: Floats) -> tuple[int, float]:
    """The likeliest split of a series and its p-value."""
    n = len(values)
    _, (first,) = largest(values[None, :])
    calm = pulled_in(values, int(first))
    (observed,), (place,) = largest(calm[None, :])
    block = min(block_length(n), n // 3)
    rest = np.concatenate([calm[:place] - calm[:place].mean(), calm[place:] - calm[place:].mean()])
    widened = (n / (n - block)) ** (1.75 + 0.75 * np.clip(np.log(n / 20) / np.log(5), 0, 1))
    chance = chance_of(float(observed), largest(rest[change._places(n, block)])[0] * widened)
    if chance > 0.05:
        return int(place), chance
    ranks = rankdata(values)
    own = abs(ttest_ind(ranks[:place], ranks[place:]).statistic)
    best = max(own, largest(ranks[None, :])[0][0])
    orders = largest(ranks[change._orders(n)])[0]
    return int(place), max(chance, chance_of(float(best), orders), 1 / comb(n, int(place)))


@settings(max_examples=40)
@given(
    values=st.lists(st.floats(-9, 9).map(lambda x: round(x, 2)), min_size=12, max_size=25),
    seed=st.integers(0, 9),
)
def test_the_weighted_statistic_is_that_of_least_squares(values: list[float], seed: int) -> None:
    row = np.array(values)
    if np.ptp(row) < 0.1:
        return
    weights = np.random.default_rng(seed).uniform(0.2, 5, len(row))
    ratios = change._ratios(row[None, :], weights)[0]
    assert len(ratios) == len(row) - 2 * LEAST_SIDE + 1
    for number, ratio in enumerate(ratios):
        _, _, error, t = fitted(row, weights, number + LEAST_SIDE)
        if error > 1e-3:
            assert ratio == pytest.approx(t**2, rel=1e-6, abs=1e-9)


@pytest.mark.parametrize("n", [14, 24, 60, 130])
@pytest.mark.parametrize("step", [0.0, 0.6, 1.2, 6.0])
def test_the_split_and_its_p_value_are_those_by_hand(n: int, step: float) -> None:
    rng = np.random.default_rng(n)
    values = rng.standard_normal(n) + step * (np.arange(n) >= n // 3)
    values[2] += 9
    found = best_split(values, np.ones(n))
    assert found is not None
    place, chance = split_by_hand(values)
    assert found[0] == place
    # Draws may be as large as what was seen but for rounding: of the many, some.
    assert found[1] == pytest.approx(chance, rel=1e-6, abs=0.01 if chance > 0.1 else 0)


def test_series_that_are_too_short_to_have_two_sides_have_no_split() -> None:
    rng = np.random.default_rng(0)
    assert best_split(rng.standard_normal(2 * LEAST_SIDE - 1), np.ones(9)) is None
    assert best_split(rng.standard_normal(2 * LEAST_SIDE), np.ones(10)) is not None


def parts_by_hand(values: Floats, start: int, alpha: float) -> dict[int, float]:
    """Binary segmentation: each part gets its share of the error rate."""
    found = best_split(values, np.ones(len(values)))
    if found is None or found[1] > alpha:
        return {}
    place, n = found[0], len(values)
    return {
        start + place: found[1],
        **parts_by_hand(values[:place], start, alpha * place / n),
        **parts_by_hand(values[place:], start + place, alpha * (n - place) / n),
    }


def placed_by_hand(values: Floats, places: list[int]) -> list[int]:
    """Each split anew, between the one before, which has been placed, and the one behind."""
    placed = list(places)
    for number, place in enumerate(places):
        start = placed[number - 1] if number else 0
        end = next(iter(placed[number + 1 :]), len(values))
        if end - start >= 2 * LEAST_SIDE:
            calm = pulled_in(values[start:end], place - start)
            placed[number] = start + int(largest(calm[None, :])[1][0])
    return placed


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(
    "levels", [(0, 0), (0, 2), (0, 2, 0), (0, 1, 3), (0, 3, 3, 1), (0, 2, 0, 2, 0), (0, 0.7, 0)]
)
def test_the_changes_of_a_series_are_those_by_hand(seed: int, levels: tuple[float, ...]) -> None:
    values = steps(seed, *levels)
    parts = parts_by_hand(values, 0, 0.01)
    places = placed_by_hand(values, sorted(parts))
    edges = [0, *places, len(values)]
    expected = []
    for number, place in enumerate(places):
        start, end = edges[number], edges[number + 2]
        before, after, error, _ = fitted(values[start:end], np.ones(end - start), place - start)
        p_value = parts[sorted(parts)[number]]
        expected.append(Change(place, before, after, 1.96 * error, p_value))
    found = changes_of(values)
    assert [one.place for one in found] == places
    for one, told in zip(found, expected, strict=True):
        assert one == pytest.approx(told, rel=1e-6)


def test_weights_count_as_least_squares_has_them() -> None:
    values, rng = steps(5, 0, 3), np.random.default_rng(5)
    weights = rng.uniform(0.5, 2, len(values))
    (one,) = changes_of(values, weights)
    before, after, error, _ = fitted(values, weights, one.place)
    # Weights are known up to a factor: their mean is made 1.
    assert one[1:4] == pytest.approx((before, after, 1.96 * error), rel=1e-6)
    assert changes_of(values, 7 * weights) == [pytest.approx(one, rel=1e-9)]


def test_of_long_series_the_newest_thousand_points_count() -> None:
    values = np.concatenate([np.full(300, 90.0), steps(6, 0, 3, each=500)])
    weights = np.concatenate([np.full(300, 50.0), np.ones(1_000)])
    (one,), (alone,) = changes_of(values, weights), changes_of(values[300:])
    assert one == pytest.approx(alone._replace(place=alone.place + 300))


def test_the_level_of_error_can_be_chosen() -> None:
    values = np.random.default_rng(8).standard_normal(40) + 0.9 * (np.arange(40) >= 20)
    found = best_split(values, np.ones(40))
    assert found is not None and 0.01 < found[1] < 0.5
    assert changes_of(values) == []
    assert len(changes_of(values, alpha=found[1])) == 1


@pytest.mark.parametrize(("n", "block"), [(12, 3), (40, 5), (41, 1)])
def test_draws_are_circles_of_blocks(n: int, block: int) -> None:
    drawn = change._places(n, block)
    assert drawn.shape == (DRAWS, n)
    assert set(drawn.ravel()) == set(range(n))
    steps_between = np.diff(drawn, axis=1) % n
    inside = np.arange(1, n) % block != 0
    assert (steps_between[:, inside] == 1).all()
    starts = drawn[:, ::block]
    assert np.bincount(starts.ravel(), minlength=n) == pytest.approx(
        np.full(n, starts.size / n), rel=0.5
    )


def test_orders_are_permutations() -> None:
    orders = change._orders(15)
    assert orders.shape == (DRAWS, 15)
    assert (np.sort(orders, axis=1) == np.arange(15)).all()
    assert len(np.unique(orders, axis=0)) == DRAWS


def test_outliers_are_pulled_in_to_four_deviations_of_scipy() -> None:
    values = np.random.default_rng(9).standard_normal(60)
    values[[3, 50]] = 40, -40
    found = change._winsorized(values, 30)
    rest = np.concatenate(
        [values[:30] - np.median(values[:30]), values[30:] - np.median(values[30:])]
    )
    spread = median_abs_deviation(rest, center=lambda *_, **__: 0.0, scale="normal")
    assert found[3] == pytest.approx(np.median(values[:30]) + 4 * spread, rel=1e-4)
    assert found[50] == pytest.approx(np.median(values[30:]) - 4 * spread, rel=1e-4)
    kept = np.delete(np.arange(60), [3, 50])
    assert found[kept] == pytest.approx(values[kept], abs=1e-12)
    flat = np.array([1.0] * 9 + [5.0])
    assert (change._winsorized(flat, 5) == flat).all()


@pytest.mark.parametrize(
    ("n", "power"), [(10, 1.75), (20, 1.75), (100, 2.5), (500, 2.5), (20 * 5**0.5, 2.125)]
)
def test_draws_of_longer_series_are_widened_more(n: float, power: float) -> None:
    assert change._widening(n) == pytest.approx(power)  # type: ignore[arg-type]


def test_few_draws_that_are_as_large_are_counted_and_none_is_extrapolated() -> None:
    maxima = np.linspace(1, 3, DRAWS)
    for above in (1, 9, 10, 400):
        assert change._chance(float(maxima[-above]), maxima) == (1 + above) / 500
    for observed in (3.0001, 4.0, 5.0, 40.0):
        assert change._chance(observed, maxima) == pytest.approx(
            chance_of(observed, maxima), rel=1e-6
        )
    assert change._chance(1e9, maxima) == 1e-12
    assert change._chance(2.0, np.ones(DRAWS)) == 1 / 500


@pytest.mark.parametrize("unit", [1e-9, 1e-3, 1e9])
def test_the_unit_of_the_values_does_not_matter(unit: float) -> None:
    values = steps(10, 0, 2)
    (one,), (other,) = changes_of(values), changes_of(values * unit)
    assert (other.place, other.p_value) == (one.place, pytest.approx(one.p_value))
    assert other[1:4] == pytest.approx([figure * unit for figure in one[1:4]])


@pytest.mark.parametrize("step", [0.4, 0.8, 2.0])
def test_draws_have_the_spread_that_weights_give_each_point(step: float) -> None:
    """A point of four times the weight varies half as much, wherever a draw puts it."""
    rng = np.random.default_rng(11)
    weights = rng.choice([0.25, 4.0], 40)
    weights /= weights.mean()
    values = rng.standard_normal(40) / np.sqrt(weights) + step * (np.arange(40) >= 20)
    found = best_split(values, weights)
    assert found is not None
    place, chance = found
    first = int(change._ratios(values[None, :], weights)[0].argmax()) + LEAST_SIDE
    calm = pulled_in(values, first)
    before, after, _, t = fitted(calm, weights, place)
    scaled = (calm - np.where(np.arange(40) < place, before, after)) * np.sqrt(weights)
    block = block_length(40)
    draws = scaled[change._places(40, block)] / np.sqrt(weights)
    widened = (40 / (40 - block)) ** (1.75 + 0.75 * np.log(2) / np.log(5))
    blocks = chance_of(abs(t), np.sqrt(change._ratios(draws, weights).max(axis=1)) * widened)
    if blocks <= 0.05:
        orders = change._orders(40)
        ranks = rankdata(values)
        own = change._ratios(ranks[None, :], weights).max()
        mixed = change._ratios(ranks[orders], weights[orders]).max(axis=1)
        blocks = max(blocks, chance_of(float(np.sqrt(own)), np.sqrt(mixed)), 1 / comb(40, place))
    assert chance == pytest.approx(blocks, rel=1e-6)


def test_two_levels_and_nothing_else_are_as_sure_as_their_orders() -> None:
    found = best_split(np.repeat([1.0, 2.0], 20), np.ones(40))
    assert found is not None
    ranks, orders = rankdata(np.repeat([1.0, 2.0], 20)), change._orders(40)
    own = float(np.sqrt(change._ratios(ranks[None, :], np.ones(40)).max()))
    mixed = np.sqrt(change._ratios(ranks[orders], np.ones((DRAWS, 40))).max(axis=1))
    assert found == (20, pytest.approx(max(chance_of(own, mixed), 1 / comb(40, 20)), rel=1e-6))
    assert found[1] < 1e-9
