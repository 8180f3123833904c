"""Questions over HTTP: skills, series, tests, runs, insights, and the events themselves."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from litestar import Request, get
from litestar.exceptions import HTTPException
from litestar.params import FromQuery, QueryParameter

from sbhooks.events import utc_now
from sbhooks.insights import InsightQuery
from sbhooks.store import EventQuery, EventReader
from sbhooks_server import answers
from sbhooks_server.answers import EventPage, Findings, Runs, Series, Skills, Step, Tests
from sbhooks_server.documents import problems
from sbhooks_server.site import site_of

_TIME = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(\.\d{1,30})?([Zz]|[+-]\d\d:\d\d)"
)
_FIRST, _LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)

Time = Annotated[
    str | None,
    QueryParameter(
        description="RFC 3339, such as 2026-11-20T12:00:00Z.", schema_extra={"format": "date-time"}
    ),
]
Name = Annotated[str | None, QueryParameter(max_length=1_000, min_length=1)]
Limit = Annotated[int, QueryParameter(ge=1, le=10_000, description="At most that many.")]
Web = Request[Any, Any, Any]


@get("/api/v1/skills", tags=["skills"], sync_to_thread=True, responses=problems(400, 503))
def skills(
    request: Web,
    *,
    since: Time = None,
    until: Time = None,
    project: Name = None,
    limit: Limit = 100,
) -> Skills:
    """Say how skills fared, the most used first."""
    return site_of(request).kept.skills(_query(since, until, project), limit=limit)


@get("/api/v1/series", tags=["skills"], sync_to_thread=True, responses=problems(400, 503))
def series(
    request: Web,
    *,
    since: Time = None,
    until: Time = None,
    project: Name = None,
    skill: Name = None,
    step: FromQuery[Step] = "hour",
) -> Series:
    """Count invocations per hour or day, of one skill or of all together."""
    query = _query(since, until, project, skills=() if skill is None else (skill,))
    return site_of(request).kept.series(query, step=step)


@get("/api/v1/tests", tags=["tests"], sync_to_thread=True, responses=problems(400, 503))
def tests(
    request: Web,
    *,
    since: Time = None,
    until: Time = None,
    project: Name = None,
    test: Name = None,
    limit: Limit = 100,
) -> Tests:
    """Say how tests fared, those that failed most often first."""
    query = _query(since, until, project, tests=() if test is None else (test,))
    return site_of(request).kept.tests(query, limit=limit)


@get("/api/v1/runs", tags=["runs"], sync_to_thread=True, responses=problems(400, 503))
def runs(
    request: Web,
    *,
    since: Time = None,
    until: Time = None,
    project: Name = None,
    limit: Annotated[int, QueryParameter(ge=1, le=1_000, description="At most that many.")] = 50,
) -> Runs:
    """List the newest runs of tools."""
    return answers.runs(_store(request), _query(since, until, project), limit=limit)


@get("/api/v1/insights", tags=["insights"], sync_to_thread=True, responses=problems(400, 503))
def insights(
    request: Web,
    *,
    since: Time = None,
    until: Time = None,
    project: Name = None,
    skill: Name = None,
    test: Name = None,
    kind: Annotated[
        str | None,
        QueryParameter(
            pattern=r"^[a-z0-9-]{1,64}$", description="Such as flaky-test; default: all."
        ),
    ] = None,
    limit: Annotated[
        int, QueryParameter(ge=1, le=1_000, description="At most that many of each kind.")
    ] = 20,
) -> Findings:
    """Ask every plugin for what it found: flaky, slow and broken tests, anomalies, and more."""
    query = InsightQuery(
        kinds=() if kind is None else (kind,),
        projects=() if project is None else (project,),
        skills=() if skill is None else (skill,),
        tests=() if test is None else (test,),
        since=_time(since),
        until=_time(until),
        now=utc_now(),
        limit=limit,
    )
    found, as_of = site_of(request).findings.of(query)
    chosen = [one for one in found if kind in {None, _kind(one)}]
    return Findings(insights=chosen, as_of=as_of)


@get("/api/v1/events", tags=["events"], sync_to_thread=True, responses=problems(400, 503))
def events(
    request: Web,
    *,
    after: Annotated[
        int,
        QueryParameter(ge=0, le=2**53 - 1, description="A position from before; 0: the beginning."),
    ] = 0,
    limit: Annotated[
        int, QueryParameter(ge=1, le=5_000, description="At most about that many.")
    ] = 500,
) -> EventPage:
    """Read events in the order in which they were stored, from a position on.

    None is missed and none comes twice: what is stored later stands behind every position
    that was handed out.
    """
    return answers.events(_store(request), after=after, limit=limit)


def _store(request: Web) -> EventReader:
    return site_of(request).runtime.store


def _query(
    since: str | None,
    until: str | None,
    project: str | None,
    *,
    skills: tuple[str, ...] = (),
    tests: tuple[str, ...] = (),
) -> EventQuery:
    return EventQuery(
        since=_time(since),
        until=_time(until),
        projects=() if project is None else (project,),
        skills=skills,
        tests=tests,
    )


def _time(text: str | None) -> datetime | None:
    """Read a time; those before our calendar and in leap seconds are taken as the nearest.

    Raises:
        HTTPException: It is none.
    """
    if text is None:
        return None
    match = _TIME.fullmatch(text)
    if match is None:
        raise HTTPException(status_code=400, detail=f"{text[:50]!r} is no time (RFC 3339)")
    year, month, day, hour, minute, second, _, zone = match.groups()
    if year == "0000":
        return _FIRST
    second = "59" if second == "60" else second
    fraction = (match[7] or ".0")[:7].ljust(7, "0")
    plain = f"{year}-{month}-{day}T{hour}:{minute}:{second}{fraction}{zone.upper()}"
    try:
        at = datetime.fromisoformat(plain)
        return min(max(at, _FIRST), _LAST).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise HTTPException(status_code=400, detail=f"{text[:50]!r}: {error}") from error


def _kind(insight: Any) -> str:
    return str(insight.__struct_config__.tag)


ROUTES = (skills, series, tests, runs, insights, events)
