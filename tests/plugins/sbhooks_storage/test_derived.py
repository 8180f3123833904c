"""Derived tables are a function of the log, whichever way its rows came in."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from sbhooks.events import Event, Invocation, Outcome
from sbhooks.store import EventQuery, bucket
from sbhooks.testing.contracts import EventStoreContract
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.strategies import batches, counts, durations, names, sessions, texts
from sbhooks_storage import buckets, rollups
from sbhooks_storage.append import high_water
from sbhooks_storage.database import connect
from sbhooks_storage.rebuild import COMPARED, differences, rebuild
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite

INSERT = (
    "INSERT INTO skill_invocation (skill_name, invoked_at, session_id, workflow_path, completed, "
    "duration_seconds, error_type, selection_rank, follow_up_actions, workflow_phase, user_query) "
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
MANY = settings(suppress_health_check=list(HealthCheck), max_examples=40)


def like_sql(event: Invocation) -> Invocation:
    """The event that a row of another program can tell: its outcome follows from the error."""
    if event.outcome is Outcome.SUCCESS:
        return event
    return replace(
        event, outcome=Outcome.CANCELLATION if event.error_type is None else Outcome.FAILURE
    )


invocations = st.builds(
    Invocation,
    source=st.just("sql"),
    session=sessions,
    skill=names,
    outcome=st.sampled_from([Outcome.SUCCESS, Outcome.FAILURE]),
    at=st.one_of(
        st.integers(0, 5 * 3600 * 10**6),
        st.integers(-50 * 365 * 86_400 * 10**6, 300 * 86_400 * 10**6),
    ).map(lambda us: NOON + timedelta(microseconds=us)),
    duration_s=st.one_of(st.none(), durations),
    phase=st.one_of(st.none(), texts),
    workflow=st.one_of(st.none(), texts),
    error_type=st.one_of(st.none(), texts),
    query=st.one_of(st.none(), texts),
    selection_rank=st.one_of(st.none(), counts),
    follow_up_actions=st.lists(texts, max_size=3),
).map(like_sql)


def derived(path: Path) -> dict[str, list[object]]:
    """All derived tables, with roll-ups up to date."""
    with closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        rollups.catch_up(connection, high_water(connection))
        connection.execute("COMMIT")
        return {
            table: sorted(connection.execute(rows).fetchall(), key=repr)
            for table, rows in COMPARED.items()
        }


def insert(path: Path, events: Iterable[Invocation]) -> None:
    """Write events as another program would."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for e in events:
            connection.execute(INSERT, (
                e.skill, e.at.isoformat(), e.session, e.workflow, e.outcome is Outcome.SUCCESS,
                e.duration_s, e.error_type, e.selection_rank,
                json.dumps(e.follow_up_actions) if e.follow_up_actions else None, e.phase, e.query,
            ))  # fmt: skip


def new(path: Path, empty_database: bytes) -> SqliteEventStore:
    path.write_bytes(empty_database)
    return open_sqlite(path, EventStoreContract.codec)


@MANY
@given(data=st.lists(st.lists(invocations, max_size=6), max_size=4))
def test_batches_and_single_rows_give_identical_tables(
    tmp_path_factory: pytest.TempPathFactory, empty_database: bytes, data: list[list[Invocation]]
) -> None:
    folder = tmp_path_factory.mktemp("both")
    (folder / "b.db").write_bytes(empty_database)
    with closing(new(folder / "a.db", empty_database)) as store:
        for batch in data:
            store.append(batch)
            # in the order of storing: session by session
            order = {e.session: i for i, e in reversed(list(enumerate(batch)))}
            insert(folder / "b.db", sorted(batch, key=lambda e: order[e.session]))
    a, b = derived(folder / "a.db"), derived(folder / "b.db")
    for table in COMPARED:
        assert a[table] == b[table], table


