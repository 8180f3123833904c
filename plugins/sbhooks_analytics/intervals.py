"""How sure a share is."""

from __future__ import annotations

from math import sqrt
from typing import NamedTuple

_Z95 = 1.959963984540054  # the normal distribution's 97.5 % point


class Share(NamedTuple):
    """A share with its 95 % interval, all from 0 to 1."""

    rate: float
    low: float
    high: float


def wilson(hits: int, n: int) -> Share | None:
    """The share of hits among independent trials, with Wilson's score interval.

    Args:
        hits: From 0 to ``n``.
        n: Number of trials.

    Returns:
        ``None`` without trials.

    References:
        E. B. Wilson, *Probable inference, the law of succession, and statistical
        inference*, JASA 22 (1927). Recommended over the normal interval by Brown, Cai &
        DasGupta, *Interval estimation for a binomial proportion*, Statist. Sci. 16 (2001).
    """
    if n <= 0:
        return None
    rate = hits / n
    square = _Z95 * _Z95
    middle = (rate + square / (2 * n)) / (1 + square / n)
    half = _Z95 / (1 + square / n) * sqrt(rate * (1 - rate) / n + square / (4 * n * n))
    # At none and all the formula gives 0 and 1, but only up to rounding.
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == n else min(1.0, middle + half)
    return Share(rate, low, high)
