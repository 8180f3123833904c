"""The trend of each skill: series, slope, season, and what they mean in a sentence.

Rates and durations are taken as they are (durations as logarithms, so that a slope is a
percentage), volumes as counts. Where the day of the week or the hour matters, the profile is
taken out before the slope is looked for, and reported.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec
import numpy as np

from sbhooks.errors import SbhooksError
from sbhooks.store import EventQuery, EventReader
from sbhooks.wording import count
from sbhooks_analytics.ranked import used
from sbhooks_analytics.season import ALPHA, Season, rate_seasons, season_of
from sbhooks_analytics.series import LENGTH, UNIT, Metric, Period, Series, Tallies, tallies
from sbhooks_analytics.trend import LEAST_POINTS, Floats, Verdict, slope_of, verdict_of

MOST_SKILLS = 1_000  #: The most used are looked at, unless more are asked for.
METHOD = "Theil-Sen slope; p-value from a circular block bootstrap of ranks"
LESS_IS_BETTER: dict[Metric, bool | None] = {
    "completion_rate": False, "duration": True, "invocations": None,
}  # fmt: skip
_WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_NEWEST = 5  # values that say how it is now


class Seasonality(msgspec.Struct, frozen=True, kw_only=True):
    """A dependence on the day of the week or the hour of the day (UTC).

    Attributes:
        by: ``weekday`` or ``hour``.
        highest: The slot with the highest level, as a word.
        lowest: The slot with the lowest level.
        range: Difference between the two: in the unit of the metric, for durations as a ratio.
        p_value: Of "the slot does not matter" (Kruskal–Wallis).
    """

    by: str
    highest: str
    lowest: str
    range: float
    p_value: float


class SkillTrend(msgspec.Struct, frozen=True, kw_only=True):
    """Where one figure of one skill is going.

    Attributes:
        skill_name: What was called.
        trend: ``improving``, ``declining``, ``stable`` or ``insufficient_data``.
        reason: Why there is not enough data; empty otherwise.
        slope_per_day: Change per day in the unit of the metric; for durations the relative
            change per day (0.01 is one percent longer each day). ``None`` without enough data.
        slope_low: Lower end of its 95 % interval.
        slope_high: Upper end.
        p_value: Of "there is no trend".
        level: Median of the newest quarter of the series, of at most five values.
        n: Observations behind the series.
        periods: Periods with a value.
        seasonality: Dependence on weekday or hour, where there is one.
        series: The figures themselves.
        method: How the verdict is reached.
    """

    skill_name: str
    trend: Verdict
    reason: str = ""
    slope_per_day: float | None = None
    slope_low: float | None = None
    slope_high: float | None = None
    p_value: float | None = None
    level: float | None = None
    n: int
    periods: int
    seasonality: Seasonality | None = None
    series: Series
    method: str = METHOD


class Trends(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks trend --json`` prints.

    Attributes:
        trends: One per skill: what declines first, then what improves, then the others.
        metric: The figure that was looked at.
        unit: Of its values: ``fraction``, ``seconds`` or ``count``.
        period: Length of one period.
        skills_in_all: How many skills there are; the most used of them were looked at.
    """

    trends: list[SkillTrend]
    metric: Metric
    unit: str
    period: Period
    skills_in_all: int


def trends(
    store: EventReader,
    query: EventQuery,
    *,
    metric: Metric,
    period: Period,
    now: datetime,
    limit: int = MOST_SKILLS,
) -> Trends:
    """The trends of the most used skills; those that are named in the query, or of all.

    Args:
        store: The events.
        query: Projects, skills and times to look at.
        metric: Which figure.
        period: What one point of the series is.
        now: The period that contains it is not complete and left out.
        limit: At most that many skills, the most used.
    """
    found = tallies(store, query, period=period, now=now, most=limit)
    names = query.skills or most_used(found, limit)
    order = {"declining": 0, "improving": 1, "stable": 2, "insufficient_data": 3}
    every = [trend_of(found.series(name, metric)) for name in names]
    every.sort(key=lambda one: (order[one.trend], one.p_value or 0.0, one.skill_name))
    return Trends(
        trends=every, metric=metric, unit=UNIT[metric], period=period,
        skills_in_all=len(names) if query.skills else found.of,
    )  # fmt: skip


