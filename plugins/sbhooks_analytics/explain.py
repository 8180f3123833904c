"""One finding in full: its days, what was like it before, and second opinions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec

from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.anomaly_findings import Finding
from sbhooks_analytics.decisions import Triage
from sbhooks_analytics.second_opinions import isolation_forest
from sbhooks_analytics.series import Series, series_of


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks anomalies explain --json`` prints.

    Attributes:
        finding: The finding itself.
        series: The figure day by day, from 28 days before; of hours from 48 before.
        similar: Earlier findings about the same figure of the same skill, newest first.
        forest_days: Days of the finding that the isolation forest also calls unusual; ``None``
            with fewer than 30 days of data, and for hours.
    """

    finding: Finding
    series: Series
    similar: list[Finding]
    forest_days: int | None


class Judged(msgspec.Struct, frozen=True, kw_only=True):
    """A judgement that was taken down."""

    id: str  #: Of the finding.
    skill_name: str  #: What it is about.
    triage: Triage  #: What was said.
    note: str | None  #: Why.


class Confirmed(Judged, frozen=True, kw_only=True):
    """What ``sbhooks anomalies confirm --json`` prints."""


class Rejected(Judged, frozen=True, kw_only=True):
    """What ``sbhooks anomalies reject --json`` prints."""


class Fixed(Judged, frozen=True, kw_only=True):
    """What ``sbhooks anomalies fixed --json`` prints."""


class Reopened(Judged, frozen=True, kw_only=True):
    """What ``sbhooks anomalies reopen --json`` prints."""


DOCUMENTS: dict[Triage, type[Judged]] = {
    "confirmed": Confirmed, "rejected": Rejected, "fixed": Fixed, "new": Reopened,
}  # fmt: skip


def explain(
    store: EventReader,
    query: EventQuery,
    finding: Finding,
    every: Sequence[Finding],
    *,
    now: datetime,
) -> Explanation:
    """Gather what helps to judge a finding.

    Args:
        store: The events.
        query: Projects to look at.
        finding: Which one.
        every: All findings, for those that are like it.
        now: Today is not complete, and left out.
    """
    before = timedelta(hours=48) if finding.period == "hour" else timedelta(days=28)
    chosen = msgspec.structs.replace(query, since=finding.started_at - before)
    series = series_of(
        store, chosen, finding.skill_name, metric=finding.metric, period=finding.period, now=now
    )
    similar = [
        one
        for one in every
        if (one.skill_name, one.metric) == (finding.skill_name, finding.metric)
        and one.started_at < finding.started_at
    ]
    similar.sort(key=lambda one: one.started_at, reverse=True)
    return Explanation(
        finding=finding, series=series, similar=similar[:5],
        forest_days=_forest(store, query, finding, now),
    )  # fmt: skip


def _forest(store: EventReader, query: EventQuery, finding: Finding, now: datetime) -> int | None:
    back = msgspec.structs.replace(
        query, since=finding.started_at - timedelta(days=90), skills=(finding.skill_name,)
    )
    series = series_of(
        store, back, finding.skill_name, metric="completion_rate", period="day", now=now
    )
    if finding.period == "hour" or sum(value is not None for value in series.values) < 30:
        return None
    end = finding.resolved_at or now
    days = isolation_forest(store, back, now=now).outliers
    return sum(finding.started_at <= one.at < end for one in days)
