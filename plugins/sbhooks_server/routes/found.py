"""Questions about what analyses found, over HTTP: findings by kind, baselines, dependencies."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from litestar import Request, get
from litestar.params import QueryParameter

from sbhooks.events import utc_now
from sbhooks.insights import InsightQuery
from sbhooks.store import ShowsResults, SqlValue
from sbhooks_server.documents import problems
from sbhooks_server.parameters import Limit, Name, Time, read_time
from sbhooks_server.shapes import Findings
from sbhooks_server.site import site_of

Most = Annotated[int, QueryParameter(ge=1, le=1_000, description="At most that many of each kind.")]
Web = Request[Any, Any, Any]


class Baseline(msgspec.Struct, frozen=True, kw_only=True):
    """How everybody together fares with a skill.

    Attributes:
        skill_name: What was called.
        total_users: By how many people.
        total_invocations: How often.
        global_completion_rate: Share of successes, 0 to 1.
        global_avg_duration_seconds: Mean; ``None`` without durations.
        most_common_workflow_phase: ``None`` when no phase is known.
        effectiveness_percentile: Its place among all skills, 0 to 100.
        last_updated: When it was worked out.
    """

    skill_name: str
    total_users: int | None
    total_invocations: int | None
    global_completion_rate: float | None
    global_avg_duration_seconds: float | None
    most_common_workflow_phase: str | None
    effectiveness_percentile: float | None
    last_updated: str | None


class Baselines(msgspec.Struct, frozen=True, kw_only=True):
    """Those of the most used skills first; filled by ``sbhooks analytics refresh``."""

    baselines: list[Baseline]  #: At most as many as were asked for.


class Dependency(msgspec.Struct, frozen=True, kw_only=True):
    """Two skills that are used in the same runs.

    Attributes:
        skill_a: The one.
        skill_b: The other.
        co_occurrence_count: Runs with both; 0 for what somebody expects and nobody has seen yet.
        lift_score: How many times as often as if they had nothing to do with each other.
        last_updated: When it was worked out.
    """

    skill_a: str
    skill_b: str
    co_occurrence_count: int | None
    lift_score: float | None
    last_updated: str | None


class Dependencies(msgspec.Struct, frozen=True, kw_only=True):
    """The strongest first; filled by ``sbhooks analytics refresh``."""

    dependencies: list[Dependency]  #: At most as many as were asked for.


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
    limit: Most = 20,
) -> Findings:
    """Ask every plugin for what it found: flaky, slow and broken tests, anomalies, and more."""
    return _findings(request, kind, InsightQuery(
        tests=() if test is None else (test,), **_common(since, until, project, skill, limit)
    ))  # fmt: skip


@get("/api/v1/anomalies", tags=["insights"], sync_to_thread=True, responses=problems(400, 503))
def anomalies(
    request: Web,
    *,
    since: Time = None,
    until: Time = None,
    project: Name = None,
    skill: Name = None,
    limit: Most = 20,
) -> Findings:
    """List days of skills that are unlike their past: insights of the kind ``anomaly``."""
    common = _common(since, until, project, skill, limit)
    return _findings(request, "anomaly", InsightQuery(**common))


@get("/api/v1/trends", tags=["insights"], sync_to_thread=True, responses=problems(400, 503))
def trends(
    request: Web,
    *,
    since: Time = None,
    until: Time = None,
    project: Name = None,
    skill: Name = None,
    limit: Most = 20,
) -> Findings:
    """List skills that get better or worse: insights of the kind ``trend``."""
    common = _common(since, until, project, skill, limit)
    return _findings(request, "trend", InsightQuery(**common))


@get("/api/v1/experiments", tags=["insights"], sync_to_thread=True, responses=problems(400, 503))
def experiments(
    request: Web, *, project: Name = None, skill: Name = None, limit: Most = 20
) -> Findings:
    """List experiments and what they have shown: insights of the kind ``experiment``."""
    common = _common(None, None, project, skill, limit)
    return _findings(request, "experiment", InsightQuery(**common))


@get("/api/v1/baselines", tags=["skills"], sync_to_thread=True, responses=problems(400, 503))
def baselines(request: Web, *, limit: Limit = 100) -> Baselines:
    """List how everybody together fares with each skill, the most used first."""
    rows = msgspec.convert(_kept(request, "skill_community_baselines"), list[Baseline])
    rows.sort(key=lambda row: (-(row.total_invocations or 0), row.skill_name))
    return Baselines(baselines=rows[:limit])


@get("/api/v1/dependencies", tags=["skills"], sync_to_thread=True, responses=problems(400, 503))
def dependencies(request: Web, *, skill: Name = None, limit: Limit = 100) -> Dependencies:
    """List skills that are used in the same runs, the strongest first."""
    rows = msgspec.convert(_kept(request, "skill_dependencies"), list[Dependency])
    chosen = [row for row in rows if skill is None or skill in {row.skill_a, row.skill_b}]
    chosen.sort(key=lambda row: (-(row.lift_score or 0.0), row.skill_a, row.skill_b))
    return Dependencies(dependencies=chosen[:limit])


def _common(
    since: str | None, until: str | None, project: str | None, skill: str | None, limit: int
) -> dict[str, Any]:
    return {
        "projects": () if project is None else (project,),
        "skills": () if skill is None else (skill,),
        "since": read_time(since),
        "until": read_time(until),
        "now": utc_now(),
        "limit": limit,
    }


def _findings(request: Web, kind: str | None, query: InsightQuery) -> Findings:
    kinds = () if kind is None else (kind,)
    found, as_of = site_of(request).findings.of(msgspec.structs.replace(query, kinds=kinds))
    chosen = [one for one in found if kind in {None, _kind(one)}]
    return Findings(insights=chosen, as_of=as_of)


def _kept(request: Web, table: str) -> list[dict[str, SqlValue]]:
    """What analyses have written down; nothing in stores that have no place for it."""
    store = site_of(request).runtime.store
    return store.kept_results(table) if isinstance(store, ShowsResults) else []


def _kind(insight: Any) -> str:
    return str(insight.__struct_config__.tag)


ROUTES = (insights, anomalies, trends, experiments, baselines, dependencies)
