"""Every figure about an unusual day, worked out again for one day at a time with scipy alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

import numpy as np
import pytest
from scipy.stats import betabinom, chi2_contingency, nbinom, t

from sbhooks_analytics.daily import DAY, Baseline, Days, Floats, first_baseline
from sbhooks_analytics.surprise import Surprise, durations, rates, volumes

START = datetime(2026, 1, 5, tzinfo=UTC)


class Told(NamedTuple):
    """What one kind of test says of one day; ``p_value`` is NaN where it says nothing."""

    p_value: float
    single: float
    sign: float
    expected: float
    spread: float


class Case(NamedTuple):
    """Days, what they are compared with, and what is added to or taken from what is expected."""

    days: Days
    baseline: Baseline
    profile: Floats


def case(seed: int, *, per_day: float = 12, varying: float = 0.0) -> Case:
    """Four skills of 75 days: with gaps, days off, unusual days, and windows of all sizes."""
    rng = np.random.default_rng(seed)
    shape = 4, 75
    n = rng.poisson(per_day * rng.gamma(4, 1 / 4, shape)).astype(float)
    n[rng.random(shape) < 0.15] = 0
    rate = np.clip(0.85 + varying * rng.standard_normal(shape), 0, 1)
    completed = rng.binomial(n.astype(int), rate).astype(float)
    timed = np.maximum(n - rng.integers(0, 3, shape), 0)
    duration = np.where(timed > 0, rng.normal(0, 0.5, shape), np.nan)
    known = rng.random(shape) < 0.95
    days = Days(
        list("abcd"), [START + timedelta(days=day) for day in range(75)], n, completed, duration,
        timed, np.array([0.0, 0.2, 0.4, 1.0]), known,
    )  # fmt: skip
    columns = np.broadcast_to(np.arange(75), shape)
    first = np.maximum(columns - rng.integers(15, 90, shape), 0)
    end = columns - np.where(rng.random(shape) < 0.2, rng.integers(0, 5, shape), 0)
    return Case(days, Baseline(first, end, rng.random(shape) < 0.9), rng.normal(0, 0.03, shape))


def window(one: Case, row: int, day: int, skip: int = 0) -> list[int]:
    """The days that a day is compared with."""
    end = min(int(one.baseline.end[row, day]), day - skip)
    return [
        other for other in range(max(day - DAY.look_back, int(one.baseline.first[row, day])), end)
        if one.baseline.usual[row, other]
    ]  # fmt: skip


def rate_of(one: Case, row: int, day: int, n: int, completed: int, skip: int) -> Told:
    runs, done = one.days.n[row], one.days.completed[row]
    used = [other for other in window(one, row, day, skip) if runs[other] > 0]
    if len(used) < DAY.least or n == 0:
        return Told(math.nan, math.nan, 0, math.nan, math.nan)
    trials, failed = runs[used], runs[used] - done[used]
    total, days = trials.sum(), len(used)
    chance = (failed.sum() + 0.5) / (total + 1)
    # Pearson's chi-square of the days, with the variance of the estimate above.
    share = failed.sum() / total
    pearson = (trials * (failed / trials - share) ** 2).sum() / (chance * (1 - chance))
    beyond = pearson - (days - 1)
    room = total - (trials**2).sum() / total - (days - 1)
    common = 0.0
    if beyond > 1.645 * math.sqrt(2 * (days - 1)) and room > 0:
        common = min(beyond / room, 0.5)
    effective = total / (1 + common * max(total / days - 1, 0))
    certainty = 1 / (common + 1 / (effective + 2)) - 1
    chance = min(max(chance - one.profile[row, day], 1e-4), 1 - 1e-4)
    a, b = chance * certainty, (1 - chance) * certainty
    drop = betabinom.sf(n - completed - 1, n, a, b) / 0.95
    rise = betabinom.cdf(n - completed, n, a, b) / 0.05
    spread = math.sqrt(chance * (1 - chance) * (1 / n + 1 / (certainty + 1)))
    p_value = min(1.0, drop, rise)
    return Told(p_value, p_value, -1 if drop <= rise else 1, 1 - chance, spread)


def rate(one: Case, row: int, day: int) -> Told:
    n, done = one.days.n[row].astype(int), one.days.completed[row].astype(int)
    alone = rate_of(one, row, day, n[day], done[day], 0)
    before = day - 1 if day else None
    both = (n[day] + n[before], done[day] + done[before]) if day else (n[day], done[day])
    two = rate_of(one, row, day, *both, 1).p_value if n[day] else math.nan
    known = [p for p in (alone.p_value / 0.3, two / 0.7) if not math.isnan(p)]
    return alone._replace(p_value=min(1.0, *known) if known else math.nan)


def volume(one: Case, row: int, day: int) -> Told:
    days, factor = one.days, 1 + one.profile
    used = [other for other in window(one, row, day) if days.known[row, other]]
    if len(used) < DAY.least or not days.known[row, day]:
        return Told(math.nan, math.nan, 0, math.nan, math.nan)
    counts = days.n[row, used] / factor[row, used]
    mean, variance = counts.mean(), counts.var(ddof=1)
    extra = max(variance - mean, 0) / mean**2
    total = extra + (1 / mean + extra) / len(used)
    expected = mean * factor[row, day]
    model = nbinom(1 / total, 1 / (1 + expected * total))
    n = days.n[row, day]
    p_value = min(1.0, 2 * model.cdf(n), 2 * model.sf(n - 1))
    return Told(p_value, p_value, np.sign(n - expected), expected, model.std())


def duration(one: Case, row: int, day: int) -> Told:
    days = one.days
    level = days.duration[row] - one.profile[row]
    used = [other for other in window(one, row, day) if math.isfinite(level[other])]
    if len(used) < DAY.least or not math.isfinite(level[day]):
        return Told(math.nan, math.nan, 0, math.nan, math.nan)
    own = math.pi / 2 * days.spread[row] ** 2 / days.timed[row]  # of a median, by its own runs
    middle = np.median(level[used])
    between = max(np.median((level[used] - middle) ** 2 / 0.4549 - own[used]), 0)
    variance = max(between + own[day], 0.03**2)
    spread = math.sqrt(variance * (1 + math.pi / 2 / len(used)))
    told = np.mean(variance / np.maximum(between + own[used], 0.03**2))
    degrees = max(0.37 * len(used) * min(told, 1) ** 2, 3)
    score = (level[day] - middle) / spread
    p_value = 2 * t.sf(abs(score), degrees)
    return Told(p_value, p_value, np.sign(score), middle + one.profile[row, day], spread)


def agree(found: Surprise, one: Case, by_hand: Callable[[Case, int, int], Told]) -> int:
    """Compare every day; returns how many had an answer."""
    answered = 0
    for row in range(len(one.days.skills)):
        for day in range(len(one.days.starts)):
            told = by_hand(one, row, day)
            if math.isnan(told.p_value):
                assert math.isnan(found.p_value[row, day]), (row, day)
                continue
            answered += 1
            for name, expected in told._asdict().items():
                if not math.isnan(expected):
                    figure = getattr(found, name)[row, day]
                    assert figure == pytest.approx(expected, rel=1e-6, abs=1e-9), (name, row, day)
    return answered


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("varying", [0.0, 0.2])
def test_rates_are_those_by_hand(seed: int, varying: float) -> None:
    one = case(seed, varying=varying)
    assert agree(rates(one.days, one.baseline, one.profile), one, rate) > 100


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("per_day", [3, 30])
def test_volumes_are_those_by_hand(seed: int, per_day: float) -> None:
    one = case(seed, per_day=per_day)
    assert agree(volumes(one.days, one.baseline, 1 + one.profile), one, volume) > 100


@pytest.mark.parametrize("seed", range(3))
def test_durations_are_those_by_hand(seed: int) -> None:
    with np.errstate(divide="ignore", invalid="ignore"):  # days without a run have no error
        one = case(seed)
        assert agree(durations(one.days, one.baseline, one.profile), one, duration) > 100


def test_days_that_vary_like_coins_know_their_rate_by_all_their_runs() -> None:
    """Without more variation than chance has, the sum of the runs says how sure the rate is."""
    failed = np.array([2.0, 1.0, 2.0, 3.0] * 5)
    n = np.full((1, 21), 20.0)
    completed = np.append(20 - failed, 10.0)[None, :]
    table = np.array([failed, 20 - failed])
    assert chi2_contingency(table).statistic < 19 + 1.645 * math.sqrt(38)
    days = Days(
        ["a"], [START + timedelta(days=day) for day in range(21)], n, completed,
        np.full((1, 21), np.nan), n * 0, np.zeros(1), np.ones((1, 21), dtype=bool),
    )  # fmt: skip
    found = rates(days, first_baseline((1, 21)), np.zeros((1, 21)))
    chance = 40.5 / 401
    expected = betabinom.sf(9, 20, chance * 401, (1 - chance) * 401) / 0.95
    assert found.single[0, -1] == pytest.approx(expected, rel=1e-9)


def test_very_many_runs_are_scaled_down_to_a_thousand() -> None:
    n = np.full((1, 21), 100_000.0)
    completed = n * 0.9
    completed[0, -1] = 100_000 * 0.88
    days = Days(
        ["a"], [START + timedelta(days=day) for day in range(21)], n, completed,
        np.full((1, 21), np.nan), n * 0, np.zeros(1), np.ones((1, 21), dtype=bool),
    )  # fmt: skip
    found = rates(days, first_baseline((1, 21)), np.zeros((1, 21)))
    chance = (200_000 + 0.5) / 2_000_001
    a, b = chance * 2_000_001, (1 - chance) * 2_000_001
    expected = betabinom.sf(119, 1_000, a, b) / 0.95
    assert found.single[0, -1] == pytest.approx(expected, rel=1e-6)
