"""Other opinions about unusual times: the old z-score, and an isolation forest.

Both are kept because people know them. Neither has a known error rate: the z-score takes the
rates of hours with few runs for normally distributed and alarms in nearly every healthy history;
the forest ranks days by how easily they are told apart from the others, whatever that means.

References:
    Liu, Ting & Zhou, *Isolation forest*, ICDM 2008.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import numpy as np

from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.daily import Days, Floats, days_of
from sbhooks_analytics.series import tallies
from sbhooks_analytics.trends import most_used

_WEEK_HOURS = 168
_LEAST_HOURS = 6  # a z-score among n points cannot exceed sqrt(n - 1)
_LEAST_DAYS = 30
_MOST_SKILLS = 500
_MOST_SHOWN = 200


class Outlier(msgspec.Struct, frozen=True, kw_only=True):
    """A time that a method calls unusual.

    Attributes:
        skill_name: What was called.
        at: Begin of the hour or day, UTC.
        type: ``drop`` or ``spike``; ``pattern_shift`` where there is no direction.
        observed: The completion rate.
        baseline: Mean of the baseline.
        score: z, or the forest's score from 0 to 1, higher for more unusual.
        n: Invocations in that time.
    """

    skill_name: str
    at: datetime
    type: str
    observed: float
    baseline: float
    score: float
    n: int


class Outliers(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks anomalies list --method zscore|isolation_forest --json`` prints.

    Attributes:
        outliers: The most unusual first, at most 200.
        more: How many were left out.
        skills: Skills that were looked at, the most used.
        skills_in_all: How many there are.
        method: Which one, and its setting.
        warning: What to mind.
    """

    outliers: list[Outlier]
    more: int
    skills: int
    skills_in_all: int
    method: str
    warning: str = "this method has no known rate of false alarms"


def zscore(
    store: EventReader, query: EventQuery, *, now: datetime, threshold: float = 2.0
) -> Outliers:
    """Hours whose completion rate is far from the mean of the 7 days before them.

    Args:
        store: The events.
        query: Projects, skills and times; the last 24 hours when it does not say since when.
        now: The hour that contains it is not complete.
        threshold: Population standard deviations.
    """
    since = now - timedelta(hours=24) if query.since is None else query.since
    wide = msgspec.structs.replace(query, since=since - timedelta(hours=_WEEK_HOURS))
    found = tallies(store, wide, period="hour", now=now, most=_MOST_SKILLS)
    outliers = []
    skills = list(query.skills) or most_used(found, _MOST_SKILLS)
    for skill in skills:
        series = found.series(skill, "completion_rate")
        known = [(s, v, n) for s, v, n in zip(series.starts, series.values, series.n, strict=True)]
        for place, (start, value, n) in enumerate(known):
            if start < since or value is None:
                continue
            week = [v for s, v, _ in known[max(0, place - _WEEK_HOURS) : place] if v is not None]
            spread = float(np.std(week)) if len(week) >= _LEAST_HOURS else 0.0
            if spread > 0 and abs(z := (value - float(np.mean(week))) / spread) >= threshold:
                outliers.append(Outlier(
                    skill_name=skill, at=start, type="drop" if z < 0 else "spike", observed=value,
                    baseline=float(np.mean(week)), score=z, n=n,
                ))  # fmt: skip
    method = f"zscore, |z| ≥ {threshold:g} against the hours of 7 days"
    return _worst(outliers, len(skills), found.of, method)


def isolation_forest(store: EventReader, query: EventQuery, *, now: datetime) -> Outliers:
    """Days whose rate, duration and volume together are easily told from the others.

    Skills with fewer than 30 days of data are left out.
    """
    since = now - timedelta(days=60) if query.since is None else query.since
    wide = msgspec.structs.replace(query, since=since)
    found = tallies(store, wide, period="day", now=now, most=_MOST_SKILLS)
    days = days_of(found, list(query.skills) or most_used(found, _MOST_SKILLS))
    outliers = []
    for row, skill in enumerate(days.skills):
        used = np.flatnonzero(days.n[row] > 0)
        if len(used) < _LEAST_DAYS:
            continue
        scores, overall = forest_scores(_features(days, row, used)), _rate(days, row, used)
        outliers += [
            Outlier(
                skill_name=skill, at=days.starts[day], type="pattern_shift",
                observed=float(days.completed[row, day] / days.n[row, day]), baseline=overall,
                score=float(score), n=int(days.n[row, day]),
            )
            for day, score in zip(used, scores, strict=True) if score >= 0.6
        ]  # fmt: skip
    return _worst(outliers, len(days.skills), found.of, "isolation_forest, score ≥ 0.6")


def _worst(every: list[Outlier], skills: int, of: int, method: str) -> Outliers:
    every.sort(key=lambda one: (-abs(one.score), one.skill_name, one.at))
    return Outliers(
        outliers=every[:_MOST_SHOWN], more=max(len(every) - _MOST_SHOWN, 0), skills=skills,
        skills_in_all=max(of, skills), method=method,
    )  # fmt: skip


def forest_scores(features: Floats) -> Floats:
    """The forest's score of each row, from 0 to 1; about 0.5 is usual."""
    from sklearn.ensemble import IsolationForest

    forest = IsolationForest(n_estimators=100, random_state=0).fit(features)
    scores: Floats = -forest.score_samples(features)
    return scores


def _rate(days: Days, row: int, used: np.ndarray[tuple[int], np.dtype[np.intp]]) -> float:
    return float(days.completed[row, used].sum() / days.n[row, used].sum())


def _features(days: Days, row: int, used: np.ndarray[tuple[int], np.dtype[np.intp]]) -> Floats:
    """Rate, log duration and log volume of the days, shape ``(days, 3)``."""
    duration = days.duration[row, used]
    known = duration[np.isfinite(duration)]
    filled = np.where(np.isfinite(duration), duration, np.median(known) if len(known) else 0.0)
    rate = days.completed[row, used] / days.n[row, used]
    return np.column_stack([rate, filled, np.log(days.n[row, used])])
