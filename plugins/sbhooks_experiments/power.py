"""How many units an experiment needs, what it can detect, and how long that takes.

For a fixed horizon the power is that of a two-sample t test (noncentral t). For results that are
read at any time it is the power at the last look alone, which is less than what is reached:
a difference may show earlier.

References:
    Chow, Shao & Wang, *Sample Size Calculations in Clinical Research*, 2008, chapter 3.
"""

from __future__ import annotations

import math

from sbhooks_experiments import sequential

_MOST = 10**9
LEAST_DAYS = 1 / 24  #: Below that the pace of units says nothing about the days to come.


def power_of(
    effect: float, variance: float, units: int, *, ratio: float, alpha: float, any_time: bool
) -> float:
    """The probability of finding a difference.

    Args:
        effect: The true difference, in the metric's unit.
        variance: Between units of one variant, the same in both.
        units: Of both variants together.
        ratio: Share of them with the treatment.
        alpha: Level of the test.
        any_time: Whether the result may be read at any time.
    """
    from scipy.special import nctdtr, stdtrit

    treated, control = units * ratio, units * (1 - ratio)
    df = units - 2
    if min(treated, control) < 2:
        return 0.0
    if variance <= 0:
        return 1.0 if effect else alpha
    noncentral = abs(effect) / math.sqrt(variance * (1 / treated + 1 / control))
    if noncentral > 37:  # beyond what the distribution function can be computed for
        return 1.0
    critical = _critical(df, alpha) if any_time else float(stdtrit(df, 1 - alpha / 2))
    above = 1 - float(nctdtr(df, noncentral, critical))
    below = float(nctdtr(df, noncentral, -critical))
    return min(1.0, above + (below if math.isfinite(below) else 0.0))


def required_units(
    effect: float, variance: float, *, ratio: float, alpha: float, power: float, any_time: bool
) -> int:
    """The least number of units of both variants that finds a difference with some power."""

    def enough(units: int) -> bool:
        reached = power_of(effect, variance, units, ratio=ratio, alpha=alpha, any_time=any_time)
        return reached >= power

    low, high = 4, 8
    while not enough(high):
        low, high = high, high * 2
        if high > _MOST:
            return _MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def detectable(
    variance: float, units: int, *, ratio: float, alpha: float, power: float, any_time: bool
) -> float | None:
    """The smallest difference that so many units find with some power.

    Returns:
        ``None`` for too few units, or where units do not differ.
    """
    if min(units * ratio, units * (1 - ratio)) < 2 or variance <= 0:
        return None
    low, high = 0.0, math.sqrt(variance)
    for _ in range(60):
        if power_of(high, variance, units, ratio=ratio, alpha=alpha, any_time=any_time) >= power:
            break
        low, high = high, high * 2
    for _ in range(60):
        middle = (low + high) / 2
        reached = power_of(middle, variance, units, ratio=ratio, alpha=alpha, any_time=any_time)
        low, high = (low, middle) if reached >= power else (middle, high)
    return high


def days_left(units: int, arrived: int, days: float) -> float | None:
    """How long further units take to arrive at the pace so far; ``None`` where there is none.

    Args:
        units: Still needed.
        arrived: Units so far.
        days: Since the first of them.
    """
    return None if arrived < 2 or days < LEAST_DAYS else units * days / arrived


def _critical(df: float, alpha: float) -> float:
    """What a t statistic must exceed when the planned number of units is reached."""
    k = sequential.tuning(2, alpha) * 2
    z = math.sqrt((k + 1) / k * (math.log(k + 1) - 2 * math.log(alpha)))
    return sequential.t_equivalent(z, df)
