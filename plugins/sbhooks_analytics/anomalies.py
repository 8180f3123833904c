"""Which days are not what their past lets expect, and how long it lasts.

1. Each complete day of each skill is compared with up to 56 days before it, after the profile
   of the weekday, where there is one (:mod:`sbhooks_analytics.surprise`).
2. One budget of false alarms is shared by all skills and figures of a day
   (:mod:`sbhooks_analytics.budget`).
3. An alarm opens a finding. While days stay unusual in the same direction (p < 0.05 by
   themselves) it lasts, and is not reported anew; two usual days end it. What lasts 14 days is a
   shift: the finding ends, and the new level is the new normal.

Hours are treated like days: compared with up to 168 hours before, after the profile of the hour
of the day, once 48 hours have data; what lasts 48 hours is a shift. Their volumes are not judged.

Days of findings are taken out of the baseline of later days, so 1 and 2 are repeated until
nothing changes. Everything is a function of the log: the same log gives the same findings, with
the same ids.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sbhooks_analytics.budget import alarms
from sbhooks_analytics.daily import Baseline, Bools, Days, Floats, Grain, first_baseline
from sbhooks_analytics.season import rate_seasons, seasons_of
from sbhooks_analytics.series import Metric
from sbhooks_analytics.surprise import Surprise, durations, rates, volumes

FIGURES: tuple[Metric, ...] = ("completion_rate", "invocations", "duration")
PER_MONTH = 0.05  #: False alarms to expect at most in a month, over all skills and figures.
_WEIGHTS = {"completion_rate": 10.0, "invocations": 1.0, "duration": 1.0}
_LASTING = 0.05
_QUIET_DAYS = 2
_ROUNDS = 5


class Episode(NamedTuple):
    """Unusual days in a row, as columns.

    Attributes:
        row: The skill.
        start: The first unusual day.
        alarm: The day on which it was noticed.
        last: The last unusual day.
        end: The first day behind it that was usual again; ``None`` while it lasts.
        sign: -1 for lower, +1 for higher than expected.
        shift: Whether it lasted so long that it is the new normal.
    """

    row: int
    start: int
    alarm: int
    last: int
    end: int | None
    sign: float
    shift: bool


class Detection(NamedTuple):
    """Everything unusual about one figure."""

    surprise: Surprise
    episodes: list[Episode]


def detect(days: Days, *, per_month: float = PER_MONTH) -> dict[Metric, Detection]:
    """Find what is unusual.

    Args:
        days: What happened, oldest first; the first 14 days with data are never judged.
        per_month: False alarms to expect at most in a month.
    """
    shape = days.n.shape
    if 0 in shape:
        return {}
    profiles = _profiles(days)
    surprises = {f: _surprise(f, days, first_baseline(shape), profiles[f]) for f in FIGURES}
    found: dict[Metric, list[Episode]] = {}
    for _ in range(_ROUNDS):
        raised = _raised(surprises, per_month, days.grain)
        episodes = {f: list(_episodes(raised[f], surprises[f], days.grain.shift)) for f in FIGURES}
        if episodes == found:
            break
        for figure in FIGURES:
            touched = sorted({e.row for es in (found, episodes) for e in es.get(figure, [])})
            if touched:
                cleaned = _without(first_baseline(shape), episodes[figure])
                fresh = _again(figure, days, cleaned, profiles[figure], touched)
                for whole, part in zip(surprises[figure], fresh, strict=True):
                    whole[touched] = part
        found = episodes
    return {figure: Detection(surprises[figure], found[figure]) for figure in FIGURES}


def _profiles(days: Days) -> dict[Metric, Floats]:
    """What the weekday adds to (volumes: multiplies) each figure, shape ``(skills, days)``."""
    slots = np.array([days.grain.slot(start) for start in days.starts], dtype=np.int64)
    width = days.grain.slots
    count = np.where(days.known, np.log(days.n + 0.5), np.nan)
    added = {
        "completion_rate": rate_seasons(days.n, days.completed, slots, width).profile[:, slots],
        "duration": seasons_of(days.duration, slots, width).profile[:, slots],
        "invocations": np.exp(seasons_of(count, slots, width).profile[:, slots]),
    }
    return {figure: added[figure] for figure in FIGURES}


def _surprise(figure: Metric, days: Days, baseline: Baseline, profile: Floats) -> Surprise:
    test = {"completion_rate": rates, "invocations": volumes, "duration": durations}[figure]
    found = test(days, baseline, profile)
    if figure == "invocations" and not days.grain.volumes:
        return found._replace(p_value=np.full(days.n.shape, np.nan))
    return found


def _again(
    figure: Metric, days: Days, baseline: Baseline, profile: Floats, rows: list[int]
) -> Surprise:
    """Test the days of some skills again, with another baseline."""
    some = Days(
        [days.skills[row] for row in rows], days.starts, days.n[rows], days.completed[rows],
        days.duration[rows], days.timed[rows], days.spread[rows], days.known[rows],
        days.grain,
    )  # fmt: skip
    part = Baseline(baseline.first[rows], baseline.end[rows], baseline.usual[rows])
    return _surprise(figure, some, part, profile[rows])


def _raised(
    surprises: dict[Metric, Surprise], per_month: float, grain: Grain
) -> dict[Metric, Bools]:
    p_values = np.concatenate([surprises[figure].p_value for figure in FIGURES])
    rows = len(p_values) // len(FIGURES)
    weights = np.repeat([_WEIGHTS[figure] for figure in FIGURES], rows)
    raised = alarms(p_values, weights, per_month=per_month, grain=grain)
    return {f: raised[k * rows : (k + 1) * rows] for k, f in enumerate(FIGURES)}


def _episodes(raised: Bools, surprise: Surprise, shift: int) -> Iterator[Episode]:
    for row in np.flatnonzero(raised.any(axis=1)):
        free = 0  # the first day that no episode holds
        single = surprise.single[row]
        for day in np.flatnonzero(raised[row]):
            # Two days together are unusual because of a day that is told already: not news.
            is_echo = free > 0 and day == free and not single[day] < _LASTING
            if day >= free and not is_echo:
                episode = _episode(int(row), int(day), free, surprise, shift)
                yield episode
                free = episode.last + 1 if episode.end is None else episode.end
                free = max(free, int(day) + 1)


def _episode(row: int, alarm: int, free: int, surprise: Surprise, shift: int) -> Episode:
    """What an alarm begins: back to the first unusual day, on to the last."""
    single, signs = surprise.single[row], surprise.sign[row]
    sign = float(signs[alarm])
    start = last = alarm
    if alarm > free and _unusual(single, signs, alarm - 1, sign):
        start = alarm - 1
    quiet: list[int] = []
    for day in range(alarm + 1, len(single)):
        if day - start >= shift:
            return Episode(row, start, alarm, last, day, sign, True)
        if not np.isfinite(single[day]):
            continue
        if _unusual(single, signs, day, sign):
            last, quiet = day, []
        else:
            quiet.append(day)
            if len(quiet) == _QUIET_DAYS:
                return Episode(row, start, alarm, last, quiet[0], sign, False)
    return Episode(row, start, alarm, last, None, sign, False)


def _unusual(single: Floats, signs: Floats, day: int, sign: float) -> bool:
    return bool(single[day] < _LASTING and signs[day] == sign)


def _without(baseline: Baseline, episodes: list[Episode]) -> Baseline:
    """A baseline that no episode disturbs."""
    for row, start, _, last, end, _, shift in episodes:
        stop = baseline.end.shape[1] if end is None else end
        baseline.end[row, start:stop] = np.minimum(baseline.end[row, start:stop], start)
        if shift:
            baseline.first[row, stop:] = start
        else:
            baseline.usual[row, start : last + 1] = False
    return baseline
