"""Unusual days as findings that people can read, judge and look up again.

A finding has an id that stays the same while it lasts and afterwards, so a judgement
(:class:`~sbhooks_analytics.decisions.FindingTriage`) sticks to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec
import numpy as np

from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.anomalies import PER_MONTH, Detection, Episode, detect
from sbhooks_analytics.daily import DAY, GRAINS, HOUR, Days, Grain, days_of
from sbhooks_analytics.decisions import FindingTriage, Triage, identity, pick
from sbhooks_analytics.series import LENGTH, Metric, Period, Tallies, begin_of, tallies
from sbhooks_analytics.trends import most_used

AnomalyType = Literal["drop", "spike", "pattern_shift"]
MOST_SKILLS = 2_000  #: The most used are looked at.
METHODS = {
    "completion_rate": "beta-binomial tails against up to {look_back} earlier {period}s, 1 and 2 "
    "together",
    "invocations": "negative binomial tails against up to {look_back} earlier {period}s",
    "duration": "robust t of the log median against up to {look_back} earlier {period}s",
}


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """Something unusual about one figure of one skill.

    Attributes:
        id: Identity; stays the same while it lasts.
        skill_name: What was called.
        metric: ``completion_rate``, ``invocations`` or ``duration``.
        type: ``drop``, ``spike``, or ``pattern_shift`` when it lasted 14 days.
        started_at: Begin of the first unusual day (or hour), UTC.
        detected_at: End of the day on which it was noticed.
        resolved_at: Begin of the first usual day; ``None`` while it lasts.
        expected: What the past lets expect; durations in seconds, rates as fractions.
        expected_low: What is two standard deviations less.
        expected_high: Two more.
        observed: Over all its days: the rate, the mean number a day, the median duration.
        n: Invocations on its days.
        deviation_score: Standard deviations between seen and expected on the worst day.
        p_value: Of the day on which it was noticed, before the budget is shared out.
        method: How unusual is told from usual.
        triage: What somebody said about it: ``new``, ``confirmed``, ``rejected``, ``fixed``.
        note: Why.
        period: ``day`` or ``hour``: what was judged, and what "day" means above.
    """

    id: str
    skill_name: str
    metric: Metric
    type: AnomalyType
    started_at: datetime
    detected_at: datetime
    resolved_at: datetime | None
    expected: float
    expected_low: float
    expected_high: float
    observed: float
    n: int
    deviation_score: float
    p_value: float
    method: str
    triage: Triage = "new"
    note: str | None = None
    period: Period = "day"


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks anomalies list --json`` prints.

    Attributes:
        findings: What lasts first, then the newest.
        days: Complete days (or hours) that were judged.
        skills: Skills that were looked at, the most used.
        skills_in_all: How many there are.
        false_alarms_per_month: At most that many are to be expected.
        reason: Why nothing could be judged; empty otherwise.
        method: How the alarms are made.
    """

    findings: list[Finding]
    days: int
    skills: int
    skills_in_all: int
    false_alarms_per_month: float
    reason: str = ""
    method: str = "count-aware tests with one Benjamini-Hochberg budget"
    period: Period = "day"  #: What was judged: days or hours.


def anomalies(
    store: EventReader,
    query: EventQuery,
    *,
    now: datetime,
    per_month: float = PER_MONTH,
    grain: Grain = DAY,
) -> Findings:
    """Find what was unusual in the time looked at.

    Args:
        store: The events.
        query: Projects, skills and times; 60 days, of hours 7, when it does not say since when.
        now: Today is not complete, and not judged.
        per_month: False alarms to expect at most in a month, over all skills and figures.
        grain: Whether days or hours are judged.
    """
    found = unjudged(store, query, now=now, per_month=per_month, grain=grain)
    return judged(store, found, query, now=now)


def unjudged(
    store: EventReader,
    query: EventQuery,
    *,
    now: datetime,
    per_month: float = PER_MONTH,
    grain: Grain = DAY,
) -> Findings:
    """All findings that the time looked at and what it is compared with hold.

    The same all day long (all hour long, of hours), as long as nothing of the past changes;
    arguments as of :func:`anomalies`.
    """
    since = now - grain.window if query.since is None else query.since
    length = LENGTH[grain.period]
    wide = msgspec.structs.replace(
        query, since=back(since, (grain.look_back + grain.shift) * length)
    )
    found = tallies(store, wide, period=grain.period, now=now, most=MOST_SKILLS)
    skills = list(query.skills) or most_used(found, MOST_SKILLS)
    first = begin_of(since, grain.period)
    return Findings(
        findings=findings_of(found, skills, per_month), skills=len(skills),
        days=sum(start >= first for start in found.starts),
        skills_in_all=max(len(skills), found.of), false_alarms_per_month=per_month,
        reason=_reason(found, grain), period=grain.period,
    )  # fmt: skip


