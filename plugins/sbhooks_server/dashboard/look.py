"""What the page shows, gathered from the store, the plugins and the machine."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from sbhooks import __version__, cutoff, problems, status
from sbhooks.config import PrivacyConfig
from sbhooks.events import SessionStart
from sbhooks.insights import Insight, InsightQuery
from sbhooks.plugin import Plugin
from sbhooks.store import Dimension, EventQuery, EventReader, Rollup, merge
from sbhooks_server import answers
from sbhooks_server.dashboard import charts
from sbhooks_server.dashboard.charts import Chart, Day
from sbhooks_server.dashboard.filters import Filters
from sbhooks_server.dashboard.rows import Row, rows
from sbhooks_server.shapes import Run, Skill, Test
from sbhooks_server.site import Site

_RUNS_AT_MOST = timedelta(days=1)  # what began before and has not ended was killed
_MOST_LIVE, _MOST_ROWS, _MOST_EVENTS, _MOST_PROJECTS = 10, 10, 20, 200


class Live(msgspec.Struct, frozen=True, kw_only=True):
    """A run that has begun and not ended.

    Attributes:
        good: Tests and invocations so far that ended well.
        bad: Those that failed.
        other: All others, such as skipped ones.
        stage: The newest stage or phase, if it has any.
    """

    session: str
    tool: str
    project: str | None
    started_at: datetime
    good: int
    bad: int
    other: int
    stage: str


class View(msgspec.Struct, frozen=True, kw_only=True):
    """Everything on the page; tables hold the first rows only."""

    filters: Filters
    now: datetime
    position: int
    projects: list[str]
    live: list[Live]
    events: list[Row]
    runs: list[Run]
    skills: list[Skill]
    skills_total: int
    tests: list[Test]
    charts: list[Chart]
    findings: dict[str, list[Any]]
    machine: Machine

    def ended(self, run: Run) -> str:
        """How a run ended, in the words of ``sbhooks runs``."""
        if run.outcome is None:
            return "running" if self.now - run.started_at < _RUNS_AT_MOST else "unknown"
        return "killed" if run.reason == "killed" else run.outcome


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """How the server and its store fare."""

    version: str
    store: str
    size_bytes: int | None
    events: dict[str, int]
    spool: status.SpoolStatus
    collecting: str
    privacy: PrivacyConfig
    listeners: int
    problems: int
    lost: int
    plugins: list[Plugin]


def look(site: Site, filters: Filters, now: datetime) -> View:
    """Gather what the page shows.

    Raises:
        SbhooksError: The store or the spool cannot be read.
    """
    store = site.runtime.store
    query = filters.query(now)
    position = store.high_water()
    skills = answers.skills(store, query, limit=_MOST_ROWS)
    failing = [t for t in answers.tests(store, query, limit=_MOST_ROWS).tests if _failed(t)]
    return View(
        filters=filters,
        now=now,
        position=position,
        projects=_projects(store),
        live=_live(store, filters, now),
        events=rows(store, query, limit=_MOST_EVENTS),
        runs=answers.runs(store, query, limit=_MOST_ROWS).runs,
        skills=skills.skills,
        skills_total=skills.total,
        tests=failing,
        charts=_charts(store, query, filters),
        findings=_by_kind(findings(site, filters, now)),
        machine=_machine(site),
    )


def findings(site: Site, filters: Filters, now: datetime) -> Sequence[Insight]:
    """What plugins found; see :class:`sbhooks_server.findings.KeptFindings`."""
    query = InsightQuery(
        projects=(filters.project,) if filters.project else (),
        skills=(filters.skill,) if filters.skill else (),
        now=now,
        limit=_MOST_ROWS,
    )
    found, _ = site.findings.of(query)
    return found


def _by_kind(found: Sequence[Insight]) -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for one in found:
        groups.setdefault(str(one.__struct_config__.tag), []).append(one)
    return groups


def _failed(test: Test) -> int:
    return test.outcomes.get("failed", 0) + test.outcomes.get("error", 0)


def _projects(store: EventReader) -> list[str]:
    found = store.rollup(EventQuery(kinds=("session-start",)), by=["project"])
    return [str(r.key[0]) for r in found if r.key[0]][:_MOST_PROJECTS]


def _live(store: EventReader, filters: Filters, now: datetime) -> list[Live]:
    """Runs of the last day that have a start and no end, the newest first."""
    since = now - _RUNS_AT_MOST
    projects = (filters.project,) if filters.project else ()
    query = EventQuery(
        kinds=("session-start", "session-end"), since=since, projects=projects
    )  # fmt: skip
    begun: set[str] = set()
    ended: set[str] = set()
    for sums in store.rollup(query, by=["session", "kind"]):
        (begun if sums.key[1] == "session-start" else ended).add(str(sums.key[0]))
    sessions = tuple(sorted(begun - ended))[:500]
    if not sessions:
        return []
    wanted = EventQuery(
        kinds=("session-start",), sessions=sessions, newest_first=True, limit=_MOST_LIVE
    )
    starts = [e for e in store.events(wanted) if isinstance(e, SessionStart)]
    return [_live_run(store, start) for start in starts]


def _live_run(store: EventReader, start: SessionStart) -> Live:
    query = EventQuery(kinds=("test-result", "invocation"), sessions=(start.session,))
    outcomes: dict[str | None, int] = {}
    for sums in store.rollup(query, by=["outcome"]):
        outcomes[sums.key[0]] = sums.n
    good = outcomes.pop("success", 0)
    bad = outcomes.pop("failure", 0) + outcomes.pop("error", 0)
    stages = EventQuery(
        kinds=("pipeline-stage", "phase-change"), sessions=(start.session,)
    )  # fmt: skip
    newest = rows(store, stages, limit=1)
    return Live(
        session=start.session,
        tool=start.tool,
        project=start.project,
        started_at=start.at,
        good=good,
        bad=bad,
        other=sum(outcomes.values()),
        stage=newest[0].subject if newest else "",
    )


def _charts(store: EventReader, query: EventQuery, filters: Filters) -> list[Chart]:
    step: Dimension = "hour" if filters.days == 1 else "day"
    calls = _days(store, query, "invocation", step)
    tests = _days(store, query, "test-result", step)
    return [charts.rate(calls), charts.durations(calls), charts.attempts(tests)]


def _days(store: EventReader, query: EventQuery, kind: str, step: Dimension) -> list[Day]:
    """Days or hours from the first to the last in which something happened."""
    wanted = msgspec.structs.replace(query, kinds=(kind,))
    by: list[Dimension] = [step] if kind == "invocation" else [step, "subtest"]
    sums = [r for r in store.rollup(wanted, by=by) if kind == "invocation" or r.key[1] is None]
    found: dict[str, Rollup] = {str(r.key[0]): r for r in merge(sums, keep=(0,))}
    if not found:
        return []
    length = timedelta(hours=1) if step == "hour" else timedelta(days=1)
    shape = "%Y-%m-%dT%H" if step == "hour" else "%Y-%m-%d"
    if kind == "test-result":
        for event in cutoff.killed(store, wanted):
            name = event.at.astimezone(UTC).strftime(shape)
            found[name] = _cut_off(found[name])
    at, last = (datetime.strptime(name, shape) for name in (min(found), max(found)))
    names = []
    while at <= last:
        names.append(at.strftime(shape))
        at += length
    return [(name.replace("T", " ") + ":00" * (step == "hour"), found.get(name)) for name in names]


def _cut_off(sums: Rollup) -> Rollup:
    """With one of the errors counted as cut off: its run was killed."""
    outcomes = Counter(sums.outcomes)
    outcomes["error"] -= 1
    outcomes["cancellation"] += 1
    return msgspec.structs.replace(sums, outcomes=dict(outcomes))


def _machine(site: Site) -> Machine:
    config, hooks = site.runtime.config, site.runtime.hooks
    known = problems.read(str(config.home))
    counts = site.runtime.store.rollup(EventQuery(), by=["kind"])
    return Machine(
        version=__version__,
        store=status.without_password(config.store),
        size_bytes=status.store_size(config),
        events={str(r.key[0]): r.n for r in counts},
        spool=status.spool_status(config.home),
        collecting=site.keeper.trouble or "",
        privacy=config.privacy,
        listeners=len(site.hub.clients),
        problems=len(known),
        lost=sum(problem.lost for problem in known),
        plugins=[*hooks.plugins.values(), *hooks.rejected],
    )
