"""The series in which changes are looked for, and the scale on which they are compared.

A test's series has a point per run: the mean duration of its passed attempts, in runs of the same
kind (in workers side by side, or not). A skill's series
has a point per complete day: completion rate and median duration. Rates are compared on the
arcsine scale and weighed by their runs, durations as logarithms.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import NamedTuple

import msgspec
import numpy as np

from sbhooks.cutoff import chunks
from sbhooks.store import Dimension, EventQuery, EventReader, Rollup, merge
from sbhooks_analytics.arcsine import angle_of, rate_of
from sbhooks_analytics.attempts import Case, slow
from sbhooks_analytics.change import MOST_POINTS, Floats
from sbhooks_analytics.series import Metric, Series, tallies
from sbhooks_analytics.trends import most_used

MOST_TESTS = 300  #: Those that take the most time are looked at.
MOST_SKILLS = 500
LEAST_POINTS = 10
_BY: tuple[Dimension, ...] = (
    "project", "test", "params", "session", "worker", "detail", "subtest",
)  # fmt: skip


class Track(NamedTuple):
    """A series to look for changes in; one entry per point, oldest first."""

    subject: str
    params: str | None
    project: str | None
    metric: str
    times: list[datetime]
    sessions: list[str]
    values: list[float]
    weights: list[float]


def scaled(track: Track) -> tuple[Floats, Floats]:
    """Values on the scale on which their spread does not depend on their level, and weights."""
    values, weights = np.array(track.values), np.array(track.weights)
    if track.metric == "duration":
        return np.log(np.maximum(values, 1e-6)), np.ones(len(values))
    return angle_of(values * weights, weights), weights / (weights + np.median(weights))


def level(track: Track, scaled: float) -> float:
    """A level on that scale, in the unit of the track."""
    if track.metric == "duration":
        return float(np.exp(scaled))
    return rate_of(scaled, float(np.median(track.weights)))


def tracks_of_tests(store: EventReader, query: EventQuery) -> Iterator[Track]:
    """Durations of the tests that take the most time, run by run."""
    costly = slow(store, query, limit=MOST_TESTS).tests
    wanted = {Case(row.project, row.test, row.params) for row in costly}
    for some in chunks(sorted({key.test for key in wanted})):
        chosen = msgspec.structs.replace(query, kinds=("test-result",), tests=some)
        groups: dict[Case, list[Rollup]] = {}
        for rollup in store.rollup(chosen, by=_BY):
            project, test, params, _, _, detail, subtest = rollup.key
            if detail == "passed" and subtest is None and rollup.duration_n:
                groups.setdefault(Case(project, str(test), params), []).append(rollup)
        for key in groups.keys() & wanted:
            yield _track_of_test(key, _alike(groups[key]))


def _alike(passed: list[Rollup]) -> list[Rollup]:
    """Those made in the way in which most were: by a process of its own, or by one of several.

    Neighbours that compete for the same cores make a test slower, and it is no other test.
    """
    alone = [rollup for rollup in passed if rollup.key[4] is None]
    beside = [rollup for rollup in passed if rollup.key[4] is not None]
    return alone if len(alone) >= len(beside) else beside


def _track_of_test(key: Case, passed: list[Rollup]) -> Track:
    runs = sorted(merge(passed, keep=(3,)), key=lambda run: run.last_at)[-MOST_POINTS:]
    return Track(
        key.test, key.params, key.project, "duration",
        [run.last_at for run in runs], [str(run.key[0]) for run in runs],
        [run.duration_mean or 0.0 for run in runs], [1.0] * len(runs),
    )  # fmt: skip


def tracks_of_skills(
    store: EventReader, query: EventQuery, now: datetime
) -> tuple[list[Track], int]:
    """Completion rates and durations of the most used skills, day by day; and of how many."""
    found = tallies(store, query, period="day", now=now, most=MOST_SKILLS)
    skills = list(query.skills) or most_used(found, MOST_SKILLS)
    metrics: tuple[Metric, ...] = ("completion_rate", "duration")
    return [_track(found.series(skill, one)) for skill in skills for one in metrics], found.of


def _track(series: Series) -> Track:
    points = [
        (start, value, float(n))
        for start, value, n in zip(series.starts, series.values, series.n, strict=True)
        if value is not None
    ][-MOST_POINTS:]
    return Track(
        series.skill, None, None, series.metric, [start for start, *_ in points],
        [""] * len(points), [value for _, value, _ in points], [n for *_, n in points],
    )  # fmt: skip


def durations_of_tests(store: EventReader, query: EventQuery) -> list[Floats]:
    """Logarithms of the durations of tests with ten runs or more, run by run."""
    tracks = tracks_of_tests(store, query)
    return [scaled(track)[0] for track in tracks if len(track.values) >= LEAST_POINTS]
