"""Days of all skills as arrays, and the days that each day is compared with.

A day is compared with up to 56 earlier days: those inside its baseline window on which the skill
was used, without days that were themselves unusual. While something unusual lasts, the window
ends where it began; after a lasting shift it begins there. So an incident does not become the
standard by which it is judged, and a new normal does after two weeks.

The same is done with hours and up to 168 earlier ones: a :class:`Grain` says what a column is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from sbhooks.store import Rollup, bucket_middle
from sbhooks_analytics.series import Period, Tallies

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
DAYS_A_MONTH = 365.25 / 12


class Grain(NamedTuple):
    """What a column is, and what it is compared with.

    Attributes:
        period: A day or an hour.
        look_back: Columns before each one that it is compared with.
        least: Columns with data that a baseline needs.
        shift: What lasts for so many columns is the new normal.
        volumes: Whether numbers of invocations are judged. Those of hours follow the rhythm of
            work, which a week before does not tell well enough.
        slots: Of the rhythm that is taken out: weekdays, or hours of the day.
        a_month: Columns in a month.
        window: How far back is looked when nothing is said.
        at_once: Skills at once, for the sake of memory.
    """

    period: Period
    look_back: int
    least: int
    shift: int
    volumes: bool
    slots: int
    a_month: float
    window: timedelta
    at_once: int

    def slot(self, start: datetime) -> int:
        """The weekday or the hour of the day (UTC)."""
        return start.hour if self.period == "hour" else start.weekday()


DAY = Grain("day", 56, 14, 14, True, 7, DAYS_A_MONTH, timedelta(days=60), 250)
HOUR = Grain("hour", 168, 48, 48, False, 24, 24 * DAYS_A_MONTH, timedelta(days=7), 25)
GRAINS: dict[str, Grain] = {grain.period: grain for grain in (DAY, HOUR)}
LEAST_DAYS = DAY.least  #: Days with data that a baseline needs.


class Days(NamedTuple):
    """What happened day by day.

    Attributes:
        skills: Names, in the order of the rows.
        starts: When each day begins, UTC, in the order of the columns.
        n: Invocations, shape ``(skills, days)``; 0 where there was none.
        completed: Those that completed.
        duration: Logarithm of the median duration in seconds; NaN where there is none.
        timed: Durations behind it.
        spread: Shape ``(skills,)``; spread of single durations (logarithms).
        known: Shape ``(skills, days)``; whether the skill was in use and something recorded.
        grain: What a column is.
    """

    skills: list[str]
    starts: list[datetime]
    n: Floats
    completed: Floats
    duration: Floats
    timed: Floats
    spread: Floats
    known: Bools
    grain: Grain = DAY


class Baseline(NamedTuple):
    """Which days each day is compared with.

    Attributes:
        first: Shape ``(skills, days)``; first column of the window.
        end: First column behind the window.
        usual: Shape ``(skills, days)``; false for days that are never compared with.
    """

    first: Ints
    end: Ints
    usual: Bools


def days_of(found: Tallies, skills: Sequence[str]) -> Days:
    """Arrays of the given skills; ``found`` is by day or by hour."""
    shape = len(skills), len(found.starts)
    n, completed, timed = (np.zeros(shape) for _ in range(3))
    duration, known = np.full(shape, np.nan), np.zeros(shape, dtype=bool)
    active = np.array([start in found.active for start in found.starts], dtype=bool)
    places = {start: place for place, start in enumerate(found.starts)}
    spread = np.zeros(len(skills))
    for row, skill in enumerate(skills):
        periods = {s: t for s, t in found.skills.get(skill, {}).items() if s in places}
        for start, tally in periods.items():
            place = places[start]
            n[row, place], completed[row, place] = tally.n, tally.completed
            median = tally.value("duration")
            if median is not None:
                duration[row, place] = np.log(max(median, 1e-6))
                timed[row, place] = tally.weight("duration")
        if periods:
            known[row, min(places[start] for start in periods) :] = True
        spread[row] = _spread([tally.timed for tally in periods.values() if tally.timed])
    return Days(
        list(skills), found.starts, n, completed, duration, timed, spread, known & active,
        GRAINS.get(found.period, DAY),
    )  # fmt: skip


def _spread(rollups: Sequence[Rollup]) -> float:
    """Standard deviation of the logarithms of all their durations, from the quartiles."""
    if not rollups:
        return 0.0
    # Of many distributions, adding up is most of the work: it is done outside of Python.
    places = np.fromiter(chain.from_iterable(r.buckets.keys() for r in rollups), np.int64)
    counts = np.fromiter(chain.from_iterable(r.buckets.values() for r in rollups), np.int64)
    upto = np.cumsum(np.bincount(places, counts))
    ranks = [max(1, math.ceil(share * upto[-1])) for share in (0.25, 0.75)]
    low, high = (max(bucket_middle(int(place)), 1e-6) for place in np.searchsorted(upto, ranks))
    return (math.log(high) - math.log(low)) / 1.349  # of a normal distribution


def first_baseline(shape: tuple[int, int]) -> Baseline:
    """Every earlier day counts."""
    columns = np.broadcast_to(np.arange(shape[1], dtype=np.int64), shape)
    return Baseline(
        np.zeros(shape, dtype=np.int64), columns.copy(), np.ones(shape, dtype=bool)
    )  # fmt: skip


def windowed(values: Floats, grain: Grain) -> Floats:
    """The 56 days before each day, shape ``(skills, days, 56)``; NaN before the first."""
    width = grain.look_back
    padded = np.concatenate([np.full((len(values), width), np.nan), values], axis=1)
    view = np.lib.stride_tricks.sliding_window_view(padded, width, axis=1)
    return view[:, : values.shape[1], :]


def chosen(baseline: Baseline, grain: Grain, *, skip: int = 0) -> Bools:
    """Which of the 56 days before each day belong to its baseline, shape as of ``windowed``.

    Args:
        baseline: The windows.
        grain: What a column is.
        skip: Days right before each day that are left out, because they are tested with it.
    """
    days = baseline.first.shape[1]
    place = np.arange(days)[:, None] + np.arange(-grain.look_back, 0)[None, :]
    end = np.minimum(baseline.end, np.arange(days)[None, :] - skip)
    inside = (place[None] >= baseline.first[:, :, None]) & (place[None] < end[:, :, None])
    usual = baseline.usual[:, np.clip(place, 0, max(days - 1, 0))]
    found: Bools = inside & usual & (place[None] >= 0)
    return found
