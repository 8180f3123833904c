"""What is used, how often, and how well it ends."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal

import msgspec

from sbhooks.store import EventQuery, EventReader, Rollup, most_used
from sbhooks_analytics.intervals import wilson

PERIODS = 14  #: Length of the series.
Period = Literal["hour", "day"]
_LENGTH = {"hour": timedelta(hours=1), "day": timedelta(days=1)}
_FORMAT = {"hour": "%Y-%m-%dT%H", "day": "%Y-%m-%d"}


class SkillActivity(msgspec.Struct, frozen=True, kw_only=True):
    """How a skill fared; durations in seconds, times in UTC.

    Attributes:
        skill_name: What was called.
        invocation_count: How often.
        completed_count: Invocations with the outcome ``success``.
        completion_rate: Their share, 0 to 1.
        completion_rate_low: Lower end of its 95 % interval (Wilson).
        completion_rate_high: Upper end.
        avg_duration_seconds: Mean over all that have a duration, whatever their outcome; ``None``
            without durations, as are the next three. Of an invocation that was killed nobody knows
            how long it would have taken: its recorder leaves none.
        p50_seconds: Half of the invocations took no longer; at most 1 % off.
        p95_seconds: 95 of 100 invocations took no longer; at most 1 % off.
        p99_seconds: 99 of 100 invocations took no longer; at most 1 % off.
        last_invocation_at: When the newest ended.
        series: Invocations in each of the last 14 hours or days, oldest first.
        sessions: Sessions in which it was used; ``None`` unless they were asked for (--people).
        users: Different people who started them; ``None`` likewise.
    """

    skill_name: str
    invocation_count: int
    completed_count: int
    completion_rate: float
    completion_rate_low: float
    completion_rate_high: float
    avg_duration_seconds: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    p99_seconds: float | None
    last_invocation_at: datetime
    series: list[int] = []
    sessions: int | None = None
    users: int | None = None


class Activity(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks top --json`` prints.

    Attributes:
        skills: The most used first.
        period: What one number of a series counts: an hour or a day (UTC).
    """

    skills: list[SkillActivity]
    period: Period


def top(store: EventReader, query: EventQuery, *, now: datetime, limit: int) -> Activity:
    """The most used skills.

    Args:
        store: The events.
        query: Projects and times to look at.
        now: Where the series ends.
        limit: At most that many skills.
    """
    chosen = msgspec.structs.replace(query, kinds=("invocation",))
    first = most_used(store, chosen, limit)
    period = _period(query, now)
    drawn = _series(store, chosen, [str(r.key[0]) for r in first], period, now)
    return Activity(
        skills=[_skill(r, drawn.get(str(r.key[0]), [])) for r in first],
        period=period,
    )


def with_people(store: EventReader, query: EventQuery, found: Activity) -> Activity:
    """The same skills with how many sessions and users they had; reads the log.

    Args:
        store: The events.
        query: As of :func:`top`.
        found: Its answer.
    """
    names = tuple(one.skill_name for one in found.skills)
    if not names:
        return found
    chosen = msgspec.structs.replace(query, kinds=("invocation",), skills=names)
    sessions: dict[str, set[str | None]] = {name: set() for name in names}
    users: dict[str, set[str]] = {name: set() for name in names}
    for row in store.rollup(chosen, by=["skill", "session", "user"]):
        skill, session, user = row.key
        sessions[str(skill)].add(session)
        if user is not None:
            users[str(skill)].add(user)
    return msgspec.structs.replace(found, skills=[
        msgspec.structs.replace(
            one, sessions=len(sessions[one.skill_name]), users=len(users[one.skill_name])
        )
        for one in found.skills
    ])  # fmt: skip


def _skill(rollup: Rollup, series: list[int]) -> SkillActivity:
    completed = rollup.outcomes.get("success", 0)
    share = wilson(completed, rollup.n)
    rate, low, high = share if share is not None else (0.0, 0.0, 1.0)
    return SkillActivity(
        skill_name=str(rollup.key[0]),
        invocation_count=rollup.n,
        completed_count=completed,
        completion_rate=rate,
        completion_rate_low=low,
        completion_rate_high=high,
        avg_duration_seconds=rollup.duration_mean,
        p50_seconds=rollup.quantile(0.5),
        p95_seconds=rollup.quantile(0.95),
        p99_seconds=rollup.quantile(0.99),
        last_invocation_at=rollup.last_at,
        series=series,
    )


def _period(query: EventQuery, now: datetime) -> Period:
    """Hours for a short look back, otherwise days."""
    is_short = query.since is not None and now - query.since <= timedelta(hours=48)
    return "hour" if is_short else "day"


def _series(
    store: EventReader, chosen: EventQuery, skills: list[str], period: Period, now: datetime
) -> dict[str, list[int]]:
    """Invocations per skill and period; 0 where nothing happened."""
    if not skills:
        return {}
    labels = [
        (now - _LENGTH[period] * back).strftime(_FORMAT[period])
        for back in reversed(range(PERIODS))
    ]
    start = datetime.fromisoformat(labels[0] + (":00" if period == "hour" else "")).replace(
        tzinfo=now.tzinfo
    )
    since = start if chosen.since is None else max(start, chosen.since)
    recent = msgspec.structs.replace(chosen, skills=tuple(skills), since=since)
    series = {skill: [0] * PERIODS for skill in skills}
    places = {label: place for place, label in enumerate(labels)}
    for rollup in store.rollup(recent, by=["skill", period]):
        skill, label = rollup.key
        if label in places and skill in series:
            series[skill][places[label]] = rollup.n
    return series
