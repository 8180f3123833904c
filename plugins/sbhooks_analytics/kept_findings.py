"""Findings of the last refresh, which hold for as long as the past does not change.

A finding depends on all days that were looked at: on the profile of the weekday, which each new
day moves, and on the budget, which all skills share. So days cannot be judged one by one. But new
events mostly belong to today, which is not judged before it is over. Until then the findings of the
last refresh are those that would be made anew, and they are not. Whatever else happens makes them
anew: a new day, an event of an earlier day, something erased, another budget, another version.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from sbhooks import __version__
from sbhooks.store import EventQuery, EventReader
from sbhooks_analytics.anomaly_findings import Findings, judged, unjudged
from sbhooks_analytics.couse import replace_file
from sbhooks_analytics.news import news, origin
from sbhooks_analytics.series import begin_of

FILE = "analytics-findings.json"  #: In the home of sbhooks.
_MOST_NEWS = 50_000  # events; to read more takes as long as to judge anew


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Findings, and what they depend on.

    Attributes:
        version: Of sbhooks.
        store: Which store they are about.
        origin: Its first event.
        today: The day on which they were made (UTC): the first that was not judged.
        per_month: False alarms to expect at most in a month.
        position: Everything up to there has been considered.
        found: The findings, nobody's judgement considered.
    """

    version: str
    store: str
    origin: str
    today: datetime
    per_month: float
    position: int
    found: Findings


def current(
    store: EventReader, home: Path, *, name: str, now: datetime, per_month: float
) -> Findings:
    """What :func:`~sbhooks_analytics.anomaly_findings.anomalies` says, judged anew only if need be.

    Args:
        store: The events.
        home: Where findings are kept.
        name: Which store this is.
        now: Today is not complete, and not judged.
        per_month: False alarms to expect at most in a month.
    """
    position = store.high_water()
    asked = Kept(
        version=__version__, store=name, origin=origin(store), today=begin_of(now, "day"),
        per_month=per_month, position=position,
        found=Findings(
            findings=[], days=0, skills=0, skills_in_all=0, false_alarms_per_month=per_month
        ),
    )  # fmt: skip
    kept = _still_true(store, _load(home), asked)
    if kept is None:
        found = unjudged(store, EventQuery(), now=now, per_month=per_month)
        kept = msgspec.structs.replace(asked, found=found)
    replace_file(home / FILE, msgspec.json.encode(kept))
    return judged(store, kept.found, EventQuery(), now=now)


def _still_true(store: EventReader, kept: Kept | None, asked: Kept) -> Kept | None:
    """What is kept, at the newest position; ``None`` when it need not hold any more."""
    if kept is None or _key(kept) != _key(asked):
        return None
    if asked.position - kept.position > _MOST_NEWS:
        return None
    found = news(store, kept.position)
    is_old = found.earliest is not None and found.earliest < kept.today
    if is_old or not found.unbroken:
        return None
    return msgspec.structs.replace(kept, position=found.position)


def _key(one: Kept) -> tuple[object, ...]:
    return one.version, one.store, one.origin, one.today, one.per_month


def _load(home: Path) -> Kept | None:
    try:
        return msgspec.json.decode((home / FILE).read_bytes(), type=Kept)
    except (OSError, msgspec.MsgspecError, ValueError):
        return None
