"""Does a figure depend on the day of the week or the hour of the day?

Levels are compared slot by slot with the Kruskal–Wallis test, after the median of a moving
window has taken out slow changes; a season is reported when p < 0.01 and every slot was seen at
least three times (three whole weeks of days, three whole days of hours). The profile is the
median of each slot against the median of all, shrunk towards it: with few observations a slot
says little.

References:
    Kruskal & Wallis, *Use of ranks in one-criterion variance analysis*, JASA 47 (1952).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, rankdata

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
ALPHA = 0.01  #: A season is reported below it.
_LEAST_PER_SLOT = 3
_SHRINKAGE = 2.0  # observations that speak for "like all the others"


class Season(NamedTuple):
    """How the level depends on the slot.

    Attributes:
        profile: Shape ``(slots,)``; what to subtract from a value in each slot.
        p_value: Of "the slot does not matter".
    """

    profile: Floats
    p_value: float


class Seasons(NamedTuple):
    """Seasons of many series.

    Attributes:
        profile: Shape ``(series, slots)``; 0 where there is no season.
        p_value: Shape ``(series,)``; 1 where there is too little data.
    """

    profile: Floats
    p_value: Floats


def season_of(values: Floats, slots: Ints, number: int) -> Season | None:
    """Look for a dependence on the slot.

    Args:
        values: Shape ``(n,)``; NaN for gaps.
        slots: Shape ``(n,)``; the weekday (0 to 6) or hour (0 to 23) of each value.
        number: How many slots there are.

    Returns:
        ``None`` when there is too little data, or no dependence.
    """
    found = seasons_of(values[None, :], slots, number)
    p_value = float(found.p_value[0])
    return Season(found.profile[0], p_value) if p_value < ALPHA else None


def seasons_of(values: Floats, slots: Ints, number: int) -> Seasons:
    """Look for a dependence in many series, shape ``(series, n)``; see :func:`season_of`."""
    if values.shape[1] < _LEAST_PER_SLOT * 2:
        return Seasons(np.zeros((len(values), number)), np.ones(len(values)))
    rest = values - _moving_median(values, number)
    p_value = kruskal_wallis(rest, slots, number)
    profile = np.zeros((len(values), number))
    for row in np.flatnonzero(p_value < ALPHA):
        known = np.isfinite(rest[row])
        middle = np.median(rest[row, known])
        for slot in range(number):
            group = rest[row, known & (slots == slot)]
            if len(group):
                weight = len(group) / (len(group) + _SHRINKAGE)
                profile[row, slot] = (np.median(group) - middle) * weight
    return Seasons(profile, p_value)


def rate_seasons(n: Floats, completed: Floats, slots: Ints, number: int) -> Seasons:
    """What each slot adds to a completion rate; 0 without a season.

    Rates of few runs are 0 or 1 more often than those of many, so ranks of rates would find a
    season in every quiet weekend. Counts are compared instead, by chi-square over the pooled
    counts of the slots, divided by how much more days vary within a slot than coins do.

    Args:
        n: Shape ``(series, days)``; runs.
        completed: Those that completed.
        slots: Shape ``(days,)``; from 0.
        number: How many slots there are.
    """
    member = (slots[:, None] == np.arange(number)[None, :]).astype(np.float64)
    runs, good, used = n @ member, completed @ member, (n > 0) @ member
    with np.errstate(divide="ignore", invalid="ignore"):
        overall = good.sum(axis=1) / runs.sum(axis=1)
        each = good / runs
        unit = (overall * (1 - overall))[:, None]
        between = np.nansum((each - overall[:, None]) ** 2 * runs / unit, axis=1)
        squares = np.where(n > 0, n * (completed / n - each[:, slots]) ** 2 / unit, 0.0).sum(axis=1)
        within = squares / np.maximum(used.sum(axis=1) - (used > 0).sum(axis=1), 1)
        statistic = between / np.maximum(within, 1.0)
    groups = (used > 0).sum(axis=1)
    expected = np.where(used > 0, runs * np.minimum(overall, 1 - overall)[:, None], np.inf)
    usable = (groups >= 2) & (np.where(used > 0, used, np.inf).min(axis=1) >= _LEAST_PER_SLOT)
    usable &= (expected.min(axis=1) >= 3) & np.isfinite(statistic)
    p_value = chi2.sf(np.nan_to_num(statistic), np.maximum(groups - 1, 1))
    p_value = np.where(usable, p_value, 1.0)
    shrunk = used / (used + _SHRINKAGE)
    added: Floats = np.nan_to_num((each - overall[:, None]) * shrunk)
    return Seasons(np.where(p_value[:, None] < ALPHA, added, 0.0), p_value)


def kruskal_wallis(values: Floats, slots: Ints, number: int) -> Floats:
    """P-value of "the slot does not matter" for each series; 1 with too little data.

    Args:
        values: Shape ``(series, n)``; NaN for gaps.
        slots: Shape ``(n,)``; from 0.
        number: How many slots there are.
    """
    known = np.isfinite(values)
    m = known.sum(axis=1)
    filled = np.where(known, values, np.inf)  # gaps rank last and are left out
    ranks = np.where(known, rankdata(filled, axis=1), 0.0)
    ties = rankdata(filled, axis=1, method="max") - rankdata(filled, axis=1, method="min") + 1
    member = (slots[:, None] == np.arange(number)[None, :]).astype(np.float64)
    sums, sizes = ranks @ member, known.astype(np.float64) @ member
    with np.errstate(divide="ignore", invalid="ignore"):
        squares = np.where(sizes > 0, sums**2 / sizes, 0.0).sum(axis=1)
        statistic = 12 / (m * (m + 1.0)) * squares - 3 * (m + 1)
        correction = 1 - np.where(known, ties**2 - 1.0, 0.0).sum(axis=1) / (m**3.0 - m)
        statistic = statistic / correction
    groups = (sizes > 0).sum(axis=1)
    least = np.where(sizes > 0, sizes, np.inf).min(axis=1)
    usable = (groups >= 2) & (least >= _LEAST_PER_SLOT) & np.isfinite(statistic) & (correction > 0)
    p_value = np.ones(len(values))
    p_value[usable] = chi2.sf(statistic[usable], groups[usable] - 1)
    return p_value


def _moving_median(values: Floats, width: int) -> Floats:
    """The level around each point: the median of the season's length about it."""
    half = max(width // 2, 1)
    edge = np.full((len(values), half), np.nan)
    padded = np.concatenate([edge, values, edge], axis=1)
    windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis=1)
    level, number = medians(windows)
    overall, _ = medians(values[:, None, :])
    return np.where(number > half, level, overall)  # fewer tell of single slots, not of the level


def medians(values: Floats) -> tuple[Floats, Floats]:
    """Medians along the last of three axes without NaN (NaN where all are), and their numbers."""
    ordered = np.sort(values, axis=2)  # NaN come last
    number = np.isfinite(values).sum(axis=2)
    low = np.take_along_axis(ordered, np.maximum(number - 1, 0)[:, :, None] // 2, axis=2)
    high = np.take_along_axis(
        ordered, np.minimum(number // 2, np.maximum(number - 1, 0))[:, :, None], axis=2
    )
    return ((low + high) / 2)[:, :, 0], number.astype(np.float64)
