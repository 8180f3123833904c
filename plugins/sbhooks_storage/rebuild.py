"""Makes everything that is derived from the log anew, and says where it differs from the log."""

from __future__ import annotations

import sqlite3

from sbhooks_storage import archive_changes, results, rollups
from sbhooks_storage.append import high_water

_ROLLUP = (
    "project, source, skill, phase, outcome, n, timed, total_us, first_us, last_us, buckets "
    "FROM rollup_{0} JOIN rollup_key USING (key_no)"
)
_SKILL_SUMS = (
    "n, timed, total_us, first_us, last_us, buckets, "
    "success, failure, error, timeout, cancellation, skip"
)

#: Derived table → what of it is a function of the log alone: no clock, no numbering.
COMPARED = {
    "skill_metrics": (
        "SELECT skill_name, total_invocations, completed_invocations, abandoned_invocations, "
        "total_duration_seconds, workflow_paths, common_errors, follow_up_actions, "
        "avg_selection_rank, recommendation_success_rate, first_invoked, last_invoked, "
        "completion_rate, avg_duration_seconds, timed_invocations, total_us, ranked_invocations, "
        "ranked_completed, rank_total, first_us, last_us FROM skill_metrics "
        "WHERE total_invocations > 0"  # others are there to be referred to
    ),
    "skill_counter": "SELECT skill_name, counter, name, n FROM skill_counter",
    "session_skills": (
        "SELECT session_id, skill_name, invocation_count, completed_count, last_hour "
        "FROM session_skills"
    ),
    "mv_daily_skills": (
        "SELECT date, skill_name, invocations, completions, abandonments, avg_duration_seconds, "
        "timed_completions, total_us FROM mv_daily_skills"
    ),
    "skill_time_series": (
        "SELECT skill_name, timestamp, invocation_count, completion_rate, avg_duration_seconds, "
        "unique_sessions, completed_count, timed_count, total_us FROM skill_time_series"
    ),
    "skill_metrics_cache": "SELECT skill_name, last_invocation_at FROM skill_metrics_cache",
    "rollup_hour": f"SELECT hour, {_ROLLUP.format('hour')}",
    "rollup_day": f"SELECT day, {_ROLLUP.format('day')}",
    "rollup_skill_hour": f"SELECT skill, hour, {_SKILL_SUMS} FROM rollup_skill_hour",
    "rollup_skill_day": f"SELECT skill, day, {_SKILL_SUMS} FROM rollup_skill_day",
    "rollup_outcome_day": (
        "SELECT skill, day, outcome, n, timed, total_us, first_us, last_us, buckets "
        "FROM rollup_outcome_day"
    ),
}


def rebuild(connection: sqlite3.Connection) -> None:
    """Make every derived table anew; what analyses found stays as it is.

    Args:
        connection: In a write transaction.
    """
    with archive_changes.put_back(connection):
        with results.set_aside(connection):
            connection.execute("INSERT INTO log_rebuild VALUES (1)")
        rollups.clear(connection)
        rollups.catch_up(connection, high_water(connection))


def differences(connection: sqlite3.Connection) -> list[str]:
    """Say which derived tables are not what the log gives; changes nothing.

    Takes as long as making them anew, because that is what it does.

    Args:
        connection: In a write transaction.
    """
    connection.execute("SAVEPOINT verification")
    try:
        rollups.catch_up(connection, high_water(connection))  # being behind is no difference
        for table, rows in COMPARED.items():
            connection.execute(f"CREATE TEMP TABLE kept_{table} AS {rows}")
        rebuild(connection)
        return [
            f"{table}: {count} rows are not what the log gives. Run: sbhooks db rebuild"
            for table, rows in COMPARED.items()
            if (count := _different(connection, f"SELECT * FROM temp.kept_{table}", rows))
        ]
    finally:
        connection.execute("ROLLBACK TO verification")
        connection.execute("RELEASE verification")


def _different(connection: sqlite3.Connection, kept: str, made: str) -> int:
    """How many rows only one of two queries gives."""
    (count,) = connection.execute(
        f"SELECT (SELECT count(*) FROM ({kept} EXCEPT {made})) "
        f"+ (SELECT count(*) FROM ({made} EXCEPT {kept}))"
    ).fetchone()
    return int(count)
