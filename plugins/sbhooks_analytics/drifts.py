"""Which skills have drifted: completion rates and durations, day by day.

Rates are compared on the arcsine scale, durations as logarithms, after the profile of the
weekday where there is one; a day weighs by its runs, with diminishing returns. All series share one
budget of false alarms.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import numpy as np

from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.anomalies import PER_MONTH
from sbhooks_analytics.anomaly_findings import back
from sbhooks_analytics.arcsine import angle_of, rate_of
from sbhooks_analytics.daily import DAYS_A_MONTH, Days, Floats, days_of
from sbhooks_analytics.drift import LEAST_POINTS, drifts_of
from sbhooks_analytics.season import seasons_of
from sbhooks_analytics.series import Metric, tallies
from sbhooks_analytics.tracks import MOST_SKILLS
from sbhooks_analytics.trends import most_used

METHOD = "exponentially weighted average of self-starting scores, a tenth on the newest"
WINDOW = timedelta(days=60)  #: In which a drift was noticed, when nothing is said.
_BEFORE = timedelta(days=120)  # from which levels are known
_LEAST_DAYS = 2 * LEAST_POINTS


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """A level that moved away slowly.

    Attributes:
        skill_name: What was called.
        metric: ``completion_rate`` (fraction) or ``duration`` (seconds).
        direction: ``better``, ``worse``, ``faster`` or ``slower``.
        started_at: The day on which it began, as far as that can be told.
        detected_at: The day on which it was noticed.
        before: Level of the days before.
        after: Level from the begin to the day on which it was noticed.
        score: The average at that day in units of its limit; at least 1.
        n: Days with data.
    """

    skill_name: str
    metric: Metric
    direction: str
    started_at: datetime
    detected_at: datetime
    before: float
    after: float
    score: float
    n: int


class Drifts(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks drift --json`` prints.

    Attributes:
        drifts: The newest first.
        series: Series that were long enough: 28 days with data.
        skills: Skills that were looked at, the most used.
        skills_in_all: How many there are.
        run_length_days: Days between two false alarms of one series, on average.
        false_alarms_per_month: To expect at most, over all series.
        reason: Why there is nothing to say; empty otherwise.
        method: How drifts are found.
    """

    drifts: list[Drift]
    series: int
    skills: int
    skills_in_all: int
    run_length_days: float
    false_alarms_per_month: float
    reason: str = ""
    method: str = METHOD


class Level(NamedTuple):
    """A series whose level is looked at; one entry per day with data, of so many runs mostly."""

    skill: str
    metric: Metric
    days: list[datetime]
    values: Floats
    weights: Floats
    typical: float


def drifts(
    store: EventReader, query: EventQuery, *, now: datetime, per_month: float = PER_MONTH
) -> Drifts:
    """Find what drifted.

    Args:
        store: The events.
        query: Projects, skills and times in which a drift was noticed; 60 days when it does not
            say since when.
        now: Today is not complete, and left out.
        per_month: False alarms to expect at most in a month, over all series.
    """
    since = now - WINDOW if query.since is None else query.since
    wide = msgspec.structs.replace(query, since=back(since, _BEFORE))
    found = tallies(store, wide, period="day", now=now, most=MOST_SKILLS)
    days = days_of(found, list(query.skills) or most_used(found, MOST_SKILLS))
    series = list(levels_of(days))
    length = run_length(len(series), per_month)
    made = [
        one for level in series for one in _drifts(level, length) if one.detected_at >= since
    ]  # fmt: skip
    made.sort(key=lambda one: (one.detected_at, one.score), reverse=True)
    all_days = (now - back(since, _BEFORE)).days
    reason = "" if series else (
        f"not enough data: no skill was used on {_LEAST_DAYS} complete days of the last {all_days}"
    )  # fmt: skip
    return Drifts(
        drifts=made, series=len(series), skills=len(days.skills),
        skills_in_all=max(found.of, len(days.skills)), run_length_days=length,
        false_alarms_per_month=per_month, reason=reason,
    )  # fmt: skip


def run_length(series: int, per_month: float) -> float:
    """Days between two false alarms that each of so many series may have."""
    return max(series, 1) * DAYS_A_MONTH / per_month


def levels_of(days: Days) -> Iterator[Level]:
    """Rates and durations of each skill that was used on 28 days, ready to be compared."""
    slots = np.array([start.weekday() for start in days.starts], dtype=np.int64)
    angles = angle_of(days.completed, days.n)
    figures: tuple[tuple[Metric, Floats, Floats], ...] = (
        ("completion_rate", angles, days.n),
        ("duration", days.duration, days.timed),
    )
    for metric, values, mass in figures:
        profiles = seasons_of(values, slots, 7).profile[:, slots]
        for row, skill in enumerate(days.skills):
            used = np.flatnonzero(np.isfinite(values[row]))
            if len(used) >= _LEAST_DAYS:
                own = mass[row, used]
                yield Level(
                    skill, metric, [days.starts[place] for place in used],
                    (values - profiles)[row, used], own / (own + np.median(own)),
                    float(np.median(own)),
                )  # fmt: skip


def _drifts(level: Level, length: float) -> Iterator[Drift]:
    rising, falling = (
        ("slower", "faster") if level.metric == "duration" else ("better", "worse")
    )  # fmt: skip
    for one in drifts_of(level.values, level.weights, run_length=length):
        yield Drift(
            skill_name=level.skill,
            metric=level.metric,
            direction=rising if one.score > 0 else falling,
            started_at=level.days[one.start],
            detected_at=level.days[one.alarm],
            before=_shown(level, one.before),
            after=_shown(level, one.after),
            score=abs(one.score),
            n=len(level.values),
        )


def _shown(level: Level, value: float) -> float:
    if level.metric == "duration":
        return float(np.exp(np.clip(value, -20, 21)))
    return rate_of(value, level.typical)
