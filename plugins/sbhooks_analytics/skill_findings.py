"""Trends, anomalies and drifts of skills, and changes of skills and tests, as insights."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import msgspec

from sbhooks.insights import Anomaly, ChangePoint, Drift, Insight, InsightQuery, Trend
from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics import drifts
from sbhooks_analytics.anomaly_findings import Finding, anomalies
from sbhooks_analytics.changes import METHOD, WINDOW, Found, changes, title_of
from sbhooks_analytics.draw_trends import NAMES, change, figure, p_is
from sbhooks_analytics.series import Metric, tallies
from sbhooks_analytics.trends import MOST_SKILLS, SkillTrend, most_used, trend_of

_LOOK_BACK = timedelta(days=60)
_FIGURES: tuple[Metric, ...] = ("completion_rate", "duration")


def skill_findings(query: InsightQuery, store: EventReader) -> Iterator[Insight]:
    """Answer a query about skills, or about tests and skills."""
    if query.wants(ChangePoint):
        events = msgspec.structs.replace(events_of(query, WINDOW), tests=query.tests)
        every = changes(store, events, now=query.now).changes
        open_ones = [one for one in every if one.triage in {"new", "confirmed"}]
        yield from map(_change, open_ones[: query.limit])
    if query.tests:
        return
    if query.wants(Trend):
        yield from _trends(query, store)
    if query.wants(Anomaly):
        found = anomalies(store, events_of(query, _LOOK_BACK), now=query.now)
        for finding in found.findings[: query.limit]:
            if finding.triage in {"new", "confirmed"}:
                yield _anomaly(finding)
    if query.wants(Drift):
        slow = drifts.drifts(store, events_of(query, drifts.WINDOW), now=query.now)
        yield from map(_drift, slow.drifts[: query.limit])


def events_of(query: InsightQuery, back: timedelta) -> EventQuery:
    """What to read for a query that may not say since when."""
    return EventQuery(
        projects=query.projects, skills=query.skills, until=query.until,
        since=query.now - back if query.since is None else query.since,
    )  # fmt: skip


def _trends(query: InsightQuery, store: EventReader) -> Iterator[Trend]:
    events = events_of(query, _LOOK_BACK)
    known = tallies(store, events, period="day", now=query.now, most=MOST_SKILLS)
    names = query.skills or most_used(known, MOST_SKILLS)
    found = [trend_of(known.series(name, metric)) for metric in _FIGURES for name in names]
    # All figures of all skills are asked at once: each answer has to be surer.
    sure = [one for one in found if one.p_value is not None]
    sure.sort(key=lambda one: one.p_value or 0.0)
    kept = [
        rank for rank, one in enumerate(sure, 1) if (one.p_value or 0) <= 0.05 * rank / len(sure)
    ]
    for one in sure[: max(kept, default=0)][: query.limit]:
        if one.trend in {"improving", "declining"}:
            yield _trend(one)


def _trend(one: SkillTrend) -> Trend:
    metric, p_value = one.series.metric, one.p_value or 0.0
    return Trend(
        subject=one.skill_name,
        summary=f"The {NAMES[metric]} of {one.skill_name} is {one.trend}: "
        f"{change(one.slope_per_day, metric)} a day (95 % interval "
        f"{change(one.slope_low, metric)} to {change(one.slope_high, metric)}, "
        f"{p_is(p_value)}).",
        score=(0.6 if one.trend == "declining" else 0.3) * (1 - p_value),
        n=one.n,
        method=one.method,
        metric=metric,
        direction=one.trend,
        slope_per_day=one.slope_per_day or 0.0,
        slope_low=one.slope_low or 0.0,
        slope_high=one.slope_high or 0.0,
        p_value=p_value,
    )


def _anomaly(one: Finding) -> Anomaly:
    what = f"The {NAMES[one.metric]} of {one.skill_name}"
    when = "" if one.resolved_at is None else f" until {one.resolved_at:%Y-%m-%d}"
    return Anomaly(
        subject=one.skill_name,
        summary=f"{what} is unusual from {one.started_at:%Y-%m-%d} on{when}: expected "
        f"{figure(one.expected, one.metric)}, seen {figure(one.observed, one.metric)} in "
        f"{one.n:,} invocations ({one.type}).",
        score=0.9 if one.resolved_at is None else 0.4,
        n=one.n,
        method=one.method,
        id=one.id,
        metric=one.metric,
        type=one.type,
        expected=one.expected,
        expected_low=one.expected_low,
        expected_high=one.expected_high,
        observed=one.observed,
        p_value=one.p_value,
        started_at=one.started_at,
        ended_at=one.resolved_at,
        triage=one.triage,
    )


def _drift(one: drifts.Drift) -> Drift:
    level = f"{figure(one.before, one.metric)} before, {figure(one.after, one.metric)} then"
    return Drift(
        subject=one.skill_name,
        summary=f"The {NAMES[one.metric]} of {one.skill_name} has drifted since "
        f"{one.started_at:%Y-%m-%d} and is {one.direction}: {level} "
        f"(noticed on {one.detected_at:%Y-%m-%d}).",
        # Nobody is in a hurry with what took weeks: less than a sudden change of the same kind.
        score=0.7 if one.direction in {"slower", "worse"} else 0.35,
        n=one.n,
        method=drifts.METHOD,
        metric=one.metric,
        direction=one.direction,
        started_at=one.started_at,
        detected_at=one.detected_at,
        before=one.before,
        after=one.after,
    )


def _change(one: Found) -> ChangePoint:
    metric: Metric = "duration" if one.metric == "duration" else "completion_rate"
    commits = ""
    if one.commit_before and one.commit_after and one.commit_before != one.commit_after:
        commits = f", between {one.commit_before[:10]} and {one.commit_after[:10]}"
    return ChangePoint(
        subject=one.subject,
        params=one.params,
        project=one.project,
        summary=f"{title_of(one)} became {one.direction} on {one.at:%Y-%m-%d}{commits}: "
        f"{figure(one.before, metric)} before, {figure(one.after, metric)} since.",
        score=(0.8 if one.direction in {"slower", "worse"} else 0.4) * (1 - one.p_value),
        n=one.n,
        method=METHOD,
        evidence=tuple(one.sessions),
        metric=one.metric,
        at=one.at,
        last_before=one.last_before,
        before=one.before,
        after=one.after,
        ratio=one.ratio,
        ratio_low=one.ratio_low,
        ratio_high=one.ratio_high,
        p_value=one.p_value,
        commit_before=one.commit_before,
        commit_after=one.commit_after,
        changed=tuple(one.changed),
    )
