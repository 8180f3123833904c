"""Has the level of a series drifted away, by too little a day for anybody to notice?

Each point is compared with all points before it, in units of their spread, and the result is
brought to the normal distribution (self-starting). Of a series whose level stays, these scores
are independent and standard normal, whatever the level and the spread are. They are averaged
exponentially (EWMA, a tenth of the weight on the newest): a small shift that lasts adds up, single
outliers do not, because scores count up to 3 only.

The limit follows from the run length between false alarms that is wanted, by the chain of Brook
& Evans. Where neighbouring points resemble each other, it is widened accordingly. After an alarm
the comparison begins anew where the drift began.

References:
    Roberts, *Control chart tests based on geometric moving averages*, Technometrics 1 (1959).
    Hawkins, *Self-starting cusum charts for location and scale*, The Statistician 36 (1987).
    Brook & Evans, *An approach to the probability distribution of cusum run length*,
    Biometrika 59 (1972). Lucas & Saccucci, *Exponentially weighted moving average control
    schemes*, Technometrics 32 (1990).
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import norm, t

Floats = npt.NDArray[np.float64]
WEIGHT = 0.1  #: Of the newest score in the average.
LEAST_POINTS = 14  #: That a level is known from before anything is compared with it.
_MOST_SCORE = 3.0
_STATES = 61
_MOST_MEMORY = 0.6


class Shift(NamedTuple):
    """A drift.

    Attributes:
        start: The first point behind the last sign of the old level.
        alarm: The point at which it was noticed.
        before: Mean of the points before ``start``, since the shift before.
        after: Mean of the points from ``start`` to ``alarm``.
        score: The average at the alarm, in units of its limit: 1 or more, negative downwards.
    """

    start: int
    alarm: int
    before: float
    after: float
    score: float


def drifts_of(values: Floats, weights: Floats | None = None, *, run_length: float) -> list[Shift]:
    """Find the drifts of a series, oldest first.

    Args:
        values: Shape ``(n,)``, without NaN, oldest first.
        weights: Shape ``(n,)``; inverse variances up to a factor, equal by default.
        run_length: Points between two false alarms, on average; more than 10.
    """
    mass = np.ones(len(values)) if weights is None else weights
    limit = limit_of(run_length)
    found: list[Shift] = []
    first = 0
    while True:
        scores = scores_of(values[first:], mass[first:])
        place = _alarm(scores, limit * memory_of(scores))
        if place is None:
            return found
        alarm, onset, score = place
        start = first + max(onset, LEAST_POINTS)
        found.append(Shift(
            start, first + alarm,
            _mean(values, mass, slice(first, start)),
            _mean(values, mass, slice(start, first + alarm + 1)), score,
        ))  # fmt: skip
        first = start


def scores_of(values: Floats, weights: Floats) -> Floats:
    """How far each point lies from all before it: standard normal while the level stays.

    Returns:
        Shape ``(n,)``; NaN for the first 14, and while there is no spread.
    """
    n = len(values)
    mass = np.concatenate([[0.0], np.cumsum(weights)[:-1]])
    sums = np.concatenate([[0.0], np.cumsum(weights * values)[:-1]])
    squares = np.concatenate([[0.0], np.cumsum(weights * values**2)[:-1]])
    degrees = np.arange(n) - 1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = sums / mass
        variance = np.maximum(squares - sums * mean, 0.0) / degrees
        ratio = (values - mean) / np.sqrt(variance * (1 / weights + 1 / mass))
    usable = (np.arange(n) >= LEAST_POINTS) & (variance > 1e-12 * np.maximum(mean**2, 1e-12))
    scores = np.full(n, np.nan)
    scores[usable] = norm.isf(t.sf(ratio[usable], degrees[usable]))
    kept: Floats = np.clip(scores, -_MOST_SCORE, _MOST_SCORE)
    return kept


def memory_of(scores: Floats) -> float:
    """By how much resemblance of neighbours widens the spread of their average; 1 without."""
    known = scores[np.isfinite(scores)]
    if len(known) < 2 * LEAST_POINTS:
        return 1.0
    rest = known - np.median(known)
    phi = float(rest[1:] @ rest[:-1]) / max(float(rest @ rest), 1e-12)
    phi = float(np.clip(phi, 0.0, _MOST_MEMORY))
    keep = 1 - WEIGHT
    return float(np.sqrt((1 + keep * phi) / (1 - keep * phi)))


@lru_cache(maxsize=32)
def limit_of(run_length: float) -> float:
    """Standard deviations of the average at which there is one false alarm in so many points."""
    low, high = 1.0, 8.0
    for _ in range(24):  # to a millionth
        middle = (low + high) / 2
        low, high = (middle, high) if run_length_of(middle) < run_length else (low, middle)
    return high


def run_length_of(limit: float, weight: float = WEIGHT) -> float:
    """Mean number of points until a false alarm, from the average's start at 0.

    Args:
        limit: In standard deviations of the average.
        weight: Of the newest score.
    """
    edge = limit * np.sqrt(weight / (2 - weight))
    width = 2 * edge / _STATES
    middles = -edge + width * (np.arange(_STATES) + 0.5)
    ends = np.append(middles - width / 2, edge)
    upto = norm.cdf((ends[None, :] - (1 - weight) * middles[:, None]) / weight)
    stays = np.diff(upto, axis=1)
    lengths = np.linalg.solve(np.eye(_STATES) - stays, np.ones(_STATES))
    return float(lengths[_STATES // 2])


def _alarm(scores: Floats, limit: float) -> tuple[int, int, float] | None:
    """The first point beyond the limit, where the way there began, and how far beyond it is."""
    average, onset = 0.0, 0
    edge = limit * np.sqrt(WEIGHT / (2 - WEIGHT))
    for place, score in enumerate(scores):
        if not np.isfinite(score):
            continue
        before = average
        average = (1 - WEIGHT) * average + WEIGHT * float(score)
        if before == 0 or (before < 0) != (average < 0):
            onset = place
        if abs(average) > edge:
            return place, onset, float(average / edge)
    return None


def _mean(values: Floats, mass: Floats, part: slice) -> float:
    return float(np.average(values[part], weights=mass[part]))
