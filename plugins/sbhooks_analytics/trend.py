"""Does a series go up or down, beyond what chance and memory explain?

The slope is the weighted median of the slopes between all pairs of points (Theil–Sen): one bad
day does not turn it. Days count by their observations, with diminishing returns: a day with one
run says less than a day with thirty, a day with three thousand does not drown the others.

Whether it differs from zero is asked of the rank correlation with time. Its distribution without
a trend comes from a circular block bootstrap, which keeps what neighbouring days have in common;
plain regression takes that for a trend. The spread is widened by sqrt(n / (n - block)), because
few blocks vary too little. The interval of the slope is Sen's, widened alike.

"Not enough data" and "no trend" are different answers.

References:
    Sen, *Estimates of the regression coefficient based on Kendall's tau*, JASA 63 (1968).
    Jaeckel, *Estimating regression coefficients by minimizing the dispersion of the
    residuals*, Ann. Math. Statist. 43 (1972), for the weights.
    Politis & Romano, *A circular block-resampling procedure for stationary data* (1992).
    Gilbert, *Statistical Methods for Environmental Pollution Monitoring* (1987), 16.5.
"""

from __future__ import annotations

from functools import lru_cache
from math import cbrt
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, rankdata

Floats = npt.NDArray[np.float64]
Verdict = Literal["improving", "declining", "stable", "insufficient_data"]
LEAST_POINTS = 10  #: Periods with a value; with fewer, the error rates do not hold.
ALPHA = 0.05  #: Share of series without a trend that may be said to have one.
_MOST_POINTS = 400  # of which all pairs are looked at; beyond, neighbours are averaged
_DRAWS = 1_999
_SEED = 20_260_101  # the same data give the same answer


class Slope(NamedTuple):
    """A slope per period, its 95 % interval and the p-value of "there is none"."""

    slope: float
    low: float
    high: float
    p_value: float


def slope_of(values: Floats, weights: Floats | None = None) -> Slope | None:
    """Estimate and test the slope of a series.

    Args:
        values: Shape ``(n,)``; NaN for gaps.
        weights: Shape ``(n,)``; observations behind each value, equal by default.

    Returns:
        The slope in units of the values per period; ``None`` with fewer than ten values.
        A constant series has slope 0 and p-value 1.
    """
    times, kept, mass = _condensed(values, weights)
    if len(kept) < LEAST_POINTS:
        return None
    if np.ptp(kept) == 0:
        return Slope(0.0, 0.0, 0.0, 1.0)
    p_value, inflation = _test(times, kept, mass)
    slope, low, high = _theil_sen(times, kept, mass, inflation)
    return Slope(slope, low, high, p_value)


def verdict_of(found: Slope | None, *, less_is_better: bool | None) -> Verdict:
    """Put a slope into a word.

    Args:
        found: From :func:`slope_of`.
        less_is_better: As with durations; ``None`` where neither is (volumes), for which
            rising is called improving.
    """
    if found is None:
        return "insufficient_data"
    if found.p_value > ALPHA or found.slope == 0:
        return "stable"
    return "improving" if (found.slope > 0) != bool(less_is_better) else "declining"


def _condensed(values: Floats, weights: Floats | None) -> tuple[Floats, Floats, Floats]:
    """Times, values and weights without gaps; neighbours of very long series are averaged."""
    known = np.isfinite(values)
    times = np.flatnonzero(known).astype(np.float64)
    kept = values[known]
    counts = np.ones(len(kept)) if weights is None else np.maximum(weights[known], 1e-9)
    mass = counts / (counts + np.median(counts)) if len(counts) else counts
    if len(kept) > _MOST_POINTS:
        parts = np.array_split(np.arange(len(kept)), _MOST_POINTS)
        times = np.array([times[part].mean() for part in parts])
        kept = np.array([np.average(kept[part], weights=mass[part]) for part in parts])
        mass = np.array([mass[part].mean() for part in parts])
    return times, kept, mass / mass.max() if len(mass) else mass


