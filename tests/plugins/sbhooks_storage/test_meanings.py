"""What the names of the old schema mean, for programs that write and read with SQL alone.

The numbers are those of the old system's defects: each must not come back.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.testing.contracts import EventStoreContract
from sbhooks.testing.factories import Timeline
from sbhooks_storage.database import connect, create_private
from sbhooks_storage.migrate import migrate
from sbhooks_storage.sqlite import SqliteEventStore, open_sqlite

Write = Callable[..., None]
AWKWARD = [
    "list[0] missing", "", "dot.", "a..b", ".a", "a.b", "[Errno 2]", '"', "'", "\\", "$", "é🙂",
    "FAILED tests/t.py::test_x[1] - assert 1 == 2", "{}", "null", "1", " ", "\n",
]  # fmt: skip


@pytest.fixture
def sql(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of another program, which knows nothing of sbhooks."""
    open_sqlite(path, EventStoreContract.codec).close()
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        yield connection


def now(**ago: float) -> str:
    return (datetime.now(UTC) - timedelta(**ago)).isoformat(timespec="microseconds")


def invoke(connection: sqlite3.Connection, **values: Any) -> None:
    row = {"skill_name": "lint", "session_id": "s1", "invoked_at": now(), "completed": 1} | values
    connection.execute(
        f"INSERT INTO skill_invocation ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
        list(row.values()),
    )


def one(connection: sqlite3.Connection, query: str) -> Any:
    return connection.execute(query).fetchone()


def test_b01_recent_counts_are_those_of_the_log(sql: sqlite3.Connection) -> None:
    for days in (5, 20, 12):
        invoke(sql, invoked_at=now(days=days))
    invoke(sql, invoked_at=now(minutes=30), completed=0)
    invoke(sql, invoked_at=now(hours=3))
    recent = "invocation_count_1h, invocation_count_24h, avg_completion_rate_24h"
    assert one(sql, f"SELECT {recent} FROM skill_metrics_cache") == (1, 2, 0.5)
    assert one(sql, f"SELECT {recent} FROM v_realtime_skill_dashboard") == (1, 2, 0.5)


def test_b01_recent_counts_decay_while_nothing_is_written(sql: sqlite3.Connection) -> None:
    invoke(sql, invoked_at=now(minutes=59, seconds=59, milliseconds=500))
    count = "SELECT invocation_count_1h, invocation_count_24h FROM v_realtime_skill_dashboard"
    first, deadline = one(sql, count), datetime.now(UTC) + timedelta(seconds=30)
    seen = {first}
    while (0, 1) not in seen and datetime.now(UTC) < deadline:
        seen.add(one(sql, count))
    assert (0, 1) in seen <= {(1, 1), (0, 1)}


def test_b01_first_and_last_are_by_time_not_by_arrival(sql: sqlite3.Connection) -> None:
    for at in ("2026-11-20T12:00:00+02:00", "2026-11-20T11:30:00Z", "2026-11-19T23:00:00-03:00"):
        invoke(sql, invoked_at=at)
    first, last = "2026-11-20T02:00:00.000000+00:00", "2026-11-20T11:30:00.000000+00:00"
    assert one(sql, "SELECT first_invoked, last_invoked FROM skill_metrics") == (first, last)
    assert one(sql, "SELECT last_invocation_at FROM skill_metrics_cache") == (last,)
    assert one(sql, "SELECT first_skill_at, last_skill_at FROM v_session_skill_summary") == (
        first, last)  # fmt: skip


def test_b02_users_of_an_experiment_count_once(sql: sqlite3.Connection) -> None:
    sql.execute(
        "INSERT INTO ab_test_configs (test_id, test_name, control_strategy, treatment_strategy, "
        "start_date) VALUES (1, 't', 'a', 'b', '2026-11-01')"
    )
    for user in range(40):
        group = "control" if user < 23 else "treatment"
        sql.execute("INSERT INTO ab_test_assignments (test_id, user_id, group_name) "
                    "VALUES (1, ?, ?)", (f"u{user}", group))  # fmt: skip
        for outcome in range(user % 7):
            sql.execute("INSERT INTO ab_test_outcomes (test_id, user_id, skill_name, completed) "
                        "VALUES (1, ?, 'lint', ?)", (f"u{user}", outcome % 3 == 0))  # fmt: skip
    summary = one(
        sql,
        "SELECT total_users, control_users, treatment_users, control_completion_rate, "
        "treatment_completion_rate FROM v_ab_test_summary",
    )
    rates = [
        [outcome % 3 == 0 for user in users for outcome in range(user % 7)]
        for users in (range(23), range(23, 40))
    ]
    assert summary == (40, 23, 17, *(pytest.approx(sum(r) / len(r)) for r in rates))