@MANY
@given(data=st.lists(batches, max_size=4), others=st.lists(invocations, max_size=3))
def test_making_all_tables_anew_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory,
    empty_database: bytes,
    data: list[list[Event]],
    others: list[Invocation],
) -> None:
    path = tmp_path_factory.mktemp("anew") / "events.db"
    with closing(new(path, empty_database)) as store:
        for number, batch in enumerate(data):
            store.append(batch)
            if number == 1:
                insert(path, others)
        store.erase_user("ann")
        store.append(data[0] if data else [])
    before = derived(path)
    with closing(connect(path)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert differences(connection) == []
        rebuild(connection)
        connection.execute("COMMIT")
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert derived(path) == before


def test_a_wrong_figure_is_found_and_mended(store: SqliteEventStore, path: Path) -> None:
    time = Timeline()
    store.append([time.start(project="acme"), time.invocation("lint", duration_s=1.0)])
    for table, change in {
        "skill_metrics": "total_invocations = 7", "mv_daily_skills": "completions = 0",
        "session_skills": "invocation_count = 2", "skill_time_series": "unique_sessions = 2",
        "rollup_hour": "n = 9", "rollup_day": "buckets = NULL",
    }.items():  # fmt: skip
        with closing(connect(path)) as connection:
            connection.execute(f"UPDATE {table} SET {change}")
            connection.execute("BEGIN IMMEDIATE")
            (found,) = differences(connection)
            assert found.startswith(f"{table}: 2 rows")
            rebuild(connection)
            assert differences(connection) == []
            connection.execute("COMMIT")


def test_rows_of_others_are_in_the_sums_before_anybody_adds_them(
    store: SqliteEventStore, path: Path
) -> None:
    time = Timeline()
    store.append([time.invocation("lint") for _ in range(3)])
    insert(path, [Timeline("other").invocation("lint", at=NOON + timedelta(days=1))])
    assert [row.n for row in store.rollup(EventQuery(), ["skill"])] == [4]
    store.append([time.invocation("lint")])
    assert [row.n for row in store.rollup(EventQuery(), ["skill"])] == [5]
    assert [row.n for row in store.rollup(EventQuery(), ["day"])] == [4, 1]


def test_a_session_that_learns_its_project_takes_its_sums_along(store: SqliteEventStore) -> None:
    time = Timeline("late")
    other = Timeline("else")
    store.append([time.invocation("lint"), other.start(project="b"), other.invocation("lint")])
    by_project: list[str] = ["project"]
    assert [(r.key, r.n) for r in store.rollup(EventQuery(kinds=("invocation",)), by_project)] == [  # type: ignore[arg-type]
        ((None,), 1), (("b",), 1)]  # fmt: skip
    store.append([Timeline("late", start=NOON - timedelta(hours=1)).start(project="b")])
    assert [(r.key, r.n) for r in store.rollup(EventQuery(kinds=("invocation",)), by_project)] == [  # type: ignore[arg-type]
        (("b",), 2)]  # fmt: skip


def test_long_durations_are_no_trouble(store: SqliteEventStore) -> None:
    time = Timeline()
    for _ in range(2):
        store.append([time.invocation("slow", duration_s=1e9) for _ in range(5_000)])
    (row,) = store.rollup(EventQuery(kinds=("invocation",)), ["skill"])
    assert (row.n, row.duration_sum) == (10_000, pytest.approx(1e13))
    assert row.quantile(0.5) == pytest.approx(1e9, rel=0.01)


@given(counted=st.dictionaries(st.integers(0, 2_000), st.integers(1, 10**6)))
def test_packed_buckets_are_read_back(counted: dict[int, int]) -> None:
    assert buckets.unpack(buckets.pack(counted)) == counted


@given(parts=st.lists(st.lists(durations, max_size=5), max_size=4))
def test_lazy_buckets_are_the_sum_of_their_parts(parts: Sequence[Sequence[float]]) -> None:
    packed = [
        buckets.pack({bucket(s): list(map(bucket, part)).count(bucket(s)) for s in part})
        for part in parts
    ]
    lazy = buckets.LazyBuckets({}, [part.hex() for part in packed if part])
    everything = [bucket(s) for part in parts for s in part]
    assert lazy == {b: everything.count(b) for b in everything}
    assert len(lazy) == len(set(everything))
    assert repr(lazy) == repr(dict(lazy))
    assert all(lazy[b] == everything.count(b) for b in everything)
