"""Real databases of the old system come up to the head, go down again, and lose nothing."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest

from sbhooks.errors import MigrationError
from sbhooks.events import Codec
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON
from sbhooks_migrations import HEAD
from sbhooks_storage.database import connect, create_private
from sbhooks_storage.migrate import migrate
from sbhooks_storage.rebuild import differences
from sbhooks_storage.sqlite import open_sqlite

NAMES = ("v3", "v4")
LOG = (
    "SELECT id, skill_name, invoked_at, session_id, workflow_path, completed, duration_seconds, "
    "user_query, alternatives_considered, selection_rank, follow_up_actions, error_type, "
    "created_at, embedding, workflow_phase, workflow_step_id FROM skill_invocation ORDER BY id"
)
KEPT = (
    "skill_anomalies", "skill_user_interactions", "skill_clusters", "skill_cluster_membership",
    "ab_test_configs", "ab_test_assignments", "ab_test_outcomes", "skill_categories",
    "skill_category_mapping", "skill_modalities",
)  # fmt: skip
Row = dict[str, Any]


@pytest.fixture(params=NAMES)
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def path(name: str, old_database: Callable[[str], Path]) -> Path:
    return old_database(name)


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    with closing(connect(path)) as connection:
        yield connection


def rows(connection: sqlite3.Connection, sql: str) -> list[Row]:
    cursor = connection.execute(sql)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def mean(values: list[float]) -> Any:
    return pytest.approx(sum(values) / len(values)) if values else None


def check_skill_metrics(connection: sqlite3.Connection, whole: float) -> None:
    """Every column against the log; ``whole`` is what a rate of all is: 1 or 100."""
    log: dict[str, list[Row]] = defaultdict(list)
    for row in rows(connection, LOG):
        log[row["skill_name"]].append(row)
    found = {row["skill_name"]: row for row in rows(connection, "SELECT * FROM skill_metrics "
                                                    "WHERE total_invocations > 0")}  # fmt: skip
    assert found.keys() == log.keys()
    for skill, of_skill in log.items():
        row = found[skill]
        done = [r for r in of_skill if r["completed"]]
        ranked = [r for r in of_skill if r["selection_rank"] is not None]
        timed = [r["duration_seconds"] for r in done if r["duration_seconds"] is not None]
        actions = Counter(
            action for r in of_skill if r["follow_up_actions"]
            for action in json.loads(r["follow_up_actions"])
        )  # fmt: skip
        assert row["total_invocations"] == len(of_skill)
        assert row["completed_invocations"] == len(done)
        assert row["abandoned_invocations"] == len(of_skill) - len(done)
        assert row["completion_rate"] == pytest.approx(whole * len(done) / len(of_skill))
        assert row["total_duration_seconds"] == pytest.approx(sum(timed))
        assert row["avg_duration_seconds"] == mean(timed)
        assert row["avg_selection_rank"] == mean([r["selection_rank"] for r in ranked])
        assert row["recommendation_success_rate"] == mean([whole * r["completed"] for r in ranked])
        assert row["first_invoked"] == min(r["invoked_at"] for r in of_skill)
        assert row["last_invoked"] == max(r["invoked_at"] for r in of_skill)
        assert json.loads(row["follow_up_actions"]) == actions
        for column, source in (
            ("workflow_paths", "workflow_path"),
            ("common_errors", "error_type"),
        ):
            names = Counter(r[source] for r in of_skill if r[source] is not None)
            assert json.loads(row[column]) == names


def check_daily_and_sessions(connection: sqlite3.Connection) -> None:
    log = rows(connection, LOG)
    daily = Counter((row["invoked_at"][:10], row["skill_name"]) for row in log)
    done = Counter((row["invoked_at"][:10], row["skill_name"]) for row in log if row["completed"])
    for row in rows(connection, "SELECT * FROM mv_daily_skills"):
        key = (row["date"], row["skill_name"])
        assert (row["invocations"], row["completions"]) == (daily.pop(key), done[key])
        assert row["abandonments"] == row["invocations"] - row["completions"]
    assert not daily
    sessions = Counter((row["session_id"], row["skill_name"]) for row in log)
    assert sessions == {
        (row["session_id"], row["skill_name"]): row["invocation_count"]
        for row in rows(connection, "SELECT * FROM session_skills")
    }


def check_series(connection: sqlite3.Connection) -> None:
    hours: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows(connection, LOG):
        hours[row["skill_name"], row["invoked_at"][:13] + ":00:00"].append(row)
    for row in rows(connection, "SELECT * FROM skill_time_series"):
        of_hour = hours.pop((row["skill_name"], row["timestamp"]))
        done = [r for r in of_hour if r["completed"]]
        assert row["invocation_count"] == len(of_hour)
        assert row["completion_rate"] == pytest.approx(len(done) / len(of_hour))
        timed = [r["duration_seconds"] for r in done if r["duration_seconds"] is not None]
        assert row["avg_duration_seconds"] == mean(timed)
        assert row["unique_sessions"] == len({r["session_id"] for r in of_hour})
    assert not hours


def check_relations(connection: sqlite3.Connection) -> None:
    sessions: dict[str, set[str]] = defaultdict(set)
    for row in rows(connection, LOG):
        sessions[row["session_id"]].add(row["skill_name"])
    held = Counter(skill for skills in sessions.values() for skill in skills)
    for row in rows(connection, "SELECT * FROM skill_dependencies WHERE co_occurrence_count > 0"):
        a, b = row["skill_a"], row["skill_b"]
        both = sum({a, b} <= skills for skills in sessions.values())
        assert a < b
        assert row["co_occurrence_count"] == both
        assert row["lift_score"] == pytest.approx(both * len(sessions) / (held[a] * held[b]))


def test_what_was_counted_from_the_log_is_what_the_tables_say(
    name: str, connection: sqlite3.Connection, path: Path, truth: dict[str, Row]
) -> None:
    migrate(connection, path)
    of_skill = {row["skill_name"]: row for row in rows(connection, "SELECT * FROM skill_metrics")}
    for skill in ("pytest-run", "ruff-check", "mypy-check"):
        expected, found = truth[name][skill], of_skill[skill]
        assert found["total_invocations"] == expected["total"]
        assert found["completed_invocations"] == expected["completed"]
        assert found["completion_rate"] == pytest.approx(expected["completion_rate"], abs=1e-6)
        assert found["avg_duration_seconds"] == pytest.approx(
            expected["avg_duration_completed"], abs=1e-6
        )
        assert found["first_invoked"] == expected["first"]
        assert found["last_invoked"] == expected["last"]
        assert json.loads(found["common_errors"]) == expected["errors"]
        assert json.loads(found["workflow_paths"]) == expected["workflow_paths"]
    lift = truth[name]["lift(pytest-run,ruff-check) over sessions"]
    found = connection.execute(
        "SELECT co_occurrence_count, round(lift_score, 6) FROM v_skill_dependency_network "
        "WHERE skill_a = 'ruff-check' AND skill_b = 'pytest-run'"
    ).fetchall()
    assert found == [(lift["with_both"], lift["lift"])]


def test_every_derived_table_equals_a_count_over_the_log(
    connection: sqlite3.Connection, path: Path
) -> None:
    migrate(connection, path)
    check_skill_metrics(connection, whole=1)
    check_daily_and_sessions(connection)
    check_series(connection)
    check_relations(connection)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]


def test_up_down_and_up_again_keep_the_log_and_the_tables(
    name: str, connection: sqlite3.Connection, path: Path
) -> None:
    log = connection.execute(LOG).fetchall()
    kept = (
        {t: connection.execute(f"SELECT * FROM {t}").fetchall() for t in KEPT}
        if name == "v4"
        else {}
    )
    migrate(connection, path)
    assert connection.execute(LOG).fetchall() == log
    migrate(connection, path, 4)
    assert connection.execute(LOG).fetchall() == log
    check_skill_metrics(connection, whole=100)
    check_daily_and_sessions(connection)
    for table, before in kept.items():
        if table != "skill_anomalies":  # its times have one format now
            assert connection.execute(f"SELECT * FROM {table}").fetchall() == before
    if name == "v4":
        with pytest.raises(MigrationError, match=r"ab_test_outcomes \(444 rows\)"):
            migrate(connection, path, 3)
    migrate(connection, path, 3, allow_data_loss=True)
    assert connection.execute(LOG).fetchall() == log
    check_skill_metrics(connection, whole=100)
    check_daily_and_sessions(connection)
    migrate(connection, path)
    assert connection.execute(LOG).fetchall() == log
    check_skill_metrics(connection, whole=1)
    check_daily_and_sessions(connection)
    check_series(connection)
    check_relations(connection)


def test_both_databases_get_the_schema_of_a_new_one(
    connection: sqlite3.Connection, path: Path, tmp_path: Path
) -> None:
    open_sqlite(tmp_path / "new.db", Codec()).close()
    objects = "SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY 1, 2"
    with closing(connect(tmp_path / "new.db")) as new:
        migrate(connection, path)
        for version in (HEAD, HEAD - 1, 4, 3):
            migrate(connection, path, version, allow_data_loss=True)
            migrate(new, tmp_path / "new.db", version, allow_data_loss=True)
            assert connection.execute(objects).fetchall() == new.execute(objects).fetchall()
            for (table,) in new.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table' AND name <> 'skill_migrations'"
            ):
                columns = f"PRAGMA table_info({table})"
                assert connection.execute(columns).fetchall() == new.execute(columns).fetchall()


def test_the_store_reads_what_the_old_system_wrote(name: str, path: Path) -> None:
    with closing(open_sqlite(path, Codec())) as store:
        (everything,) = store.rollup(EventQuery())
        assert everything.n == 5_000
        users = store.rollup(EventQuery(), ["user"])
        known = [row for row in users if row.key != (None,)]
        assert len(known) == (36 if name == "v4" else 0)
        rated = [event for event in store.events(EventQuery()) if event.rating is not None]  # type: ignore[attr-defined]
        assert bool(rated) == (name == "v4")


def test_after_the_way_down_rows_of_the_old_system_are_counted(
    connection: sqlite3.Connection, path: Path
) -> None:
    migrate(connection, path)
    migrate(connection, path, 3, allow_data_loss=True)
    connection.executemany(
        "INSERT INTO skill_invocation (skill_name, invoked_at, session_id, completed, "
        "duration_seconds, error_type, workflow_path, follow_up_actions) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [
            ("pytest-run", "2026-11-20T13:00:00.000000+00:00", "s", 0, None,
             "a[0].'\"b", "q.k", '["", "."]'),
            ("pytest-run", "2026-01-01T13:00:00.000000+00:00", "s", 1, 0.0, None, "", '["x"]'),
            ("new-one", "2026-11-20T13:00:00.000000+00:00", "s", 0, None, None, None, None),
        ],
    )  # fmt: skip
    check_skill_metrics(connection, whole=100)
    check_daily_and_sessions(connection)
    migrate(connection, path)
    check_skill_metrics(connection, whole=1)
    check_daily_and_sessions(connection)


def test_questions_of_users_are_found_by_their_words(
    connection: sqlite3.Connection, path: Path
) -> None:
    migrate(connection, path)
    found = connection.execute(
        "SELECT count(*) FROM skill_invocation_fts WHERE skill_invocation_fts MATCH 'module'"
    ).fetchone()
    assert (
        found
        == connection.execute(
            "SELECT count(*) FROM skill_invocation WHERE user_query LIKE '%module%'"
        ).fetchone()
    )
    assert found > (0,)


def test_b18_references_to_skills_that_were_never_invoked_are_mended(
    connection: sqlite3.Connection, path: Path
) -> None:
    connection.execute("PRAGMA foreign_keys = OFF")
    if migrate(connection, path, 4):
        connection.execute("INSERT INTO skill_modalities (skill_name, modality_type) "
                           "VALUES ('never', 'code')")  # fmt: skip
    connection.execute("INSERT INTO skill_dependencies (skill_a, skill_b, co_occurrence_count, "
                       "lift_score) VALUES ('zzz', 'aaa', 1, 2.5)")  # fmt: skip
    assert connection.execute("PRAGMA foreign_key_check").fetchall()
    connection.execute("PRAGMA foreign_keys = ON")
    migrate(connection, path)
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
    assert connection.execute(
        "SELECT skill_a, co_occurrence_count, lift_score FROM skill_dependencies "
        "WHERE skill_b = 'zzz'"
    ).fetchall() == [("aaa", 0, 2.5)]


# --- Databases that somebody might have --------------------------------------------------------

ODD = (
    "",
    "a.b",
    "[Errno 2]",
    "x[1] - assert 1 == 2",
    "'quoted' \"twice\"",
    "wörk 流",
    "%_\\",
    "\n",
)
SCHEMA = (
    "SELECT type, name, CASE type WHEN 'table' THEN '' ELSE sql END FROM sqlite_master "
    "WHERE name NOT LIKE 'sqlite_%' ORDER BY type, name"
)


def likely(chance: Random, *values: Any) -> Any:
    """One of the values, or nothing."""
    return chance.choice([None, *values])


def fill(connection: sqlite3.Connection, version: int, chance: Random) -> None:
    """Whatever the old system may have written at a version; its sums may be wrong."""
    skills = [f"skill-{n}" for n in range(chance.randint(1, 4))] + [chance.choice(ODD[1:])]
    phase = ", workflow_phase" if version >= 3 else ""
    for _ in range(chance.randint(0, 60)):
        at = NOON - timedelta(microseconds=chance.randrange(10 ** chance.randint(6, 14)))
        done = chance.random() < 0.7
        row = [
            chance.choice(skills), at.isoformat(timespec="microseconds"),
            f"s{chance.randint(1, 5)}", likely(chance, *ODD), done,
            likely(chance, 0.0, 1.5, 12.345678), likely(chance, *ODD),
            likely(chance, "[]", json.dumps(chance.sample(ODD, 2))), likely(chance, 1, 2, 3),
            None if done else likely(chance, *ODD), likely(chance, '["x", "x"]', "[]"),
        ]  # fmt: skip
        connection.execute(
            "INSERT INTO skill_invocation (skill_name, invoked_at, session_id, workflow_path, "
            "completed, duration_seconds, user_query, alternatives_considered, selection_rank, "
            f"error_type, follow_up_actions{phase}) "
            f"VALUES ({', '.join('?' * (11 + bool(phase)))})",
            [*row, likely(chance, "setup", "")] if phase else row,
        )
    for harm in ("UPDATE skill_metrics SET completion_rate = 7, total_invocations = 1",
                 "DELETE FROM mv_daily_skills", "DELETE FROM session_skills"):  # fmt: skip
        if chance.random() < 0.3:
            connection.execute(harm)


def whole_schema(connection: sqlite3.Connection) -> list[object]:
    objects = connection.execute(SCHEMA).fetchall()
    tables = [name for kind, name, _ in objects if kind == "table"]
    return [objects, [connection.execute(f"PRAGMA table_xinfo('{t}')").fetchall() for t in tables]]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> dict[int, bytes]:
    """An empty database of each old version."""
    found = {}
    for version in range(1, 5):
        path = tmp_path_factory.mktemp("empty") / "old.db"
        create_private(path)
        with closing(connect(path)) as connection:
            migrate(connection, path, version)
        found[version] = path.read_bytes()
    return found


@pytest.mark.parametrize(
    "seeds", [range(20), *(pytest.param(range(n, n + 98), marks=pytest.mark.slow)
                           for n in range(20, 1_000, 98))],
    ids=lambda seeds: f"{seeds[0]}-{seeds[-1]}",
)  # fmt: skip
def test_likely_databases_go_up_down_and_up_and_keep_their_log(
    empty: dict[int, bytes], tmp_path: Path, seeds: range
) -> None:
    for seed in seeds:
        chance = Random(seed)
        version = chance.randint(1, 4)
        path = tmp_path / f"{seed}.db"
        path.write_bytes(empty[version])
        with closing(connect(path)) as connection:
            fill(connection, version, chance)
            columns = ", ".join(
                name for _, name, *_ in connection.execute("PRAGMA table_info(skill_invocation)")
            )
            rows_of_log = f"SELECT {columns} FROM skill_invocation ORDER BY id"
            log = connection.execute(rows_of_log).fetchall()
            migrate(connection, path)
            schema = whole_schema(connection)
            check_all(connection)
            assert connection.execute(rows_of_log).fetchall() == log, seed
            migrate(connection, path, version, allow_data_loss=True)
            assert connection.execute(rows_of_log).fetchall() == log, seed
            if version >= 3:
                check_skill_metrics(connection, whole=100)
                check_daily_and_sessions(connection)
            migrate(connection, path)
            assert whole_schema(connection) == schema, seed
            assert connection.execute(rows_of_log).fetchall() == log, seed
            check_all(connection)


def check_all(connection: sqlite3.Connection) -> None:
    """Every derived table equals a count over the log."""
    check_skill_metrics(connection, whole=1)
    check_daily_and_sessions(connection)
    check_series(connection)
    check_relations(connection)
    connection.execute("BEGIN IMMEDIATE")
    assert differences(connection) == []
    connection.execute("ROLLBACK")
    assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
