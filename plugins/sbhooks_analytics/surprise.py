"""How surprising is a day? P-values that know how many runs stand behind it.

* **Completion rates**: beta-binomial tails. The rate of the baseline is not known exactly, and
  real rates vary from day to day more than coins do; both widen what is normal. Without either
  this is the exact binomial test.
* **Volumes**: negative binomial tails, with the dispersion of the baseline's days and the
  uncertainty of their mean; without dispersion, Poisson.
* **Durations**: the day's median, as a logarithm, against the median of the baseline's days in
  units of a robust spread, by Student's t with as few degrees of freedom as a spread from
  medians deserves.

A rate test looks at one day and at two days together, so that a drop too small for one day is
found on the next. Each function returns p-values of shape ``(skills, days)``, NaN where there is
too little data, and the direction (-1 lower, +1 higher than expected).

References:
    Kleinman, *Proportions with extraneous variance*, JASA 68 (1973), for the moments.
    Johnson, Kemp & Kotz, *Univariate Discrete Distributions*, 3rd ed., 5.1 and 6.2.2.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import betaln
from scipy.stats import nbinom, t

from sbhooks_analytics.daily import Baseline, Bools, Days, Floats, chosen, windowed
from sbhooks_analytics.season import medians

_MOST_TRIALS = 1_000.0  # more are scaled down: a rate is never known that well
_DROP_SHARE = 0.95  # of the chance of a false alarm on a rate; the rest is for rises
_ONE_DAY = 0.3  # of that chance for one day; the rest for two days together
_LEAST_SPREAD = 0.03  # 3 %: smaller differences of durations interest nobody
_MEDIAN_SQUARE = 0.4549  # of a standard normal variable
_EFFICIENCY = 0.37  # of a spread from medians, against one from squares


class Surprise(NamedTuple):
    """What one kind of test says about every day.

    Attributes:
        p_value: Of one day, or of one and two days together.
        single: Of the day alone.
        sign: -1 where it is lower than expected, +1 where it is higher.
        expected: What the baseline lets expect.
        spread: Standard deviation of what is normal, in the same unit.
    """

    p_value: Floats
    single: Floats
    sign: Floats
    expected: Floats
    spread: Floats


def rates(days: Days, baseline: Baseline, profile: Floats) -> Surprise:
    """Completion rates against the baseline's.

    Args:
        days: What happened.
        baseline: Which days to compare with.
        profile: Shape ``(skills, days)``; what the weekday adds to the rate.
    """
    one = _rate_of(days, baseline, profile, days.n, days.completed, skip=0)
    both_n = days.n + _before(days.n)
    two = _rate_of(
        days, baseline, profile, both_n, days.completed + _before(days.completed), skip=1
    )
    two_p = np.where(days.n > 0, two.p_value, np.nan)
    together = np.minimum(1.0, np.fmin(one.p_value / _ONE_DAY, two_p / (1 - _ONE_DAY)))
    return one._replace(p_value=together)


def volumes(days: Days, baseline: Baseline, factor: Floats) -> Surprise:
    """Numbers of invocations against the baseline's; ``factor`` is that of the weekday."""
    count = np.where(days.known, days.n / factor, np.nan)
    mean, variance, number = _moments(windowed(count, days.grain), chosen(baseline, days.grain))
    with np.errstate(invalid="ignore", divide="ignore"):
        extra = np.maximum(variance - mean, 0) / mean**2
        total = extra + (1 / mean + extra) / number + 1e-9
        expected = mean * factor
        size = 1 / total
        chance = size / (size + expected)
        low = nbinom.cdf(days.n, size, chance)
        high = nbinom.sf(days.n - 1, size, chance)
    p_value = np.minimum(1.0, 2 * np.minimum(low, high))
    enough = days.known & (number >= days.grain.least) & (mean > 0)
    p_value = np.where(enough, p_value, np.nan)
    spread = np.sqrt(expected + expected**2 * total)
    return Surprise(p_value, p_value, np.sign(days.n - expected), expected, spread)


def durations(days: Days, baseline: Baseline, profile: Floats) -> Surprise:
    """Median durations (logarithms) against the baseline's."""
    level = days.duration - profile
    past = np.where(chosen(baseline, days.grain), windowed(level, days.grain), np.nan)
    middle, number = medians(past)
    noise = np.pi / 2 * days.spread[:, None] ** 2
    with np.errstate(invalid="ignore", divide="ignore"):
        each = np.where(days.timed > 0, noise / np.maximum(days.timed, 1), np.nan)
        own = np.where(np.isfinite(past), windowed(each, days.grain), np.nan)
        # What a day varies by beyond its own noise: by quiet days and by busy ones alike.
        excess = (past - middle[:, :, None]) ** 2 / _MEDIAN_SQUARE - own
        between = np.maximum(medians(excess)[0], 0)
        variance = np.maximum(between + each, _LEAST_SPREAD**2)
        spread = np.sqrt(variance * (1 + np.pi / 2 / np.maximum(number, 1)))
        score = (level - middle) / spread
        # Noisy days tell little about how much precise ones vary.
        told = variance * _mean(1 / np.maximum(between[:, :, None] + own, _LEAST_SPREAD**2))
        degrees = _EFFICIENCY * number * np.minimum(told, 1) ** 2
    p_value = 2 * t.sf(np.abs(score), np.maximum(np.nan_to_num(degrees), 3))
    p_value = np.where((number >= days.grain.least) & np.isfinite(score), p_value, np.nan)
    return Surprise(p_value, p_value, np.sign(score), middle + profile, spread)


