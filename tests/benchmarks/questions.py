"""P6, P7: questions about weeks of activity, from sums and by reading the log.

What is asked is what commands ask: `sbhooks top`, the skills of the server, and the days of all
skills in which `sbhooks anomalies` and `sbhooks trend` look for what they tell.

Fills two databases by SQL, of a million and of ten million invocations in eighty days, each
with one more index made for these questions; five minutes and three gigabytes.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from bars import Bar, say

from sbhooks.events import Codec, to_us
from sbhooks.store import EventQuery, EventReader, most_used
from sbhooks.testing.factories import NOON
from sbhooks_analytics.series import tallies
from sbhooks_storage import rollups
from sbhooks_storage.append import set_high_water
from sbhooks_storage.database import connect
from sbhooks_storage.sqlite import open_sqlite

SMALL, LARGE = 1_000_000, 10_000_000
DAYS = 80
NOW = NOON  # a full hour: what lies in parts of hours is asked for on its own
_RUN = 40  # invocations of a session
_REPEATS = 7

# Whole numbers that look random: the high bits of i · φ (mod 2^32), and of its square.
_FILL = f"""
WITH RECURSIVE n (i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count),
chance AS (
    SELECT i, i / {_RUN} + 1 AS session_no,
        :first_us + CAST(i * :step_us AS INTEGER) AS at_us,
        (((i / {_RUN} * 8 + i % 8) * 2654435761) & 4294967295) / 4294967296.0 AS a,
        ((i * 40503 + 12345) * 2246822519 & 4294967295) / 4294967296.0 AS b
    FROM n
),
events AS (
    SELECT *, CAST(100 * a * a AS INTEGER) AS skill, b < 0.85 AS completed FROM chance
)
INSERT INTO skill_invocation (
    skill_name, invoked_at, session_id, workflow_path, completed, duration_seconds, error_type,
    workflow_phase, event_id, at_us, session_no)
SELECT
    printf('skill-%03d', skill),
    strftime('%Y-%m-%dT%H:%M:%S', at_us / 1000000, 'unixepoch')
        || printf('.%06d+00:00', at_us % 1000000),
    printf('session-%08d', session_no), 'comprehensive', completed,
    round(exp(4 * ((a * 7919) % 1.0 + (b * 104729) % 1.0) - 4), 6),
    CASE WHEN NOT completed THEN 'AssertionError' END,
    printf('phase-%d', skill % 5),
    CAST(printf('%016x', i) AS BLOB), at_us, session_no
FROM events
"""
_SESSIONS = f"""
INSERT INTO session (session_id, source, origin_us, first_us, last_us, project, user_id)
SELECT session_id, 'crackerjack', at_us, at_us, at_us,
    printf('project-%d', session_no % 5), printf('user-%02d', session_no % 50)
FROM skill_invocation WHERE id % {_RUN} = 1 ORDER BY id
"""
_SPANS = f"""
INSERT INTO session_span (session_no, last_seq, first_seq)
SELECT session_no, session_no * {_RUN}, session_no * {_RUN} - {_RUN - 1} FROM session
"""
#: What questions look at beside the sums.
_SKILLS = """
INSERT INTO skill_metrics (skill_name, total_invocations)
SELECT skill, sum(n) FROM rollup_skill_day GROUP BY skill;
INSERT INTO skill_metrics_cache (skill_name, last_invocation_at, updated_at)
SELECT skill_name, '', '' FROM skill_metrics;
INSERT INTO skill_time_series (skill_name, timestamp, invocation_count, completed_count)
SELECT skill, strftime('%Y-%m-%dT%H:00:00', hour * 3600, 'unixepoch'), n, success
FROM rollup_skill_hour;
"""
_TAILORED_INDEX = """
CREATE INDEX bench ON skill_invocation (skill_name, at_us, completed)
"""
#: The log's own index serves any stretch of time; the other one is made for these questions.
_OWN = (
    "e.skill_name",
    "FROM skill_invocation AS e INDEXED BY idx_invocation_at WHERE e.at_us >= ?",
)
_TAILORED = ("s.skill_name", """
    FROM skill_metrics AS s CROSS JOIN skill_invocation AS e INDEXED BY bench
        ON e.skill_name = s.skill_name AND e.at_us >= ?
