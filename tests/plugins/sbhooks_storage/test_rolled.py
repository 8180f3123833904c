"""Sums per hour and day are the log's, wherever a question begins and ends."""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sbhooks.events import Event, Invocation, Outcome
from sbhooks.store import Dimension, EventQuery, RanksSkills, Rollup, most_used
from sbhooks.testing.contracts import EventStoreContract
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_storage.database import connect
from sbhooks_storage.migrate import migrate
from sbhooks_storage.rebuild import COMPARED, differences, rebuild
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite

LENGTH = timedelta(days=4)
DIMENSIONS: list[Dimension] = ["skill", "hour", "day", "kind", "project", "outcome", "phase"]
moments = st.one_of(
    st.integers(0, int(LENGTH.total_seconds() * 1e6)),
    # on the hour and right beside it
    st.builds(lambda hour, off: hour * 3_600_000_000 + off,
              st.integers(0, 96), st.sampled_from([-1, 0, 1])),
).map(lambda us: NOON + timedelta(microseconds=us))  # fmt: skip
invocations = st.builds(
    Invocation,
    source=st.sampled_from(["pytest", "ci"]),
    session=st.sampled_from(["a", "b", "c"]),
    at=moments,
    skill=st.sampled_from(["lint", "test", "build"]),
    outcome=st.sampled_from(Outcome),
    duration_s=st.one_of(st.none(), st.integers(0, 10**9).map(lambda us: us / 1e6)),
    phase=st.sampled_from([None, "setup"]),
)
queries = st.builds(
    EventQuery,
    since=st.one_of(st.none(), moments),
    until=st.one_of(st.none(), moments),
    skills=st.sampled_from([(), ("lint",), ("test", "none")]),
    projects=st.sampled_from([(), ("p",)]),
    kinds=st.just(("invocation",)),
)
groupings = st.lists(st.sampled_from(DIMENSIONS), unique=True, max_size=3)


def exact(row: Rollup) -> tuple[object, ...]:
    return (row.key, row.n, row.outcomes, row.duration_n, row.first_at, row.last_at,
            dict(row.buckets), round(row.duration_sum * 1e6))  # fmt: skip


@settings(suppress_health_check=list(HealthCheck), max_examples=60)
@given(
    batches=st.lists(st.lists(invocations, max_size=25), max_size=4),
    asked=st.lists(st.tuples(queries, groupings), min_size=3, max_size=8),
)
def test_whole_hours_and_ragged_edges_are_what_the_events_come_to(
    tmp_path_factory: pytest.TempPathFactory,
    empty_database: bytes,
    batches: list[list[Invocation]],
    asked: list[tuple[EventQuery, list[Dimension]]],
) -> None:
    path = tmp_path_factory.mktemp("rolled") / "events.db"
    path.write_bytes(empty_database)
    memory = MemoryEventStore()
    start: list[Event] = [Timeline("a").start(project="p")]
    with closing(open_sqlite(path, EventStoreContract.codec)) as store:
        assert isinstance(store, RanksSkills)
        for batch in [start, *batches]:
            store.append(batch)
            memory.append(batch)
        for query, by in asked:
            ours, theirs = store.rollup(query, by), memory.rollup(query, by)
            assert [exact(row) for row in ours] == [exact(row) for row in theirs]
            for limit in (0, 1, 2, 9):
                ours, theirs = (most_used(one, query, limit) for one in (store, memory))
                assert [exact(row) for row in ours] == [exact(row) for row in theirs]


def some_days(store: SqliteEventStore) -> None:
    """Skills, sessions, words and ranks of three days."""
    for day in range(3):
        time = Timeline(f"session-{day}", start=NOON + timedelta(days=day))
        store.append([
            time.start(project="acme"),
            *(time.invocation(skill, duration_s=n + 1.0, workflow="w", selection_rank=1,
                              follow_up_actions=["again"])
              for n, skill in enumerate(("lint", "test", "lint"))),
        ])  # fmt: skip


@pytest.mark.parametrize("table", COMPARED)
@pytest.mark.parametrize("harm", ["a row too few", "a row changed", "nothing left"])
def test_whatever_is_wrong_with_a_derived_table_is_found_and_mended(
    store: SqliteEventStore, path: Path, table: str, harm: str
) -> None:
    some_days(store)
    with closing(connect(path)) as connection:
        connection.execute("PRAGMA foreign_keys = OFF")
        assert differences_in(connection) == []
        (column,) = connection.execute(
            "SELECT name FROM pragma_table_info(?) WHERE name IN "
            "('n', 'invocations', 'invocation_count', 'last_invocation_at', 'completion_rate') "
            "ORDER BY name = 'invocation_count' DESC LIMIT 1", (table,),
        ).fetchone()  # fmt: skip
        one = f"WHERE ({table}.{column}) = (SELECT {column} FROM {table} LIMIT 1)"
        connection.execute({
            "a row too few": f"DELETE FROM {table} {one}",
            "a row changed": f"UPDATE {table} SET {column} = 17 {one}",
            "nothing left": f"DELETE FROM {table}",
        }[harm])  # fmt: skip
        assert [text.partition(":")[0] for text in differences_in(connection)] == [table]
        connection.execute("BEGIN IMMEDIATE")
        rebuild(connection)
        connection.execute("COMMIT")
        assert differences_in(connection) == []