def tail(failures: Floats, trials: Floats, a: Floats, b: Floats) -> tuple[Floats, Floats]:
    """Tails of the beta-binomial distribution of failures.

    Args:
        failures: Seen, from 0 to ``trials``; whole numbers.
        trials: At most some thousands, or it takes long.
        a: First parameter of the beta distribution of the chance to fail.
        b: Second one.

    Returns:
        P(at least as many failures), P(at most as many).
    """
    mirrored = failures > trials / 2
    seen = np.where(mirrored, trials - failures, failures)
    first, second = np.where(mirrored, b, a), np.where(mirrored, a, b)
    term = np.exp(betaln(first, trials + second) - betaln(first, second))
    below, upto = np.zeros_like(term), np.zeros_like(term)
    for k in range(int(seen.max(initial=0)) + 1):
        below = np.where(k < seen, below + term, below)
        upto = np.where(k <= seen, upto + term, upto)
        term = (
            term * (trials - k) * (first + k) / ((k + 1) * (np.maximum(trials - k - 1, 0) + second))
        )
    more, less = np.clip(1 - below, 0, 1), np.clip(upto, 0, 1)
    return np.where(mirrored, less, more), np.where(mirrored, more, less)


def _rate_of(
    days: Days, baseline: Baseline, profile: Floats, n: Floats, completed: Floats, *, skip: int
) -> Surprise:
    chance, certainty, number = _failure_chance(days, baseline, skip=skip)
    with np.errstate(invalid="ignore"):
        chance = np.clip(chance - profile, 1e-4, 1 - 1e-4)
        scale = np.minimum(1.0, _MOST_TRIALS / np.maximum(n, 1))
        trials = np.round(n * scale)
        failures = np.minimum(np.round((n - completed) * scale), trials)
    usable = (n > 0) & (number >= days.grain.least) & np.isfinite(chance)
    worse, better = np.full(n.shape, np.nan), np.full(n.shape, np.nan)
    worse[usable], better[usable] = tail(
        failures[usable], trials[usable],
        (chance * certainty)[usable], ((1 - chance) * certainty)[usable],
    )  # fmt: skip
    drop, rise = worse / _DROP_SHARE, better / (1 - _DROP_SHARE)
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt(chance * (1 - chance) * (1 / np.maximum(n, 1) + 1 / (certainty + 1)))
    p_value = np.minimum(1.0, np.minimum(drop, rise))
    return Surprise(p_value, p_value, np.where(drop <= rise, -1.0, 1.0), 1 - chance, spread)


def _failure_chance(days: Days, baseline: Baseline, *, skip: int) -> tuple[Floats, Floats, Floats]:
    """Chance to fail, how surely it is known (as a number of trials), and days behind it."""
    runs = windowed(days.n, days.grain)
    used = chosen(baseline, days.grain, skip=skip) & (np.nan_to_num(runs) > 0)
    trials = np.where(used, runs, 0.0)
    failed = np.where(used, windowed(days.n - days.completed, days.grain), 0.0)
    number, total, hits = used.sum(axis=2), trials.sum(axis=2), failed.sum(axis=2)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = (hits + 0.5) / (total + 1)
        squares = np.where(used, failed**2 / np.maximum(trials, 1), 0).sum(axis=2)
        excess = (squares - hits**2 / total) / (mean * (1 - mean)) - (number - 1)
        room = total - (trials**2).sum(axis=2) / total - (number - 1)
        varies = excess > 1.645 * np.sqrt(2 * np.maximum(number - 1, 1))  # beyond chance
        common = np.clip(np.where(varies & (room > 0), excess / room, 0.0), 0.0, 0.5)
        effective = total / (1 + common * np.maximum(total / np.maximum(number, 1) - 1, 0))
        share = common + 1 / (effective + 2)  # varying from day to day, and not known exactly
        certainty = 1 / share - 1
    return np.where(total > 0, mean, np.nan), certainty, number.astype(np.float64)


def _before(values: Floats) -> Floats:
    """The day before each day; 0 before the first."""
    return np.concatenate([np.zeros((len(values), 1)), values[:, :-1]], axis=1)


def _moments(past: Floats, used: Bools) -> tuple[Floats, Floats, Floats]:
    kept = np.where(used, past, np.nan)
    mean = _mean(kept)
    number = np.isfinite(kept).sum(axis=2).astype(np.float64)
    square = np.nansum((kept - mean[:, :, None]) ** 2, axis=2)
    return mean, square / np.maximum(number - 1, 1), number


def _mean(past: Floats) -> Floats:
    number = np.isfinite(past).sum(axis=2)
    mean: Floats = np.where(number > 0, np.nansum(past, axis=2) / np.maximum(number, 1), np.nan)
    return mean