def _test(times: Floats, values: Floats, mass: Floats) -> tuple[float, float]:
    """The p-value, and how much wider than with independent points the spread is (≥ 1)."""
    n = len(values)
    ranks = np.asarray(rankdata(values), dtype=np.float64)
    lever = mass * (ranks - np.average(ranks, weights=mass))
    clock = times - times.mean()
    observed = abs(float(lever @ clock))
    block = block_length(n)
    drawn = np.abs(_replicas(n, block) @ _centred(lever, clock))
    scale = (n / (n - block)) ** 0.5
    p_value = (1 + np.count_nonzero(drawn * scale >= observed * (1 - 1e-12))) / (1 + _DRAWS)
    alone = float(np.sqrt(np.var(lever) * np.sum((np.arange(n) - (n - 1) / 2) ** 2)))
    spread = float(np.sqrt(np.mean(drawn**2))) * scale
    return float(p_value), max(1.0, spread / alone) if alone else 1.0


def _centred(lever: Floats, clock: Floats) -> Floats:
    """The levers as if the points were equally far apart, which they are but for gaps."""
    even = np.arange(len(clock)) - (len(clock) - 1) / 2
    ratio = float(np.linalg.norm(clock) / np.linalg.norm(even))
    centred: Floats = (lever - lever.mean()) * ratio
    return centred


def block_length(n: int) -> int:
    """Neighbours that stay together in the bootstrap: 1.5 times the cube root of ``n``."""
    return max(3, round(1.5 * cbrt(n)))


@lru_cache(maxsize=64)
def _replicas(n: int, block: int) -> Floats:
    """For each draw the weight of each point in the sum over time, shape ``(draws, n)``.

    A draw is linear in the levers, so all draws of a series are one product.
    """
    rng = np.random.default_rng(_SEED + n)
    starts = rng.integers(0, n, size=(_DRAWS, -(-n // block)))
    places = (starts[:, :, None] + np.arange(block)).reshape(_DRAWS, -1)[:, :n] % n
    clock = np.arange(n) - (n - 1) / 2
    weights = np.zeros((_DRAWS, n))
    np.add.at(weights, (np.repeat(np.arange(_DRAWS), n), places.ravel()), np.tile(clock, _DRAWS))
    return weights


def _theil_sen(
    times: Floats, values: Floats, mass: Floats, inflation: float
) -> tuple[float, float, float]:
    """The slope with its 95 % interval."""
    n = len(values)
    first, second = np.triu_indices(n, 1)
    slopes = (values[second] - values[first]) / (times[second] - times[first])
    order = np.argsort(slopes, kind="stable")
    slopes, weight = slopes[order], (mass[first] * mass[second])[order]
    below = np.cumsum(weight) / weight.sum()
    half = float(norm.ppf(0.975)) * _kendall_spread(values) * inflation / (2 * len(slopes))
    places = np.searchsorted(below, [0.5 - half, 0.5 + half])
    low, high = slopes[np.clip(places, 0, len(slopes) - 1)]
    middle = float(_weighted_median(slopes, below))
    return middle, min(float(low), middle), max(float(high), middle)


def _weighted_median(ordered: Floats, below: Floats) -> float:
    """The value with half the weight on either side; the mean of two where it falls between."""
    place = int(np.searchsorted(below, 0.5 - 1e-12))
    if abs(below[place] - 0.5) < 1e-12 and place + 1 < len(ordered):
        return float((ordered[place] + ordered[place + 1]) / 2)
    return float(ordered[place])


def _kendall_spread(values: Floats) -> float:
    """Standard deviation of Kendall's S among independent points, ties considered."""
    n = len(values)
    _, ties = np.unique(values, return_counts=True)
    variance = n * (n - 1) * (2 * n + 5) - float(np.sum(ties * (ties - 1) * (2 * ties + 5)))
    return float(np.sqrt(max(variance, 0.0) / 18))
