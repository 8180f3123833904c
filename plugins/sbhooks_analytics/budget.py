"""One budget of false alarms for all skills, figures and days.

The Benjamini–Hochberg procedure over all tests of a day, with weights: completion rates get
two thirds of the budget, volumes and durations a sixth each.

References:
    Benjamini & Hochberg, *Controlling the false discovery rate*, JRSS B 57 (1995).
    Genovese, Roeder & Wasserman, *False discovery control with p-value weighting*,
    Biometrika 93 (2006).
"""

from __future__ import annotations

import numpy as np

from sbhooks_analytics.daily import DAY, Bools, Floats, Grain


def adjusted(p_values: Floats, weights: Floats | None = None) -> Floats:
    """Adjusted p-values along the first axis.

    Args:
        p_values: Shape ``(tests, ...)``; NaN where there is no test.
        weights: Shape ``(tests,)``; scaled to a mean of 1 over the tests there are.

    Returns:
        The smallest level at which each test is a discovery, shape as of ``p_values``.
    """
    flat = p_values.reshape(len(p_values), -1)
    there = np.isfinite(flat)
    number = there.sum(axis=0)
    if weights is not None:
        mass = np.where(there, weights[:, None], 0.0)
        mean = mass.sum(axis=0) / np.maximum(number, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            flat = flat * mean / weights[:, None]
    filled = np.where(there, flat, np.inf)
    order = np.argsort(filled, axis=0, kind="stable")
    ranks = np.arange(1, len(flat) + 1)[:, None]
    stepped = np.take_along_axis(filled, order, axis=0) * number / ranks
    level = np.minimum.accumulate(stepped[::-1], axis=0)[::-1]
    back = np.empty_like(level)
    np.put_along_axis(back, order, level, axis=0)
    found: Floats = np.where(there, np.minimum(back, 1.0), np.nan).reshape(p_values.shape)
    return found


def alarms(p_values: Floats, weights: Floats, *, per_month: float, grain: Grain = DAY) -> Bools:
    """Which tests raise an alarm.

    Args:
        p_values: Shape ``(tests, days)``.
        weights: Shape ``(tests,)``.
        per_month: False alarms to expect at most in a month, over all tests.
        grain: What a column is.
    """
    with np.errstate(invalid="ignore"):
        raised: Bools = adjusted(p_values, weights) <= min(per_month / grain.a_month, 1.0)
    return raised
