"""Trends and seasons worked out again, one draw, pair and slot at a time."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from scipy.stats import chi2, chi2_contingency, kendalltau, kruskal, norm, rankdata, theilslopes

from sbhooks_analytics import trend
from sbhooks_analytics.season import Seasons, rate_seasons, season_of, seasons_of
from sbhooks_analytics.trend import Floats, Slope, block_length, slope_of, verdict_of

DRAWS = 1_999


def series(seed: int, n: int = 40, slope: float = 0.0) -> tuple[Floats, Floats]:
    """Values with gaps, ties and memory, and the observations behind each."""
    rng = np.random.default_rng(seed)
    noise = rng.standard_normal(n)
    noise[1:] += 0.5 * noise[:-1]
    values = np.round(noise + slope * np.arange(n), 1)
    values[rng.random(n) < 0.15] = np.nan
    return values, rng.integers(1, 40, n).astype(float)


def slope_by_hand(values: Floats, weights: Floats | None) -> Slope:
    times = np.flatnonzero(np.isfinite(values))
    kept, n = values[times], len(times)
    counts = np.ones(n) if weights is None else weights[times]
    mass = counts / (counts + np.median(counts))
    # The correlation of ranks with time, and that of blocks of neighbours in any order.
    ranks = rankdata(kept)
    lever = mass * (ranks - (ranks * mass).sum() / mass.sum())
    clock = times - times.mean()
    even = np.arange(n) - (n - 1) / 2
    block = block_length(n)
    rng = np.random.default_rng(20_260_101 + n)
    starts = rng.integers(0, n, size=(DRAWS, math.ceil(n / block)))
    centred = lever - lever.mean()
    drawn = []
    for row in starts:
        places = [(start + step) % n for start in row for step in range(block)][:n]
        drawn.append(abs((even * centred[places]).sum()))
    # The points are as far apart as if there were no gaps, up to one factor.
    sums = np.array(drawn) * math.sqrt((clock**2).sum() / (even**2).sum())
    sums *= math.sqrt(n / (n - block))
    p_value = (1 + (sums >= abs(lever @ clock) * (1 - 1e-12)).sum()) / (1 + DRAWS)
    alone = math.sqrt(lever.var() * (even**2).sum())
    wider = max(1.0, math.sqrt((sums**2).mean()) / alone)
    # Slopes of all pairs, each with the weight of both.
    pairs = sorted(
        ((kept[b] - kept[a]) / (times[b] - times[a]), mass[a] * mass[b])
        for a, b in combinations(range(n), 2)
    )
    slopes, masses = (np.array(column) for column in zip(*pairs, strict=True))
    upto = masses.cumsum() / masses.sum()
    _, ties = np.unique(kept, return_counts=True)
    kendall = n * (n - 1) * (2 * n + 5) - (ties * (ties - 1) * (2 * ties + 5)).sum()
    half = norm.ppf(0.975) * math.sqrt(kendall / 18) * wider / (2 * len(pairs))
    low = next(s for s, u in zip(slopes, upto, strict=True) if u >= 0.5 - half)
    high = next((s for s, u in zip(slopes, upto, strict=True) if u >= 0.5 + half), slopes[-1])
    above = slopes[upto >= 0.5 - 1e-12]
    middle = above[0] if abs(upto[upto >= 0.5 - 1e-12][0] - 0.5) > 1e-12 else above[:2].mean()
    return Slope(middle, min(low, middle), max(high, middle), p_value)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("slope", [0.0, 0.05])
@pytest.mark.parametrize("weighted", [False, True])
def test_slopes_are_those_by_hand(seed: int, slope: float, *, weighted: bool) -> None:
    values, weights = series(seed, slope=slope)
    found = slope_of(values, weights if weighted else None)
    assert found is not None
    assert found == pytest.approx(slope_by_hand(values, weights if weighted else None), rel=1e-9)


def test_between_two_slopes_in_the_middle_lies_their_mean() -> None:
    values = np.array([0.0, 3, 1, 7, 4, 9, 8, 2, 6, 5, 11, 14])
    assert len(list(combinations(range(12), 2))) % 2 == 0
    found = slope_of(values)
    assert found is not None
    assert found.slope == pytest.approx(theilslopes(values).slope)


def test_the_spread_of_kendalls_s_is_that_of_scipy() -> None:
    """Its z is S by the spread, so that a p-value says what the spread was."""
    rng = np.random.default_rng(3)
    for values in (rng.standard_normal(60), np.round(rng.standard_normal(60), 0)):
        result = kendalltau(np.arange(60), values, method="asymptotic")
        pairs = combinations(range(60), 2)
        s = sum(np.sign(values[b] - values[a]) for a, b in pairs)
        z = norm.isf(result.pvalue / 2)
        assert abs(s) / trend._kendall_spread(values) == pytest.approx(z, rel=1e-6)


def test_very_long_series_are_averaged_by_neighbours() -> None:
    values = np.random.default_rng(4).standard_normal(801)
    weights = np.random.default_rng(5).uniform(1, 9, 801)
    times, kept, mass = trend._condensed(values, weights)
    assert len(times) == len(kept) == len(mass) == 400
    counted = weights / (weights + np.median(weights))
    # 801 points in 400 parts: the first has three.
    assert times[:2] == pytest.approx([1.0, 3.5])
    assert kept[0] == pytest.approx(np.average(values[:3], weights=counted[:3]))
    assert kept[1] == pytest.approx(np.average(values[3:5], weights=counted[3:5]))
    assert mass.max() == 1
    assert mass[0] / mass[1] == pytest.approx(counted[:3].mean() / counted[3:5].mean())
    assert len(trend._condensed(values[:400], None)[0]) == 400
    assert trend._condensed(values[:400], None)[0] == pytest.approx(np.arange(400))


def test_ten_values_are_the_least() -> None:
    values = np.arange(10.0)
    assert slope_of(values) is not None
    assert slope_of(values[:9]) is None
    values[4] = np.nan
    assert slope_of(values) is None


@pytest.mark.parametrize(
    ("slope", "p_value", "less", "word"),
    [
        (0.1, 0.05, False, "improving"), (-0.1, 0.05, False, "declining"),
        (0.1, 0.05, True, "declining"), (-0.1, 0.05, True, "improving"),
        (0.1, 0.05, None, "improving"), (-0.1, 0.05, None, "declining"),
        (0.1, 0.0501, False, "stable"), (0.0, 0.01, True, "stable"),
    ],
)  # fmt: skip
def test_a_slope_in_a_word(slope: float, p_value: float, less: bool | None, word: str) -> None:
    assert verdict_of(Slope(slope, 0, 0, p_value), less_is_better=less) == word
    assert verdict_of(None, less_is_better=less) == "insufficient_data"


@pytest.mark.parametrize(("n", "length"), [(10, 3), (30, 5), (60, 6), (100, 7), (1_000, 15)])
def test_blocks_have_the_length_of_their_rule(n: int, length: int) -> None:
    assert block_length(n) == length


# --- seasons ---------------------------------------------------------------------------------


def weekly(seed: int, days: int = 70, effect: float = 1.0) -> Floats:
    rng = np.random.default_rng(seed)
    values = (
        rng.standard_normal(days) + effect * np.array([3, 0, 0, 0, 0, 0, -2])[np.arange(days) % 7]
    )
    values += np.arange(days) / 10  # a slow change, which is no season
    values[rng.random(days) < 0.1] = np.nan
    return values


def season_by_hand(values: Floats, slots: Floats, number: int) -> tuple[Floats, float]:
    half = max(number // 2, 1)
    rest = np.full(len(values), np.nan)
    for day, value in enumerate(values):
        near = values[max(day - half, 0) : day + half + 1]
        near = near[np.isfinite(near)]
        level = np.median(near) if len(near) > half else np.nanmedian(values)
        rest[day] = value - level
    groups = [rest[(slots == slot) & np.isfinite(rest)] for slot in range(number)]
    filled = [group for group in groups if len(group)]
    if len(filled) < 2 or min(map(len, filled)) < 3:
        return np.zeros(number), 1.0
    p_value = float(kruskal(*filled).pvalue)
    middle = np.nanmedian(rest)
    profile = [
        (np.median(group) - middle) * len(group) / (len(group) + 2) if len(group) else 0.0
        for group in groups
    ]
    return np.array(profile) if p_value < 0.01 else np.zeros(number), p_value


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("effect", "days"), [(0.0, 70), (1.0, 70), (0.3, 70), (1.0, 21), (1.0, 8)])
def test_seasons_are_those_by_hand(seed: int, effect: float, days: int) -> None:
    rows = np.array([weekly(10 * seed + number, days, effect) for number in range(3)])
    slots = np.arange(days) % 7
    found = seasons_of(rows, slots, 7)
    for row, values in enumerate(rows):
        profile, p_value = season_by_hand(values, slots, 7)
        assert found.p_value[row] == pytest.approx(p_value, rel=1e-9)
        assert found.profile[row] == pytest.approx(profile, abs=1e-12)
        alone = season_of(values, slots, 7)
        assert (alone is None) == (p_value >= 0.01)


def test_hours_of_two_days_have_a_profile_of_two_slots() -> None:
    values = np.tile([1.0, 5.0], 9) + np.random.default_rng(1).normal(0, 0.1, 18)
    slots = np.arange(18) % 2
    found = seasons_of(values[None, :], slots, 2)
    profile, p_value = season_by_hand(values, slots, 2)
    assert found.p_value[0] == pytest.approx(p_value) and p_value < 0.01
    assert found.profile[0] == pytest.approx(profile)


def rates_by_hand(n: Floats, good: Floats, slots: Floats, number: int) -> tuple[Floats, float]:
    members = [np.flatnonzero((slots == slot) & (n > 0)) for slot in range(number)]
    filled = [days for days in members if len(days)]
    table = np.array([[good[d].sum(), (n[d] - good[d]).sum()] for d in filled])
    share = table[:, 0].sum() / table.sum()
    nothing = np.zeros(number), 1.0
    if len(filled) < 2 or min(map(len, filled)) < 3 or min(share, 1 - share) == 0:
        return nothing
    if min(n[d].sum() for d in filled) * min(share, 1 - share) < 3:
        return nothing
    between = chi2_contingency(table, correction=False).statistic
    squares = sum(
        (n[d] * (good[d] / n[d] - good[d].sum() / n[d].sum()) ** 2).sum() for d in filled
    ) / (share * (1 - share))
    within = squares / (sum(map(len, filled)) - len(filled))
    p_value = float(chi2.sf(between / max(within, 1), len(filled) - 1))
    profile = [
        (good[d].sum() / n[d].sum() - share) * len(d) / (len(d) + 2) if len(d) else 0.0
        for d in members
    ]
    return np.array(profile) if p_value < 0.01 else np.zeros(number), p_value


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("mondays", "days"), [(0.9, 70), (0.6, 70), (0.8, 22), (0.6, 20)])
@pytest.mark.parametrize("varying", [0.0, 0.3])
def test_seasons_of_rates_are_those_by_hand(
    seed: int, mondays: float, days: int, varying: float
) -> None:
    rng = np.random.default_rng(seed)
    slots = np.arange(days) % 7
    n = rng.poisson(np.array([9, 12, 12, 12, 12, 3, 0])[slots]).astype(float)
    rate = np.clip(np.where(slots == 0, mondays, 0.9) + varying * rng.standard_normal(days), 0, 1)
    good = rng.binomial(n.astype(int), rate).astype(float)
    found: Seasons = rate_seasons(n[None, :], good[None, :], slots, 7)
    profile, p_value = rates_by_hand(n, good, slots, 7)
    assert found.p_value[0] == pytest.approx(p_value, rel=1e-9)
    assert found.profile[0] == pytest.approx(profile, abs=1e-12)


@pytest.mark.parametrize("sundays", [0, 1, 2, 3, 4])
def test_a_slot_that_was_seen_less_than_three_times_leaves_no_season(sundays: int) -> None:
    slots = np.arange(70) % 7
    n = np.where(slots == 6, 0, 40).astype(float)
    n[np.flatnonzero(slots == 6)[:sundays]] = 40
    good = np.where(slots == 0, n * 0.5, n * 0.9)
    values = np.where(n > 0, np.sin(np.arange(70)) / 9 + 3.0 * (slots == 0), np.nan)
    found = rate_seasons(n[None, :], good[None, :], slots, 7)
    profile, p_value = rates_by_hand(n, good, slots, 7)
    assert found.p_value[0] == pytest.approx(p_value, rel=1e-9)
    assert found.profile[0] == pytest.approx(profile, abs=1e-12)
    is_season = sundays in {0, 3, 4}
    assert (p_value < 0.01) == is_season
    assert (season_of(values, slots, 7) is not None) == is_season


def test_slots_need_three_failures_and_three_successes_to_be_expected() -> None:
    slots = np.arange(70) % 7
    for runs, usable in ((2.0, False), (3.0, True), (4.0, True)):
        n = np.full(70, runs)
        good = np.where(slots == 0, 0.0, n)  # one in seven fails: 10 n / 7 expected in each slot
        found = rate_seasons(n[None, :], good[None, :], slots, 7)
        assert (found.p_value[0] < 1) == usable == (10 * runs / 7 >= 3)
        assert found.p_value[0] == pytest.approx(rates_by_hand(n, good, slots, 7)[1], abs=1e-12)


def test_two_slots_are_the_least_that_can_differ() -> None:
    n = np.full((1, 30), 20.0)
    good = np.tile([10.0, 18.0], 15)[None, :]
    assert rate_seasons(n, good, np.arange(30) % 2, 2).p_value[0] < 0.01
    assert rate_seasons(n, good, np.zeros(30, dtype=np.int64), 2).p_value[0] == 1.0