@pytest.mark.parametrize(
    ("rates", "slope"),
    [([0, 1, 2, 3, 4], 0.25), ([4, 3, 2, 1, 0], -0.25), ([4, 0, 0, 0, 4], 0.0), ([2], None)],
)
def test_b03_the_trend_is_the_least_squares_slope(
    sql: sqlite3.Connection, rates: list[int], slope: float | None
) -> None:
    noon = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    for day, done in enumerate(rates):
        at = (noon - timedelta(days=len(rates) - 1 - day)).isoformat()
        for number in range(4):
            invoke(sql, invoked_at=at, completed=number < done)
    (found,) = one(sql, "SELECT trend_slope FROM v_skill_effectiveness_trend")
    assert found == (None if slope is None else pytest.approx(slope, abs=1e-9))


def test_b04_each_user_is_compared_with_all(sql: sqlite3.Connection) -> None:
    for user, completions in (("ann", [1, 1, 1, 0]), ("bob", [0, 0])):
        for number, completed in enumerate(completions):
            at = now(minutes=number)
            invoke(sql, session_id=f"of-{user}", invoked_at=at, completed=completed)
            sql.execute("INSERT INTO skill_user_interactions (user_id, session_id, skill_name, "
                        "invoked_at, completed) VALUES (?, ?, 'lint', ?, ?)",
                        (user, f"of-{user}", at, completed))  # fmt: skip
    sql.execute("INSERT INTO log_relations VALUES (1)")
    assert sql.execute(
        "SELECT user_id, user_invocations, user_completion_rate, baseline_completion_rate, "
        "delta_from_baseline FROM v_community_baseline_comparison ORDER BY user_id"
    ).fetchall() == [("ann", 4, 0.75, 0.5, 0.25), ("bob", 2, 0.0, 0.5, -0.5)]


def test_b04_interactions_without_a_log_are_counted_too(sql: sqlite3.Connection) -> None:
    invoke(sql, session_id="else")
    sql.executemany(
        "INSERT INTO skill_user_interactions (user_id, session_id, skill_name, invoked_at, "
        "completed) VALUES (?, 'shared', 'lint', '2026-11-20T12:00:00Z', ?)",
        [("ann", 1), ("ann", 0), ("bob", 1)],
    )
    sql.execute("INSERT INTO log_relations VALUES (1)")
    assert sql.execute(
        "SELECT user_id, user_invocations, user_completion_rate "
        "FROM v_community_baseline_comparison ORDER BY user_id"
    ).fetchall() == [("ann", 2, 0.5), ("bob", 1, 1.0)]


def test_b04_users_of_recorded_sessions_are_compared(store: SqliteEventStore, path: Path) -> None:
    for user in ("ann", "bob"):
        time = Timeline(f"of-{user}")
        store.append([time.start(user=user), time.invocation("lint"), time.invocation("lint")])
    with closing(sqlite3.connect(path)) as sql:
        sql.execute("INSERT INTO log_relations VALUES (1)")
        assert sql.execute(
            "SELECT user_id, user_invocations FROM v_community_baseline_comparison"
        ).fetchall() == [("ann", 2), ("bob", 2)]
        sql.commit()


@pytest.mark.parametrize("version", ["head", "4"])
def test_b07_any_text_is_counted_by_its_exact_name(path: Path, version: str) -> None:
    create_private(path)
    with closing(connect(path)) as sql:
        migrate(sql, path, *([] if version == "head" else [int(version)]))
        for number, text in enumerate(AWKWARD):
            for _ in range(number + 1):
                invoke(sql, error_type=text, workflow_path=text, completed=0,
                       follow_up_actions=json.dumps([text, text]))  # fmt: skip
        errors, paths, actions = one(
            sql, "SELECT common_errors, workflow_paths, follow_up_actions FROM skill_metrics"
        )
        expected = {text: number + 1 for number, text in enumerate(AWKWARD)}
        assert json.loads(errors) == json.loads(paths) == expected
        assert json.loads(actions) == {text: 2 * n for text, n in expected.items()}
        assert one(sql, "SELECT preferred_workflow FROM v_top_skills") == ("\n",)