""")  # fmt: skip


class Question(NamedTuple):
    """What is asked, how far back, and how much faster than the log it must be answered."""

    name: str
    days: int
    ask: Callable[[EventReader, EventQuery], object]
    log: str
    factor: float


def _top(store: EventReader, query: EventQuery) -> object:
    return most_used(store, query, 10)


def _rates(store: EventReader, query: EventQuery) -> object:
    return {
        row.key[0]: row.outcomes.get("success", 0) / row.n for row in store.rollup(query, ["skill"])
    }


def _p95(store: EventReader, query: EventQuery) -> object:
    return {row.key[0]: row.quantile(0.95) for row in store.rollup(query, ["skill"])}


def _days(store: EventReader, query: EventQuery) -> object:
    return tallies(store, query, period="day", now=NOW).skills


_TOP_LOG = "SELECT {skill}, count(*) {log} GROUP BY 1 ORDER BY 2 DESC LIMIT 10"
_P95_LOG = """
    SELECT skill_name, d FROM (
        SELECT {skill} AS skill_name, e.duration_seconds AS d,
            row_number() OVER (PARTITION BY {skill} ORDER BY e.duration_seconds) AS place,
            count(*) OVER (PARTITION BY {skill}) AS n {log})
    WHERE place = CAST(0.95 * n AS INTEGER)
