"""Fills the tables of results, for readers with SQL.

The tables are caches of what the commands compute; whoever reads them by SQL sees the state of
the last refresh. Sessions that have not changed are not read again, and a first refresh that was
stopped goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path

import msgspec
import numpy as np

from sbhooks.store import EventQuery, EventReader, KeepsResults, SqlValue
from sbhooks_analytics.anomalies import PER_MONTH
from sbhooks_analytics.anomaly_findings import Finding
from sbhooks_analytics.baselines import Baseline, baselines
from sbhooks_analytics.clusters import Cluster, Clusters, clusters
from sbhooks_analytics.couse import follow, replace_file
from sbhooks_analytics.dependencies import Dependency, dependencies
from sbhooks_analytics.embedding import Vectors
from sbhooks_analytics.kept_findings import current
from sbhooks_analytics.search import Embed, vectors_of

Rows = Sequence[Mapping[str, SqlValue]]
Tables = Mapping[str, Rows]
NAMES = "analytics-clusters.json"  #: In the home of sbhooks.
MOST_DEPENDENCIES = 50_000  #: The surest are kept: skills that are all different make millions.


class Refreshed(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks analytics refresh --json`` prints.

    Attributes:
        tables: Table → rows in it now.
        kept: Whether the store keeps results; if not, nothing was written.
    """

    tables: dict[str, int]
    kept: bool


def refresh(
    store: EventReader,
    home: Path,
    *,
    name: str,
    now: datetime,
    per_month: float = PER_MONTH,
    embedder: Embed | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Refreshed:
    """Compute all results anew and keep them.

    Args:
        store: The events; its tables, where it keeps results.
        home: Where what is kept between refreshes is.
        name: Which store this is.
        now: Today is not complete, and not judged.
        per_month: False alarms to expect at most in a month.
        embedder: What a plugin offers; clusters look at meanings then.
        progress: Told (steps done, steps in all).
    """
    tables = dict(co_use(store, home, name=name, now=now, embedder=embedder, progress=progress))
    if progress:
        progress(1, 2)
    found = current(store, home, name=name, now=now, per_month=per_month)
    tables.update(anomaly_rows(found.findings))
    kept = isinstance(store, KeepsResults)
    if isinstance(store, KeepsResults):
        store.keep_results(tables)
    return Refreshed(tables={name: len(rows) for name, rows in tables.items()}, kept=kept)


def co_use(
    store: EventReader,
    home: Path,
    *,
    name: str,
    now: datetime,
    embedder: Embed | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Tables:
    """What is used together, and how well: baselines, dependencies and clusters as rows.

    Takes as long as what is new since the last time; arguments as of :func:`refresh`.
    """

    def told(done: int, parts: int) -> None:
        if progress:
            progress(done, parts + 1)

    at = stamp(now)
    book = follow(store, home, name=name, progress=told)
    vectors = vectors_of(store, EventQuery(), embedder)
    found = clusters(book, names_before(home), vectors)
    _keep_names(home, found)
    return {
        **baseline_rows(baselines(store, EventQuery(), book), at),
        **dependency_rows(dependencies(book)[:MOST_DEPENDENCIES], at),
        **cluster_rows(found, at, vectors),
    }


def names_before(home: Path) -> dict[str, list[str]]:
    """Names and members of the clusters of the last refresh; none where there was none."""
    try:
        return msgspec.json.decode((home / NAMES).read_bytes(), type=dict[str, list[str]])
    except (OSError, msgspec.MsgspecError, ValueError):
        return {}


def _keep_names(home: Path, found: Clusters) -> None:
    names = {one.name: [member.skill_name for member in one.members] for one in found.clusters}
    if names != names_before(home):
        replace_file(home / NAMES, msgspec.json.encode(names))


def baseline_rows(found: Sequence[Baseline], at: str) -> Tables:
    """Baselines as rows of ``skill_community_baselines``."""
    rows: Rows = [
        {
            "skill_name": one.skill_name,
            "total_users": one.total_users,
            "total_invocations": one.total_invocations,
            "global_completion_rate": one.global_completion_rate,
            "global_avg_duration_seconds": one.global_avg_duration_seconds,
            "most_common_workflow_phase": one.most_common_workflow_phase,
            "effectiveness_percentile": one.effectiveness_percentile,
            "last_updated": at,
        }
        for one in found
    ]
    return {"skill_community_baselines": rows}


def dependency_rows(found: Sequence[Dependency], at: str) -> Tables:
    """Dependencies as rows of ``skill_dependencies``; each pair once."""
    rows: Rows = [
        {
            "skill_a": one.skill_a,
            "skill_b": one.skill_b,
            "co_occurrence_count": one.co_occurrence_count,
            "lift_score": one.lift_score,
            "last_updated": at,
        }
        for one in found
    ]
    return {"skill_dependencies": rows}


def cluster_rows(found: Clusters, at: str, vectors: Mapping[str, Vectors]) -> Tables:
    """Clusters as rows of ``skill_clusters`` and ``skill_cluster_membership``."""
    numbered = list(enumerate(found.clusters, start=1))
    groups: Rows = [
        {
            "cluster_id": number,
            "cluster_name": one.name,
            "description": f"used in the same sessions as {one.medoid}",
            "centroid_embedding": _centroid(one, vectors),
            "created_at": at,
        }
        for number, one in numbered
    ]
    members: Rows = [
        {
            "skill_name": member.skill_name,
            "cluster_id": number,
            "membership_score": member.membership_score,
        }
        for number, one in numbered
        for member in one.members
    ]
    return {"skill_clusters": groups, "skill_cluster_membership": members}


def _centroid(one: Cluster, vectors: Mapping[str, Vectors]) -> bytes | None:
    """Mean embedding of the members, 384 little-endian float32; ``None`` without any."""
    rows = [vectors[m.skill_name] for m in one.members if m.skill_name in vectors]
    return np.mean(rows, axis=0).astype("<f4").tobytes() if rows else None


def anomaly_rows(findings: Sequence[Finding]) -> Tables:
    """Findings as rows of ``skill_anomalies``; what was rejected as a false alarm is none."""
    rows: list[dict[str, SqlValue]] = [
        {
            "skill_name": one.skill_name,
            "detected_at": stamp(one.detected_at),
            "anomaly_type": one.type,
            "baseline_value": one.expected,
            "observed_value": one.observed,
            "deviation_score": one.deviation_score,
            "resolved_at": None if one.resolved_at is None else stamp(one.resolved_at),
        }
        for one in findings
        if one.triage != "rejected"
    ]
    return {"skill_anomalies": rows}


def stamp(at: datetime) -> str:
    """A time in UTC as all tables write it, so that texts compare as times do."""
    return at.isoformat(timespec="microseconds")  # strftime does not fill up years before 1000
