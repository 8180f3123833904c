"""Changes of tests and skills, with the commits and versions between old and new level.

A test's series has a point per run: the mean duration of its passed attempts. A skill's series
has a point per complete day: completion rate and median duration. Rates are compared on the
arcsine scale and weighed by their runs, durations as logarithms. A change has to be worth
talking about: durations by a quarter and 5 ms, rates by 5 points. All series share one error
budget (Benjamini–Hochberg at 5 %).

What a change is attributed to is what differs between the last run before it and the first run
after it: a range of commits, versions of tools, options. It is a range, not a culprit.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import numpy as np

from sbhooks.events import SessionStart
from sbhooks.store import EventQuery, EventReader, merge
from sbhooks_analytics.attempts import Case, by_run, name_of, slow
from sbhooks_analytics.budget import adjusted
from sbhooks_analytics.change import ALPHA, MOST_POINTS, Change, Floats, changes_of
from sbhooks_analytics.cutoff import chunks
from sbhooks_analytics.series import Series, tallies
from sbhooks_analytics.trends import most_used

METHOD = "likelihood-ratio split, circular block bootstrap, binary segmentation"
MOST_TESTS = 300  #: Those that take the most time are looked at.
MOST_SKILLS = 500
WINDOW = timedelta(days=180)  #: How far back when nothing is said.
_LEAST_POINTS = 10
_LEAST_RATIO, _LEAST_S, _LEAST_POINTS_OF_RATE = 1.25, 0.005, 0.05
_BUDGET = 0.05
_TOLD = ("tool_version", "python", "platform", "host")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A new level.

    Attributes:
        subject: The test or skill.
        params: Parameters of the test.
        project: Of the test.
        metric: ``duration`` (seconds) or ``completion_rate`` (fraction).
        direction: ``slower``, ``faster``, ``better`` or ``worse``.
        at: The first run or day of the new level, UTC.
        last_before: The last one of the old level.
        before: The old level.
        after: The new level.
        ratio: ``after / before`` with its 95 % interval; of durations only.
        ratio_low: Lower end.
        ratio_high: Upper end.
        p_value: Of "there is no change".
        n: Points of the series.
        commit_before: Commit of the last run before.
        commit_after: Commit of the first run after.
        sessions: These two runs.
        changed: What else differs between them.
        series: Values of the points around it, at most 30 on each side.
        split: Number of values of ``series`` that belong to the old level.
    """

    subject: str
    params: str | None = None
    project: str | None = None
    metric: str
    direction: str
    at: datetime
    last_before: datetime
    before: float
    after: float
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    p_value: float
    n: int
    commit_before: str | None = None
    commit_after: str | None = None
    sessions: list[str] = []
    changed: list[str] = []
    series: list[float] = []
    split: int = 0


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks changes --json`` prints.

    Attributes:
        changes: The newest first.
        series: Series that were long enough to be looked at.
        short: Series with too few points: ten are needed.
        method: How changes are found.
    """

    changes: list[Found]
    series: int
    short: int
    method: str = METHOD


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


def changes(store: EventReader, query: EventQuery, *, now: datetime) -> Changes:
    """Find the new levels of tests and skills.

    Args:
        store: The events.
        query: Projects, tests, skills and times; 180 days when it does not say since when.
        now: Today is not complete, and no point of a skill.
    """
    since = now - WINDOW if query.since is None else query.since
    chosen = msgspec.structs.replace(query, since=since)
    tracks: list[Track] = []
    if not query.skills:
        tracks += _test_tracks(store, chosen)
    if not query.tests:
        tracks += _skill_tracks(store, chosen, now)
    long = [track for track in tracks if len(track.values) >= _LEAST_POINTS]
    found = [
        _found(track, change) for track, change in _within_budget(long) if _matters(track, change)
    ]
    found = _attributed(store, query, found)
    found.sort(key=lambda one: (one.at, one.p_value), reverse=True)
    return Changes(changes=found, series=len(long), short=len(tracks) - len(long))


def _within_budget(tracks: Sequence[Track]) -> Iterator[tuple[Track, Change]]:
    pairs = [(track, changes_of(*_scaled(track), alpha=ALPHA)) for track in tracks]
    best = np.array([min((c.p_value for c in found), default=1.0) for _, found in pairs])
    if not len(best):
        return
    level = adjusted(best[:, None])[:, 0]
    for (track, found), sure in zip(pairs, level, strict=True):
        if sure <= _BUDGET:
            yield from ((track, change) for change in found)


def _scaled(track: Track) -> tuple[Floats, Floats]:
    """Values on the scale on which their spread does not depend on their level, and weights."""
    values, weights = np.array(track.values), np.array(track.weights)
    if track.metric == "duration":
        return np.log(np.maximum(values, 1e-6)), np.ones(len(values))
    hits = values * weights
    return np.arcsin(np.sqrt((hits + 0.375) / (weights + 0.75))), weights / (
        weights + np.median(weights)
    )


def _matters(track: Track, change: Change) -> bool:
    before, after = _level(track, change.before), _level(track, change.after)
    if track.metric != "duration":
        return abs(after - before) >= _LEAST_POINTS_OF_RATE
    ratio = after / before
    return max(ratio, 1 / ratio) >= _LEAST_RATIO and abs(after - before) >= _LEAST_S


def _level(track: Track, scaled: float) -> float:
    if track.metric == "duration":
        return float(np.exp(scaled))
    return float(np.sin(np.clip(scaled, 0, np.pi / 2)) ** 2)


def _found(track: Track, change: Change) -> Found:
    before, after = _level(track, change.before), _level(track, change.after)
    timed = track.metric == "duration"
    words = ("slower", "faster") if timed else ("better", "worse")
    step = change.after - change.before
    place = change.place
    around = track.values[max(place - 30, 0) : place + 30]
    return Found(
        subject=track.subject,
        params=track.params,
        project=track.project,
        metric=track.metric,
        direction=words[0] if after > before else words[1],
        at=track.times[place],
        last_before=track.times[place - 1],
        before=before,
        after=after,
        ratio=float(np.exp(step)) if timed else None,
        ratio_low=float(np.exp(step - change.half_width)) if timed else None,
        ratio_high=float(np.exp(step + change.half_width)) if timed else None,
        p_value=change.p_value,
        n=len(track.values),
        sessions=[track.sessions[place - 1], track.sessions[place]],
        series=around,
        split=min(place, 30),
    )


def _test_tracks(store: EventReader, query: EventQuery) -> Iterator[Track]:
    costly = slow(store, query, limit=MOST_TESTS).tests
    wanted = {Case(row.project, row.test, row.params) for row in costly}
    for some in by_run(store, query, sorted({key.test for key in wanted})):
        for key, rollups in some.items():
            passed = [r for r in rollups if r.key[4] == "passed" and r.duration_n]
            if key not in wanted or not passed:
                continue
            runs = sorted(merge(passed, keep=(3,)), key=lambda r: r.last_at)[-MOST_POINTS:]
            yield Track(
                key.test, key.params, key.project, "duration",
                [run.last_at for run in runs], [str(run.key[0]) for run in runs],
                [run.duration_mean or 0.0 for run in runs], [1.0] * len(runs),
            )  # fmt: skip


def _skill_tracks(store: EventReader, query: EventQuery, now: datetime) -> Iterator[Track]:
    found = tallies(store, query, period="day", now=now)
    for skill in list(query.skills) or most_used(found, MOST_SKILLS):
        yield _track(found.series(skill, "completion_rate"))
        yield _track(found.series(skill, "duration"))


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


def _attributed(store: EventReader, query: EventQuery, found: Iterable[Found]) -> list[Found]:
    """The same changes with what differs between the runs around them."""
    placed = [one if one.sessions[0] else _with_sessions(store, query, one) for one in found]
    starts: dict[str, SessionStart] = {}
    for some in chunks(sorted({s for one in placed for s in one.sessions})):
        for event in store.events(EventQuery(kinds=("session-start",), sessions=some)):
            if isinstance(event, SessionStart):
                starts.setdefault(event.session, event)
    return [_with_causes(one, [starts.get(session) for session in one.sessions]) for one in placed]


def _with_sessions(store: EventReader, query: EventQuery, one: Found) -> Found:
    """The last run of a skill on the last day before, and the first on the first day after."""
    sessions = []
    for day, newest in ((one.last_before, True), (one.at, False)):
        inside = msgspec.structs.replace(
            query, kinds=("invocation",), skills=(one.subject,), since=day,
            until=day + timedelta(days=1), newest_first=newest, limit=1,
        )  # fmt: skip
        sessions += [event.session for event in store.events(inside)]
    return msgspec.structs.replace(one, sessions=sessions)


def _with_causes(one: Found, starts: Sequence[SessionStart | None]) -> Found:
    known = [start for start in starts if start is not None]
    if len(known) != 2:
        return one
    old, new = known
    return msgspec.structs.replace(
        one,
        commit_before=old.vcs.commit if old.vcs else None,
        commit_after=new.vcs.commit if new.vcs else None,
        changed=list(_differences(old, new)),
    )


def _differences(old: SessionStart, new: SessionStart) -> Iterator[str]:
    """What else differs: versions, the machine, options of the tool."""
    for field in _TOLD:
        was, became = getattr(old, field), getattr(new, field)
        if was != became:
            name = f"{new.tool} version" if field == "tool_version" else field
            yield f"{name}: {was or 'unknown'} → {became or 'unknown'}"
    for key in sorted({*old.attributes, *new.attributes}):
        was, became = old.attributes.get(key, "nothing"), new.attributes.get(key, "nothing")
        if was != became:
            yield f"{key}: {str(was)[:80]} → {str(became)[:80]}"


def durations_of_tests(store: EventReader, query: EventQuery) -> list[Floats]:
    """Logarithms of the durations of tests with ten runs or more, run by run."""
    tracks = _test_tracks(store, query)
    return [_scaled(track)[0] for track in tracks if len(track.values) >= _LEAST_POINTS]


def title_of(one: Found) -> str:
    """The name of what changed."""
    return name_of(one.subject, one.params)