def differences_in(connection: sqlite3.Connection) -> list[str]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        return differences(connection)
    finally:
        connection.execute("ROLLBACK")


def test_days_by_outcome_that_a_migration_leaves_to_the_next_writer_are_right_at_any_time(
    store: SqliteEventStore, path: Path
) -> None:
    some_days(store)
    by: list[Dimension] = ["skill", "day", "outcome"]
    asked = EventQuery(kinds=("invocation",))
    expected = [exact(row) for row in store.rollup(asked, by)]
    with closing(connect(path)) as connection:
        migrate(connection, path, 6)
        migrate(connection, path)  # whoever did so was killed before sums were made
        assert connection.execute("SELECT count(*) FROM rollup_outcome_day").fetchone() == (0,)
    assert [exact(row) for row in store.rollup(asked, by)] == expected
    store.append([Timeline("later", start=NOON).invocation("deploy")])
    with closing(connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM rollup_outcome_day").fetchone() == (7,)
        assert differences_in(connection) == []
    assert [exact(row) for row in store.rollup(asked, by) if row.key[0] != "deploy"] == expected


# --- the last hour and day ---------------------------------------------------------------------

#: Minutes ago, half a minute away from every limit: the test may take that long.
ages = st.lists(
    st.tuples(st.integers(-90, 26 * 60), st.sampled_from(["lint", "test"]), st.booleans()),
    max_size=40,
)


@settings(suppress_health_check=list(HealthCheck), max_examples=25)
@given(batches=st.lists(ages, max_size=3))
def test_b01_the_last_hour_and_day_are_counts_over_the_log(
    tmp_path_factory: pytest.TempPathFactory,
    empty_database: bytes,
    batches: Sequence[Sequence[tuple[int, str, bool]]],
) -> None:
    path = tmp_path_factory.mktemp("recent") / "events.db"
    path.write_bytes(empty_database)
    now = datetime.now(UTC)
    with closing(open_sqlite(path, EventStoreContract.codec)) as store:
        for batch in batches:
            store.append([
                Timeline("s").invocation(
                    skill, outcome=Outcome.SUCCESS if ok else Outcome.FAILURE,
                    at=now - timedelta(minutes=age, seconds=30))
                for age, skill, ok in batch
            ])  # fmt: skip
    rows = [row for batch in batches for row in batch]
    hour = Counter(skill for age, skill, _ in rows if 0 <= age < 60)
    day = Counter(skill for age, skill, _ in rows if 0 <= age < 24 * 60)
    done = Counter(skill for age, skill, ok in rows if 0 <= age < 24 * 60 and ok)
    expected = {
        skill: (hour[skill], day[skill], done[skill] / day[skill] if day[skill] else None)
        for _, skill, _ in rows
    }
    columns = "skill_name, invocation_count_1h, invocation_count_24h, avg_completion_rate_24h"
    with closing(sqlite3.connect(path)) as connection:
        for table in ("skill_metrics_cache", "v_realtime_skill_dashboard"):
            found = connection.execute(f"SELECT {columns} FROM {table}").fetchall()
            assert {skill: tuple(rest) for skill, *rest in found} == expected, table


def test_sessions_are_counted_once_an_hour_in_whatever_order_they_arrive(
    store: SqliteEventStore, path: Path
) -> None:
    one, other = Timeline("one"), Timeline("other")
    at = [NOON + timedelta(hours=hour, minutes=5) for hour in range(4)]
    for event in (
        one.invocation("lint", at=at[2]), one.invocation("lint", at=at[0]),
        other.invocation("lint", at=at[0]), one.invocation("lint", at=at[2]),
        one.invocation("lint", at=at[0]), one.invocation("lint", at=at[1]),
        other.invocation("lint", at=at[3]), replace(one.invocation("lint"), at=at[1]),
    ):  # fmt: skip
        store.append([event])
    with closing(sqlite3.connect(path)) as connection:
        found = connection.execute(
            "SELECT invocation_count, unique_sessions FROM skill_time_series ORDER BY timestamp"
        ).fetchall()
    assert found == [(3, 2), (2, 1), (2, 1), (1, 1)]
