"""How often would each detector alarm on this history, and how often for nothing?

Each detector is run on the history as it was, and on copies of it whose days were shuffled (days
with their runs, volumes and durations; within weekdays, so that the rhythm of the week stays). In a
shuffled history nothing changes at any time, so every alarm is false: the second figure is the
detector's rate of false alarms on *these* data, whatever its assumptions. The same is done with the
durations of tests, run by run.

Who has not recorded 28 days yet learns how often the detectors would alarm on simulated days that
are like those so far (:mod:`sbhooks_analytics.simulated`).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
import numpy as np

from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.anomalies import FIGURES, detect
from sbhooks_analytics.arcsine import angle_of
from sbhooks_analytics.change import ALPHA, Floats, changes_of
from sbhooks_analytics.daily import LEAST_DAYS, Days, days_of
from sbhooks_analytics.drift import drifts_of
from sbhooks_analytics.drifts import levels_of, run_length
from sbhooks_analytics.series import tallies
from sbhooks_analytics.simulated import simulated, used_skills
from sbhooks_analytics.tracks import durations_of_tests
from sbhooks_analytics.trend import slope_of
from sbhooks_analytics.trends import most_used

_WINDOW = timedelta(days=365)
_MOST_SKILLS = 200
_LEAST_DAYS_IN_ALL = 28
_LEAST_SKILLS = 10
_SEED = 20_260_303
_MONTH = 365.25 / 12
_SKILLS = (
    ("anomalies", "a finding", "per month"),
    ("zscore", "a day with |z| ≥ 2 against 7 days", "per month"),
    ("trend", "a completion rate with p ≤ 0.05", "of series"),
    ("changes", "a completion rate with a change", "of series"),
    ("drift", "a level that drifted", "per month"),
)  # detector, what one alarm is, unit


class DetectorRate(msgspec.Struct, frozen=True, kw_only=True):
    """How often one detector alarms.

    Attributes:
        detector: Which one.
        what: What one alarm is.
        observed: Alarms on the history as it was, in ``unit``; ``None`` with too little data.
        shuffled: Mean of the same over shuffled copies, or simulated days: false alarms, all of
            them.
        stated: What the detector promises; ``None`` when it promises nothing.
        unit: ``per month`` or ``of series``.
    """

    detector: str
    what: str
    observed: float | None
    shuffled: float | None
    stated: float | None
    unit: str


class Calibration(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks analytics calibrate --json`` prints.

    Attributes:
        rates: One per detector.
        skills: Skills that were looked at, the most used.
        skills_in_all: How many there are.
        days: Complete days in it.
        tests: Tests with ten runs or more.
        copies: Shuffled copies, or simulated histories.
        reason: Why there are no observed rates of skills.
        simulated: Whether the rates of skills are those of simulated days.
    """

    rates: list[DetectorRate]
    skills: int
    skills_in_all: int
    days: int
    tests: int
    copies: int
    reason: str = ""
    simulated: bool = False


