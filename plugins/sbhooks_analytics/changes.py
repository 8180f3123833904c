"""Changes of tests and skills, with the commits and versions between old and new level.

The series are those of :mod:`sbhooks_analytics.tracks`. A change has to be worth talking about:
durations by a quarter and 5 ms, rates by 5 points. All series share one error budget
(Benjamini–Hochberg at 5 %). What lies between is told by :mod:`sbhooks_analytics.attribution`.

What somebody said about a change stays with it: a judgement is about a subject, a figure and a
place, and more data may move the place by a few points.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import numpy as np

from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.attempts import name_of
from sbhooks_analytics.attribution import MOST_RUNS, Gap, Sides, gaps
from sbhooks_analytics.budget import adjusted
from sbhooks_analytics.change import ALPHA, Change, changes_of
from sbhooks_analytics.decisions import FindingTriage, Triage, changes_judged, identity
from sbhooks_analytics.tracks import (
    LEAST_POINTS,
    Track,
    level,
    scaled,
    tracks_of_skills,
    tracks_of_tests,
)

METHOD = "likelihood-ratio split, circular block bootstrap, binary segmentation"
WINDOW = timedelta(days=180)  #: How far back when nothing is said.
_LEAST_RATIO, _LEAST_S, _LEAST_POINTS_OF_RATE = 1.25, 0.005, 0.05
_BUDGET = 0.05
_NEAR = 3  # points; fewer than there are between two changes


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A new level.

    Attributes:
        id: Identity; stays the same once somebody has judged it, though its place may move.
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
        changed: What else differs between the runs of the two levels.
        series: Values of the points around it, at most 30 on each side.
        split: Number of values of ``series`` that belong to the old level.
        triage: What somebody said about it: ``new``, ``confirmed``, ``rejected``, ``fixed``.
        notes: Comments, oldest first.
    """

    id: str = ""
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
    triage: Triage = "new"
    notes: list[str] = []


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks changes list --json`` prints.

    Attributes:
        changes: The newest first.
        series: Series that were long enough to be looked at.
        short: Series with too few points: ten are needed.
        skills: Skills that were looked at, the most used.
        skills_in_all: How many there are.
        method: How changes are found.
    """

    changes: list[Found]
    series: int
    short: int
    skills: int = 0
    skills_in_all: int = 0
    method: str = METHOD


class Placed(NamedTuple):
    """A change in its series; the old level begins at ``start``, the new one ends at ``end``."""

    track: Track
    change: Change
    start: int
    end: int


def changes(store: EventReader, query: EventQuery, *, now: datetime) -> Changes:
    """Find the new levels of tests and skills.

    Args:
        store: The events.
        query: Projects, tests, skills and times; 180 days when it does not say since when.
        now: Today is not complete, and no point of a skill.
    """
    since = now - WINDOW if query.since is None else query.since
    chosen = msgspec.structs.replace(query, since=since)
    tracks = [] if query.skills else list(tracks_of_tests(store, chosen))
    of_skills, skills = ([], 0) if query.tests else tracks_of_skills(store, chosen, now)
    tracks += of_skills
    long = [track for track in tracks if len(track.values) >= LEAST_POINTS]
    said = changes_judged(store)
    placed = [one for one in _within_budget(long) if _matters(one.track, one.change)]
    between = gaps(store, [_sides(store, query, one) for one in placed])
    found = [
        _triaged(_found(one, gap), _near(one.track, one.change), said)
        for one, gap in zip(placed, between, strict=True)
    ]
    found.sort(key=lambda one: (one.at, one.p_value), reverse=True)
    looked_at = len({track.subject for track in of_skills})
    return Changes(
        changes=found, series=len(long), short=len(tracks) - len(long), skills=looked_at,
        skills_in_all=max(skills, looked_at),
    )  # fmt: skip


def _within_budget(tracks: Sequence[Track]) -> Iterator[Placed]:
    pairs = [(track, changes_of(*scaled(track), alpha=ALPHA)) for track in tracks]
    best = np.array([min((c.p_value for c in found), default=1.0) for _, found in pairs])
    if not len(best):
        return
    sure = adjusted(best[:, None])[:, 0] <= _BUDGET
    for (track, found), is_sure in zip(pairs, sure, strict=True):
        edges = [0, *(change.place for change in found), len(track.values)]
        for number, change in enumerate(found):
            if is_sure:
                yield Placed(track, change, edges[number], edges[number + 2])


def _matters(track: Track, change: Change) -> bool:
    before, after = level(track, change.before), level(track, change.after)
    if track.metric != "duration":
        return abs(after - before) >= _LEAST_POINTS_OF_RATE
    ratio = after / before
    return max(ratio, 1 / ratio) >= _LEAST_RATIO and abs(after - before) >= _LEAST_S


def _found(one: Placed, gap: Gap) -> Found:
    track, change = one.track, one.change
    before, after = level(track, change.before), level(track, change.after)
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
        **gap._asdict(),
        series=around,
        split=min(place, 30),
    )


def _near(track: Track, change: Change) -> tuple[datetime, datetime]:
    """Between which points the same change may be found with more or fewer data."""
    last = len(track.times) - 1
    return track.times[max(change.place - _NEAR, 0)], track.times[min(change.place + _NEAR, last)]


def _triaged(one: Found, near: tuple[datetime, datetime], said: Sequence[FindingTriage]) -> Found:
    """The same change with what was said about it, and the id under which it was said."""
    about = [
        event
        for event in said
        if (event.subject, event.figure, event.project) == (title_of(one), one.metric, one.project)
        and event.since is not None
        and near[0] <= event.since <= near[1]
    ]
    if not about:
        what = "\0".join((one.project or "", title_of(one)))
        sign = 1.0 if one.after > one.before else -1.0
        return msgspec.structs.replace(one, id=identity(what, one.metric, one.at, sign))
    return msgspec.structs.replace(
        one, id=about[0].finding, triage=about[-1].verdict,
        notes=[event.note for event in about if event.note],
    )  # fmt: skip


def _sides(store: EventReader, query: EventQuery, one: Placed) -> Sides:
    """The runs of the old level next to the change, and of the new one."""
    place, sessions = one.change.place, one.track.sessions
    if sessions[place]:
        return (
            sessions[max(one.start, place - MOST_RUNS) : place],
            sessions[place : min(one.end, place + MOST_RUNS)],
        )
    return (
        _sessions(store, query, one.track.subject, one.track.times[place - 1], newest=True)[::-1],
        _sessions(store, query, one.track.subject, one.track.times[place], newest=False),
    )


def _sessions(
    store: EventReader, query: EventQuery, skill: str, day: datetime, *, newest: bool
) -> list[str]:
    """The first runs of a skill on a day; or the last, newest first."""
    inside = msgspec.structs.replace(
        query, kinds=("invocation",), skills=(skill,), since=day, until=day + timedelta(days=1),
        newest_first=newest, limit=10 * MOST_RUNS,
    )  # fmt: skip
    return list(dict.fromkeys(event.session for event in store.events(inside)))[:MOST_RUNS]


def title_of(one: Found) -> str:
    """The name of what changed."""
    return name_of(one.subject, one.params)
