"""Keeps the tables of V1 to V4 in step with the log, a batch at a time.

The triggers do the same for rows of other programs, one by one; the tables come out equal.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import NamedTuple, TypeVar

from sbhooks.events import from_us
from sbhooks_storage import rollups
from sbhooks_storage.gathered import Gathered
from sbhooks_storage.sums import Fresh, Key, fitting

K = TypeVar("K", bound=Hashable)

_FEWEST_STALE_S = 60  # how old the counts of skills may be that a batch does not touch

_COUNTER = """
    INSERT INTO skill_counter (skill_name, counter, name, n) VALUES (?, ?, ?, ?)
    ON CONFLICT (skill_name, counter, name) DO UPDATE SET n = n + excluded.n
"""
_SKILL = "INSERT OR IGNORE INTO skill_metrics (skill_name) VALUES (?)"
_METRICS = """
    UPDATE skill_metrics SET
        total_invocations = total_invocations + ?,
        completed_invocations = completed_invocations + ?,
        timed_invocations = timed_invocations + ?,
        total_us = total_us + ?,
        ranked_invocations = ranked_invocations + ?,
        ranked_completed = ranked_completed + ?,
        rank_total = rank_total + ?,
        first_us = min(coalesce(first_us, ?8), ?8),
        last_us = max(coalesce(last_us, ?9), ?9)
    WHERE skill_name = ?10
"""
_SESSION = """
    INSERT INTO session_skills (
        session_id, skill_name, invocation_count, completed_count, last_hour)
    VALUES (?, ?, ?, ?, ?)
    ON CONFLICT (session_id, skill_name) DO UPDATE SET
        invocation_count = invocation_count + excluded.invocation_count,
        completed_count = completed_count + excluded.completed_count,
        last_hour = max(last_hour, excluded.last_hour)
"""
_DAY = """
    INSERT INTO mv_daily_skills (
        date, skill_name, invocations, completions, abandonments, timed_completions, total_us,
        avg_duration_seconds)
    VALUES (?1, ?2, ?3, ?4, ?3 - ?4, ?5, ?6, ?6 / 1e6 / nullif(?5, 0))
    ON CONFLICT (date, skill_name) DO UPDATE SET
        invocations = invocations + excluded.invocations,
        completions = completions + excluded.completions,
        abandonments = abandonments + excluded.abandonments,
        timed_completions = timed_completions + excluded.timed_completions,
        total_us = total_us + excluded.total_us,
        avg_duration_seconds = (total_us + excluded.total_us) / 1e6
            / nullif(timed_completions + excluded.timed_completions, 0)
"""
_HOUR = """
    INSERT INTO skill_time_series (
        timestamp, skill_name, invocation_count, completed_count, timed_count, total_us,
        completion_rate, avg_duration_seconds, unique_sessions)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1.0 * ?4 / ?3, ?6 / 1e6 / nullif(?5, 0), ?7)
    ON CONFLICT (skill_name, timestamp) DO UPDATE SET
        invocation_count = invocation_count + excluded.invocation_count,
        completed_count = completed_count + excluded.completed_count,
        timed_count = timed_count + excluded.timed_count,
        total_us = total_us + excluded.total_us,
        completion_rate = 1.0 * (completed_count + excluded.completed_count)
            / (invocation_count + excluded.invocation_count),
        avg_duration_seconds = (total_us + excluded.total_us) / 1e6
            / nullif(timed_count + excluded.timed_count, 0),
        unique_sessions = unique_sessions + excluded.unique_sessions
"""
_LAST_HOUR = "SELECT last_hour FROM session_skills WHERE session_id = ? AND skill_name = ?"
_WAS_THERE = """
    SELECT EXISTS (
        SELECT 1 FROM session_span AS p
        CROSS JOIN skill_invocation AS e ON e.id BETWEEN p.first_seq AND p.last_seq
        WHERE p.session_no = ? AND e.id < ? AND e.skill_name = ? AND e.at_us >= ? AND e.at_us < ?)
"""
_CACHE_ROW = """
    INSERT INTO skill_metrics_cache (skill_name, last_invocation_at, updated_at)
    VALUES (?, '', '') ON CONFLICT (skill_name) DO UPDATE SET updated_at = ''
