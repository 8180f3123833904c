"""Questions over HTTP: skills, series, tests, runs, and the events themselves."""

from __future__ import annotations

from typing import Annotated, Any

from litestar import Request, get
from litestar.params import FromQuery, QueryParameter

from sbhooks.store import EventQuery, EventReader
from sbhooks_server import answers
from sbhooks_server.documents import problems
from sbhooks_server.parameters import Limit, Name, Time, read_time
from sbhooks_server.shapes import EventPage, Runs, Series, Skills, Step, Tests
from sbhooks_server.site import site_of

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
    return site_of(request).kept.runs(_query(since, until, project), limit=limit)


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
        since=read_time(since),
        until=read_time(until),
        projects=() if project is None else (project,),
        skills=skills,
        tests=tests,
    )


ROUTES = (skills, series, tests, runs, events)
