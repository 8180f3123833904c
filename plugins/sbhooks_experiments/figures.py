"""Values of metrics as people read them."""

from __future__ import annotations

from sbhooks.wording import NOTHING, duration, percent
from sbhooks_experiments.plan import Metric


def value(metric: str, number: float | None) -> str:
    """A metric's value with its unit."""
    if number is None:
        return NOTHING
    if metric == Metric.COMPLETION_RATE:
        return percent(number)
    return duration(number) if metric == Metric.DURATION else f"{number:.2f}"


def change(metric: str, number: float | None) -> str:
    """A difference with its sign; of rates in points of a hundred."""
    if number is None:
        return NOTHING
    sign = "+" if number > 0 else "-" if number < 0 else "±"
    size = abs(number)
    if metric == Metric.COMPLETION_RATE:
        return f"{sign}{size * 100:.1f} pp"
    return f"{sign}{duration(size)}" if metric == Metric.DURATION else f"{sign}{size:.2f}"


def between(metric: str, low: float | None, high: float | None) -> str:
    """An interval of differences."""
    if low is None or high is None:
        return NOTHING
    return f"{change(metric, low)} to {change(metric, high)}"


def p_value(number: float | None) -> str:
    """A p-value; nobody needs more than two digits of it."""
    if number is None:
        return NOTHING
    if number < 0.0001:
        return "<0.0001"
    return f"{number:.4f}" if number < 0.01 else f"{number:.2f}"