def calibrate(
    store: EventReader, query: EventQuery, *, now: datetime, per_month: float, copies: int
) -> Calibration:
    """Replay a history.

    Args:
        store: The events.
        query: Projects, skills and times; a year when it does not say since when.
        now: Today is not complete, and left out.
        per_month: The budget of the anomalies.
        copies: How many shuffled copies.
    """
    since = now - _WINDOW if query.since is None else query.since
    chosen = msgspec.structs.replace(query, since=since)
    found = tallies(store, chosen, period="day", now=now, most=_MOST_SKILLS)
    rng = np.random.default_rng(_SEED)
    active, reason = len(found.active), ""
    real: Sequence[float | None] = [None] * len(_SKILLS)
    if active >= _LEAST_DAYS_IN_ALL:
        days = days_of(found, list(query.skills) or most_used(found, _MOST_SKILLS))
        real, skills = _rates(days, per_month), len(days.skills)
        copied = [_shuffled(days, rng) for _ in range(copies)]
    else:
        reason = (
            f"not enough data: {active} complete days with invocations, {_LEAST_DAYS_IN_ALL} are "
            "needed"
        )
        used = used_skills(store, chosen)
        skills = len(used)
        # A few series tell little about one in twenty; simulated ones are to be had.
        number = copies * max(_LEAST_SKILLS // len(used), 1) if used else 0
        copied = [simulated(used, rng, now=now) for _ in range(number)]
    fakes = _means([_rates(copy, per_month) for copy in copied]) or [None] * len(_SKILLS)
    stated = {
        "anomalies": per_month, "zscore": None, "trend": 0.05, "changes": ALPHA, "drift": per_month,
    }  # fmt: skip
    rates = [
        DetectorRate(detector=name, what=what, observed=seen, shuffled=fake, stated=stated[name],
                     unit=unit)
        for (name, what, unit), seen, fake in zip(_SKILLS, real, fakes, strict=True)
    ]  # fmt: skip
    series = durations_of_tests(store, chosen)
    return Calibration(
        rates=[*rates, _of_tests(series, rng, copies)], skills=skills,
        skills_in_all=max(found.of, skills), days=active,
        tests=len(series), copies=len(copied) or copies, reason=reason,
        simulated=bool(reason and copied),
    )  # fmt: skip


def _means(rows: Sequence[Sequence[float]]) -> list[float | None]:
    return list(np.mean(rows, axis=0).tolist()) if rows else []


def _of_tests(series: Sequence[Floats], rng: np.random.Generator, copies: int) -> DetectorRate:
    """The detector of changes on the durations of tests."""
    seen = fake = None
    if series:
        seen = float(np.mean([bool(changes_of(values)) for values in series]))
        fake = float(np.mean([
            bool(changes_of(rng.permutation(values))) for values in series for _ in range(copies)
        ]))  # fmt: skip
    return DetectorRate(
        detector="changes", what="a test's duration with a change", observed=seen, shuffled=fake,
        stated=ALPHA, unit="of series",
    )  # fmt: skip


def _rates(days: Days, per_month: float) -> tuple[float, ...]:
    months = max(len(days.starts) - LEAST_DAYS, 1) / _MONTH
    found = detect(days, per_month=per_month)
    episodes = sum(len(found[figure].episodes) for figure in FIGURES) if found else 0
    trending = changed = judged = 0
    for n, completed in zip(days.n, days.completed, strict=True):
        used = n > 0
        rate = np.where(used, completed / np.maximum(n, 1), np.nan)
        slope = slope_of(rate, n)
        if slope is None:
            continue
        judged += 1
        trending += slope.p_value <= 0.05
        angle = angle_of(completed[used], n[used])
        changed += bool(changes_of(angle, n[used] / (n[used] + np.median(n[used]))))
    share = max(judged, 1)
    return (
        episodes / months, _old_alarms(days) / months, trending / share, changed / share,
        _drifted(days, per_month) / months,
    )  # fmt: skip


def _drifted(days: Days, per_month: float) -> int:
    """How often a level drifted."""
    levels = list(levels_of(days))
    length = run_length(len(levels), per_month)
    return sum(len(drifts_of(one.values, one.weights, run_length=length)) for one in levels)


def _old_alarms(days: Days) -> int:
    """Days whose completion rate is two standard deviations from those of the 7 days before."""
    alarms = 0
    for n, completed in zip(days.n, days.completed, strict=True):
        rates = completed[n > 0] / n[n > 0]
        for day in range(7, len(rates)):
            week = rates[day - 7 : day]
            spread = float(week.std())
            alarms += bool(spread > 0 and abs(rates[day] - week.mean()) / spread >= 2)
    return alarms


def _shuffled(days: Days, rng: np.random.Generator) -> Days:
    """The same days in another order; each skill's own, within each weekday."""
    n, completed = days.n.copy(), days.completed.copy()
    duration, timed = days.duration.copy(), days.timed.copy()
    weekday = np.array([start.weekday() for start in days.starts])
    for row in range(len(n)):
        for slot in range(7):
            places = np.flatnonzero((weekday == slot) & days.known[row])
            other = rng.permutation(places)
            for part in (n, completed, duration, timed):
                part[row, places] = part[row, other]
    return days._replace(n=n, completed=completed, duration=duration, timed=timed)