"""
_CACHE = """
    UPDATE skill_metrics_cache SET
        last_invocation_at =
            (SELECT last_invoked FROM skill_metrics AS m
             WHERE m.skill_name = skill_metrics_cache.skill_name),
        invocation_count_1h = r.count_1h,
        invocation_count_24h = r.count_24h,
        avg_completion_rate_24h = r.rate_24h,
        updated_at = strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')
    FROM v_recent_invocations AS r
    WHERE r.skill_name = skill_metrics_cache.skill_name AND (
        updated_at = ''
        OR invocation_count_24h > 0 AND (  -- or later than now: the clock was put back
            updated_at < strftime('%Y-%m-%dT%H:%M:%f', 'now', ?)
            OR updated_at > strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now')))
"""


class Member(NamedTuple):
    """A session in a batch.

    Attributes:
        name: Its id.
        is_new: Whether nothing of it was stored before.
    """

    name: str
    is_new: bool


class Sums:
    """Of some group of invocations: how many, how many completed, and how long these took."""

    __slots__ = ("completed", "first", "last", "n", "timed", "total_us")

    def __init__(self, first: int, last: int) -> None:
        self.n = self.completed = self.timed = self.total_us = 0
        self.first, self.last = first, last

    def add_row(self, row: Fresh, *, completed: bool) -> None:
        """Add the sums of one outcome."""
        self.n += row.n
        self.first, self.last = min(self.first, row.first_us), max(self.last, row.last_us)
        if completed:
            self.completed += row.n
            self.timed += row.timed
            self.total_us += row.total_us

    def add(self, other: Sums) -> None:
        """Add another group."""
        self.n += other.n
        self.first, self.last = min(self.first, other.first), max(self.last, other.last)
        self.completed += other.completed
        self.timed += other.timed
        self.total_us += other.total_us


def fold(
    connection: sqlite3.Connection,
    batch: Gathered,
    rows: Mapping[tuple[int, Key], Fresh],
    sessions: Mapping[int, Member],
    first_seq: int,
) -> None:
    """Add a batch of invocations to every derived table of V1 to V4.

    Args:
        connection: In the transaction that has written the batch to the log.
        batch: The invocations.
        rows: Their sums, :func:`rollups.sums` of ``batch.groups``.
        sessions: Number → session, for all of the batch.
        first_seq: Rows of the log from there on are of the batch.
    """
    hours = _by_hour(rows)
    days = _by(hours, lambda hour, skill: (hour // 24, skill))
    skills = _by(days, lambda _, skill: skill)
    names = [(*key, n) for key, n in batch.names().items()]
    connection.executemany(_COUNTER, names)
    connection.executemany(_SKILL, [(skill,) for skill in skills])
    connection.executemany(
        _METRICS,
        [
            (s.n, s.completed, s.timed, fitting(s.total_us),
             *batch.ranks.get(skill, (0, 0, 0)), s.first, s.last, skill)
            for skill, s in skills.items()
        ],
    )  # fmt: skip
    connection.executemany(
        _DAY,
        [
            (_text(day * 24)[:10], skill, s.n, s.completed, s.timed, fitting(s.total_us))
            for (day, skill), s in days.items()
        ],
    )
    members = batch.members()
    new = Counter(
        (hour, skill)
        for hour, number, skill in members
        if _is_new(connection, (hour, number, skill), sessions[number], first_seq)
    )
    connection.executemany(
        _HOUR,
        [
            (f"{_text(hour)[:13]}:00:00", skill, s.n, s.completed, s.timed, fitting(s.total_us),
             new[hour, skill])
            for (hour, skill), s in hours.items()
        ],
    )  # fmt: skip
    connection.executemany(
        _SESSION,
        [
            (sessions[number].name, skill, n, completed, hour)
            for (hour, number, skill), (n, completed) in members.items()
        ],
    )
    _refresh_cache(connection, skills)


def _by_hour(
    rows: Mapping[tuple[int, Key], Fresh],
) -> dict[tuple[int, str], Sums]:
    """Add up by hour and skill."""
    hours: dict[tuple[int, str], Sums] = {}
    for (hour, (_, _, skill, _, outcome)), row in rows.items():
        sums = hours.get((hour, skill))
        if sums is None:
            sums = hours[hour, skill] = Sums(row.first_us, row.last_us)
        sums.add_row(row, completed=outcome == "success")
    return hours


def _by(parts: Mapping[tuple[int, str], Sums], key: Callable[[int, str], K]) -> dict[K, Sums]:
    """Add up parts whose keys become equal."""
    wholes: dict[K, Sums] = {}
    for part, sums in parts.items():
        whole = key(*part)
        if whole not in wholes:
            wholes[whole] = Sums(sums.first, sums.last)
        wholes[whole].add(sums)
    return wholes


def _text(hour: int) -> str:
    """When an hour begins; ``strftime`` does not fill up years before 1000."""
    return from_us(hour * rollups.HOUR_US).isoformat()


def _is_new(
    connection: sqlite3.Connection,
    member: tuple[int, int, str],
    session: Member,
    first_seq: int,
) -> bool:
    """Whether a session was not seen with a skill in an hour before the batch."""
    hour, number, skill = member
    if session.is_new:
        return True
    known = connection.execute(_LAST_HOUR, (session.name, skill)).fetchone()
    if known is None or known[0] < hour:
        return True
    if known[0] == hour:
        return False
    start = hour * rollups.HOUR_US
    where = (number, first_seq, skill, start, start + rollups.HOUR_US)
    (was_there,) = connection.execute(_WAS_THERE, where).fetchone()
    return not was_there


def _refresh_cache(connection: sqlite3.Connection, skills: Collection[str]) -> None:
    """Count the last hour and day anew, for the given skills and for those that grew stale."""
    connection.executemany(_CACHE_ROW, [(skill,) for skill in skills])
    connection.execute(_CACHE, (f"-{_FEWEST_STALE_S} seconds",))