@given(texts=st.lists(st.text(st.characters(codec="utf-8")), max_size=4))
def test_b07_whatever_the_text(
    tmp_path_factory: pytest.TempPathFactory, empty_database: bytes, texts: list[str]
) -> None:
    path = tmp_path_factory.mktemp("any") / "events.db"
    path.write_bytes(empty_database)
    with closing(sqlite3.connect(path, isolation_level=None)) as sql:
        for text in texts:
            invoke(sql, error_type=text)
        found = one(sql, "SELECT common_errors FROM skill_metrics")
        assert json.loads(found[0] if found else "{}") == {t: texts.count(t) for t in texts}


def test_b07_what_is_no_list_of_texts_is_not_counted(sql: sqlite3.Connection) -> None:
    for actions in ("no JSON", '"text"', "{}", "[1, null, {}, []]", '["a", 1, "a", "b"]', ""):
        invoke(sql, follow_up_actions=actions)
    assert one(sql, "SELECT follow_up_actions FROM skill_metrics") == ('{"a":2,"b":1}',)


def test_b08_rates_are_fractions_and_means_are_over_completed(sql: sqlite3.Connection) -> None:
    for completed, duration in ((1, 2.0), (1, 4.0), (1, None), (0, 100.0)):
        invoke(sql, completed=completed, duration_seconds=duration, workflow_phase="x",
               selection_rank=2)  # fmt: skip
    for table, rate, mean in (
        ("skill_metrics", "completion_rate", "avg_duration_seconds"),
        ("skill_metrics", "recommendation_success_rate", "avg_duration_seconds"),
        ("v_skill_effectiveness", "completion_rate", "avg_duration_seconds"),
        ("v_top_skills", "completion_rate", "avg_duration_seconds"),
        ("v_skill_effectiveness_by_phase", "completion_rate", "avg_duration_seconds"),
        ("v_skills_by_phase_usage", "success_rate", "3.0"),
        ("v_workflow_phase_patterns", "0.75", "avg_phase_duration"),
        ("skill_time_series", "completion_rate", "avg_duration_seconds"),
        ("v_realtime_skill_dashboard", "completion_rate", "avg_duration_seconds"),
        ("v_realtime_skill_dashboard", "avg_completion_rate_24h", "avg_duration_seconds"),
        ("v_multimodal_skill_catalog", "completion_rate", "avg_duration_seconds"),
        ("v_skill_effectiveness_trend", "avg_completion_rate_7d", "3.0"),
        ("mv_daily_skills", "1.0 * completions / invocations", "avg_duration_seconds"),
        ("v_daily_skill_source", "1.0 * completions / invocations", "avg_duration_seconds"),
    ):
        assert one(sql, f"SELECT {rate}, {mean} FROM {table}") == (0.75, 3.0), table


def test_b11_lift_is_over_sessions_and_retries_count_once(sql: sqlite3.Connection) -> None:
    sessions = {"s1": "ab", "s2": "ab", "s3": "a", "s4": "bc", "s5": "c"}
    for session, skills in sessions.items():
        for skill in skills:
            for _ in range(10 if session == "s1" else 1):
                invoke(sql, session_id=session, skill_name=skill)
    sql.execute("INSERT INTO skill_dependencies VALUES ('a', 'never', 0, 3.5, '2026-11-20')")
    for _ in range(2):
        sql.execute("INSERT INTO log_relations VALUES (1)")
        assert sql.execute(
            "SELECT skill_a, skill_b, co_occurrence_count, lift_score FROM skill_dependencies "
            "ORDER BY 1, 2"
        ).fetchall() == [
            ("a", "b", 2, pytest.approx(2 * 5 / (3 * 3))),
            ("a", "never", 0, 3.5),
            ("b", "c", 1, pytest.approx(1 * 5 / (3 * 2))),
        ]
    both = "SELECT count(*) FROM v_skill_dependency_network WHERE skill_a = ?"
    assert [sql.execute(both, (skill,)).fetchone()[0] for skill in "abc"] == [2, 2, 1]