"""
_SERIES_LOG = (
    "SELECT {skill}, e.at_us / 86400000000, e.completed, count(*), avg(e.duration_seconds) {log} "
    "GROUP BY 1, 2, 3"
)
QUESTIONS = [
    Question("top 10 of 24 h", 1, _top, _TOP_LOG, 20),
    Question("top 10 of 7 d", 7, _top, _TOP_LOG, 50),
    Question("completion of all skills, 30 d", 30, _rates,
             "SELECT {skill}, avg(e.completed) {log} GROUP BY 1", 50),
    Question("p95 of all skills, 7 d", 7, _p95, _P95_LOG, 15),
    Question("days of all skills for anomalies, all 80 d", DAYS, _days, _SERIES_LOG, 20),
    Question("days of all skills for trends, 30 d", 30, _days, _SERIES_LOG, 60),
]  # fmt: skip


def fill(path: Path, count: int) -> None:
    """Make a database with ``count`` invocations of the last eighty days."""
    say(f"bench: filling a database with {count:,} invocations")
    open_sqlite(path, Codec()).close()
    with closing(connect(path)) as connection:
        for pragma in ("synchronous = OFF", "cache_size = -262144", "journal_mode = MEMORY",
                       "foreign_keys = OFF"):  # fmt: skip
            connection.execute(f"PRAGMA {pragma}")
        connection.execute("BEGIN IMMEDIATE")
        length_us = DAYS * 86_400_000_000
        connection.execute(_FILL, {
            "count": count, "first_us": to_us(NOW) - length_us, "step_us": length_us / count,
        })  # fmt: skip
        connection.execute(_SESSIONS)
        connection.execute(_SPANS)
        set_high_water(connection, count)
        say("bench: adding it up")
        rollups.catch_up(connection, count)
        for statement in _SKILLS.split(";"):
            connection.execute(statement)
        connection.execute("COMMIT")
        say("bench: making an index for these questions")
        connection.execute(_TAILORED_INDEX)


def measure(small: int = SMALL, large: int = LARGE) -> list[Bar]:
    """All bars of this group."""
    with tempfile.TemporaryDirectory(prefix="sbhooks-bench-") as folder:
        paths = [Path(folder) / "small.db", Path(folder) / "large.db"]
        for path, count in zip(paths, (small, large), strict=True):
            fill(path, count)
        stores = [open_sqlite(path, Codec()) for path in paths]
        bars = [bar for question in QUESTIONS for bar in _bars(question, stores, paths, large)]
        bars += _promises(stores[1], paths[1])
        for store in stores:
            store.close()
    return bars


def _bars(
    question: Question, stores: Sequence[EventReader], paths: Sequence[Path], large: int
) -> list[Bar]:
    since = NOW - timedelta(days=question.days)
    say(f"bench: {question.name}")
    ours, small, ragged = [], [], []
    for _ in range(_REPEATS):
        ours.append(_asked(stores[1], question, since))
        small.append(_asked(stores[0], question, since))
        ragged.append(_asked(stores[1], question, since - timedelta(minutes=23)))
    log = _read(paths[1], question.log, _OWN, since)
    tailored = _read(paths[1], question.log, _TAILORED, since)
    here, there = statistics.median(ours), statistics.median(small)
    return [
        Bar(
            id="P6",
            work=f"{question.name}, at {large:,}: against reading the log by its index",
            bar=1 / question.factor,
            reached=here / log,
            note=f"{log / here:.0f} × faster (bar {question.factor:g}): {here * 1e3:.1f} ms, log "
            f"{log * 1e3:,.0f} ms, with an index made for it {tailored * 1e3:,.0f} ms; since the "
            f"middle of an hour {statistics.median(ragged) * 1e3:.1f} ms",
        ),
        Bar(
            id="P7",
            work=f"{question.name}: ten times as many invocations against as they are",
            bar=2.0,
            reached=here / there,
            note=f"{there * 1e3:.1f} → {here * 1e3:.1f} ms",
        ),
    ]


def _asked(store: EventReader, question: Question, since: datetime) -> float:
    """Seconds of CPU that an answer takes."""
    query = EventQuery(kinds=("invocation",), since=since)
    started = time.process_time()
    assert question.ask(store, query)
    return time.process_time() - started


def _read(path: Path, template: str, way: tuple[str, str], since: datetime) -> float:
    """Seconds of CPU that reading the log takes, the file in the cache."""
    sql = template.format(skill=way[0], log=way[1])
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA cache_size = -262144")
        took = []
        for _ in range(3):
            started = time.process_time()
            assert connection.execute(sql, (to_us(since),)).fetchall()
            took.append(time.process_time() - started)
    return min(took)


def _promises(store: EventReader, path: Path) -> list[Bar]:
    """What the old system promised in milliseconds, beside reading the log."""
    say("bench: what the old system promised")
    dashboard = "SELECT * FROM v_realtime_skill_dashboard"
    recent = QUESTIONS[0]
    log = _read(path, _TOP_LOG, _OWN, NOW - timedelta(days=1))
    with closing(connect(path)) as connection:
        took = []
        for _ in range(_REPEATS):
            started = time.process_time()
            assert connection.execute(dashboard).fetchall()
            took.append(time.process_time() - started)
    anomalies = statistics.median(
        _asked(store, QUESTIONS[4], NOW - timedelta(days=DAYS)) for _ in range(_REPEATS)
    )
    summary = statistics.median(
        _asked(store, recent, NOW - timedelta(days=1)) for _ in range(_REPEATS)
    )
    return [
        Bar(id="old metrics", work="real-time metrics of all skills, at 10,000,000",
            bar=50, reached=1e3 * statistics.median(took), unit="ms",
            note=f"the view v_realtime_skill_dashboard; counting the log's day {log * 1e3:.0f} ms"),
        Bar(id="old anomalies", work="what anomalies of all skills are found in, at 10,000,000",
            bar=200, reached=1e3 * anomalies, unit="ms", note="eighty days of all skills"),
        Bar(id="old 24 h", work="sums of the last 24 hours, at 10,000,000",
            bar=200, reached=1e3 * summary, unit="ms"),
    ]  # fmt: skip


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("small", type=int, nargs="?", default=SMALL)
    parser.add_argument("large", type=int, nargs="?", default=LARGE)
    given = parser.parse_args()
    for bar in measure(given.small, given.large):
        print(f"{bar.id:14} {bar.verdict:8} {bar.reached:.4f} {bar.work} | {bar.note}")