def known_skill(store: EventReader, query: EventQuery, name: str) -> str:
    """The skill that a user means.

    Raises:
        SbhooksError: Nothing of that name was ever invoked.
    """
    known = used(store, msgspec.structs.replace(query, skills=(), since=None))
    if name in known:
        return name
    parts = sorted(skill for skill in known if name and name in skill)
    if len(parts) == 1:
        return parts[0]
    from difflib import get_close_matches

    meant = parts[:3] or get_close_matches(name[:200], known[:5_000], n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(map(repr, meant))}? " if meant else ""
    raise SbhooksError(f"no skill {name!r} is recorded. {hint}List them with: sbhooks top")


def most_used(found: Tallies, limit: int) -> list[str]:
    """The skills with the most invocations, the most used first."""
    used = {name: sum(t.n for t in periods.values()) for name, periods in found.skills.items()}
    return sorted(used, key=lambda name: (-used[name], name))[:limit]


def trend_of(series: Series) -> SkillTrend:
    """The trend of one series."""
    values, weights = arrays(series)
    season = seasonality(series, values)
    flat = values if season is None else values - season[0].profile[season[1]]
    counts = None if series.metric == "invocations" else weights
    slope = slope_of(flat, counts)
    known = int(np.isfinite(values).sum())
    days = LENGTH[series.period] / timedelta(days=1)
    return SkillTrend(
        skill_name=series.skill,
        trend=verdict_of(slope, less_is_better=LESS_IS_BETTER[series.metric]),
        reason=_reason(known, series) if slope is None else "",
        n=int(weights.sum()),
        periods=known,
        level=_level(series.values),
        seasonality=None if season is None else _seasonality(series, season[0]),
        series=series,
        slope_per_day=slope.slope / days if slope else None,
        slope_low=slope.low / days if slope else None,
        slope_high=slope.high / days if slope else None,
        p_value=slope.p_value if slope else None,
    )


def arrays(series: Series) -> tuple[Floats, Floats]:
    """Values (durations as logarithms, NaN for gaps) and observations of a series."""
    values = np.array([np.nan if v is None else v for v in series.values], dtype=np.float64)
    if series.metric == "duration":
        values = np.log(np.maximum(values, 1e-6))
    return values, np.array(series.n, dtype=np.float64)


def seasonality(series: Series, values: Floats) -> tuple[Season, list[int]] | None:
    """The profile of a series and the slot of each of its values; ``None`` without a season."""
    if series.period == "week" or not series.starts:
        return None
    if series.period == "hour":
        slots, number = [start.hour for start in series.starts], 24
    else:
        slots, number = [start.weekday() for start in series.starts], 7
    places = np.array(slots, dtype=np.int64)
    if series.metric == "completion_rate":
        n = np.array([series.n], dtype=np.float64)
        found = rate_seasons(n, np.nan_to_num(values)[None, :] * n, places, number)
        p_value = float(found.p_value[0])
        return (Season(found.profile[0], p_value), slots) if p_value < ALPHA else None
    season = season_of(values, places, number)
    return None if season is None else (season, slots)


def _seasonality(series: Series, season: Season) -> Seasonality:
    profile = season.profile
    hourly = series.period == "hour"
    high, low = int(np.argmax(profile)), int(np.argmin(profile))
    width = float(profile[high] - profile[low])
    return Seasonality(
        by="hour" if hourly else "weekday",
        highest=f"{high:02d}:00 UTC" if hourly else _WEEKDAYS[high],
        lowest=f"{low:02d}:00 UTC" if hourly else _WEEKDAYS[low],
        range=float(np.exp(min(width, 50.0))) if series.metric == "duration" else width,
        p_value=season.p_value,
    )


def _level(values: Iterable[float | None]) -> float | None:
    """How it is now: a longer stretch would hide what changed a week ago."""
    known = [value for value in values if value is not None]
    newest = min(max(len(known) // 4, 1), _NEWEST)
    return float(np.median(known[-newest:])) if known else None


def _reason(known: int, series: Series) -> str:
    return (
        f"not enough data: {count(known, f'complete {series.period}')} with a value, "
        f"{LEAST_POINTS} are needed"
    )