def test_b12_baselines_are_kept_and_count_users(sql: sqlite3.Connection, path: Path) -> None:
    for skill, done in (("a", [1, 1]), ("b", [1, 0]), ("c", [0, 0]), ("d", [1, 0])):
        for number, completed in enumerate(done):
            invoke(sql, skill_name=skill, completed=completed, session_id=f"s{number}",
                   workflow_phase="x", duration_seconds=2.0)  # fmt: skip
            sql.execute("INSERT INTO skill_user_interactions (user_id, session_id, skill_name, "
                        "invoked_at, completed) VALUES ('ann', ?, ?, '2026-11-20', 1)",
                        (f"s{number}", skill))  # fmt: skip
    sql.execute("INSERT INTO log_relations VALUES (1)")
    with closing(sqlite3.connect(path)) as other:
        assert other.execute(
            "SELECT skill_name, total_users, total_invocations, global_completion_rate, "
            "most_common_workflow_phase, effectiveness_percentile "
            "FROM skill_community_baselines ORDER BY 1"
        ).fetchall() == [
            ("a", 1, 2, 1.0, "x", 87.5), ("b", 1, 2, 0.5, "x", 50.0),
            ("c", 1, 2, 0.0, "x", 12.5), ("d", 1, 2, 0.5, "x", 50.0),
        ]  # fmt: skip


@pytest.mark.parametrize(
    ("values", "complaint"),
    [
        ({"invoked_at": "yesterday"}, "invoked_at must be"),
        ({"skill_name": ""}, "skill_name must not be empty"),
        ({"session_id": ""}, "session_id must not be empty"),
        ({"duration_seconds": -1.0}, "between 0 and 1e9"),
        ({"duration_seconds": float("inf")}, "between 0 and 1e9"),
        ({"duration_seconds": "long"}, "between 0 and 1e9"),
    ],
)
def test_b17_what_has_no_meaning_is_refused(
    sql: sqlite3.Connection, values: dict[str, Any], complaint: str
) -> None:
    with pytest.raises(sqlite3.IntegrityError, match=complaint):
        invoke(sql, **values)
    assert one(sql, "SELECT count(*) FROM skill_invocation") == (0,)


def test_b17_days_hours_and_words_are_filled(sql: sqlite3.Connection) -> None:
    at = "2026-11-20T12:59:59.9+00:00"
    invoke(sql, invoked_at=at, user_query="why is the cart empty")
    invoke(sql, invoked_at="2026-11-20T12:00:00+00:00", session_id="s2", completed=0)
    invoke(sql, invoked_at="2026-11-20T12:30:00+00:00")
    assert one(sql, "SELECT date, invocations, completions, abandonments FROM mv_daily_skills") == (
        "2026-11-20", 3, 2, 1)  # fmt: skip
    series = "SELECT timestamp, invocation_count, unique_sessions FROM skill_time_series"
    assert one(sql, series) == ("2026-11-20T12:00:00", 3, 2)
    found = "SELECT rowid FROM skill_invocation_fts WHERE skill_invocation_fts MATCH 'cart'"
    assert one(sql, found) == (1,)
    sql.execute("UPDATE skill_invocation SET user_query = 'other' WHERE id = 1")
    assert one(sql, found) is None
    sql.execute("DELETE FROM skill_invocation WHERE id = 1")
    other = "SELECT rowid FROM skill_invocation_fts WHERE skill_invocation_fts MATCH 'other'"
    assert one(sql, other) is None


def test_b18_whatever_refers_to_a_skill_finds_it(sql: sqlite3.Connection) -> None:
    sql.execute("INSERT INTO skill_modalities (skill_name, modality_type) VALUES ('x', 'code')")
    sql.execute("INSERT INTO skill_dependencies (skill_a, skill_b) VALUES ('y', 'z')")
    assert sql.execute("SELECT skill_name, total_invocations FROM skill_metrics").fetchall() == [
        ("x", 0), ("y", 0), ("z", 0)]  # fmt: skip
    assert sql.execute("PRAGMA foreign_key_check").fetchall() == []


def test_b19_events_of_the_same_second_are_all_kept(sql: sqlite3.Connection) -> None:
    for session in ("s1", "s2", "s3"):
        invoke(sql, session_id=session, invoked_at="2026-11-20T12:00:00+00:00")
    assert one(sql, "SELECT total_invocations FROM skill_metrics") == (3,)
    assert one(sql, "SELECT count(DISTINCT event_id) FROM skill_invocation") == (3,)