def judged(store: EventReader, found: Findings, query: EventQuery, *, now: datetime) -> Findings:
    """Those of the time looked at, with what people said about them, what lasts first.

    Args:
        store: The events, for the judgements among them.
        found: Of :func:`unjudged`.
        query: Says since when, as it was asked there.
        now: When it is asked.
    """
    since = now - GRAINS[found.period].window if query.since is None else query.since
    said = judgements(store)
    every = [_judged(one, said) for one in found.findings if _is_in(one, since)]
    every.sort(key=lambda one: (one.resolved_at is not None, -one.started_at.timestamp(), one.id))
    return msgspec.structs.replace(found, findings=every)


def findings_of(found: Tallies, skills: Sequence[str], per_month: float) -> list[Finding]:
    """All findings about the given skills, nobody's judgement considered."""
    made: list[Finding] = []
    grain = GRAINS.get(found.period, DAY)
    size = grain.at_once
    if not grain.volumes:  # what has too few hours is never judged: it need not be looked at
        skills = [skill for skill in skills if len(found.skills.get(skill, ())) > grain.least]
    for start in range(0, len(skills), size):
        days = days_of(found, skills[start : start + size])
        # Every chunk gets its part of the budget.
        part = per_month * len(days.skills) / max(len(skills), 1)
        for metric, detection in detect(days, per_month=part).items():
            made += [_finding(days, metric, detection, one) for one in detection.episodes]
    return made


def judgements(store: EventReader) -> dict[str, FindingTriage]:
    """The newest judgement of each finding."""
    events = store.events(EventQuery(kinds=("analytics-triage",)))
    return {event.finding: event for event in events if isinstance(event, FindingTriage)}


def find(found: Sequence[Finding], name: str) -> Finding:
    """The finding that a user means; see :func:`~sbhooks_analytics.decisions.pick`."""
    return pick(found, name, what="finding", command="sbhooks anomalies list")


def _finding(days: Days, metric: Metric, detection: Detection, one: Episode) -> Finding:
    surprise = detection.surprise
    row, span = one.row, slice(one.start, one.last + 1)
    expected, spread = surprise.expected[row, one.alarm], surprise.spread[row, one.alarm]
    seen = _observed(days, metric, row, span)
    low, high = expected - 2 * spread, expected + 2 * spread
    if metric == "duration":
        shown = [float(np.exp(np.clip(value, -20, 21))) for value in (expected, low, high, seen)]
        score = (seen - expected) / spread
    else:
        most = 1.0 if metric == "completion_rate" else np.inf
        shown = [float(np.clip(value, 0.0, most)) for value in (expected, low, high, seen)]
        score = (seen - expected) / spread if spread > 0 else one.sign
    grain = days.grain
    kind: AnomalyType = "pattern_shift" if one.shift else "drop" if one.sign < 0 else "spike"
    skill, start = days.skills[row], days.starts[one.start]
    return Finding(
        id=identity(f"{skill} by the hour" if grain is HOUR else skill, metric, start, one.sign),
        skill_name=skill,
        metric=metric,
        type=kind,
        started_at=start,
        detected_at=days.starts[one.alarm] + LENGTH[grain.period],
        resolved_at=None if one.end is None else days.starts[one.end],
        expected=shown[0],
        expected_low=shown[1],
        expected_high=shown[2],
        observed=shown[3],
        n=int(days.n[row, span].sum()),
        deviation_score=float(score),
        p_value=float(surprise.p_value[row, one.alarm]),
        method=METHODS[metric].format(look_back=grain.look_back, period=grain.period),
        period=grain.period,
    )


def _observed(days: Days, metric: Metric, row: int, span: slice) -> float:
    count = float(days.n[row, span].sum())
    if metric == "completion_rate":
        return float(days.completed[row, span].sum()) / max(count, 1.0)
    if metric == "invocations":
        return float(days.n[row, span].mean())
    known = days.duration[row, span]
    return float(np.median(known[np.isfinite(known)]))


def _judged(one: Finding, judged: dict[str, FindingTriage]) -> Finding:
    said = judged.get(one.id)
    if said is None:
        return one
    return msgspec.structs.replace(one, triage=said.verdict, note=said.note)


def _is_in(one: Finding, since: datetime) -> bool:
    return one.resolved_at is None or one.resolved_at > since


def back(at: datetime, length: timedelta) -> datetime:
    """So long before a time; the time itself where the calendar does not go that far."""
    try:
        return at - length
    except OverflowError:
        return at


def _reason(found: Tallies, grain: Grain) -> str:
    used = len(found.active)
    if used > grain.least:
        return ""
    return (
        f"not enough data: {used} complete {grain.period}s with invocations; from the "
        f"{grain.least + 1}th on, each is compared with those before it"
    )
