"""Results beside the log: foreign keys, making anew, verifying, people."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from sbhooks.errors import StoreError
from sbhooks.testing.factories import Timeline
from sbhooks_storage.maintenance import rebuild_tables, verify
from sbhooks_storage.sqlite import SqliteEventStore

AT = "2026-11-20T12:00:00.000000+00:00"
EVERYTHING: dict[str, list[dict[str, Any]]] = {
    "skill_anomalies": [
        {"skill_name": "pytest", "detected_at": AT, "anomaly_type": "drop"},
        {"skill_name": "anomalous", "detected_at": AT, "anomaly_type": "spike"},
    ],
    "skill_community_baselines": [
        {"skill_name": "common", "total_users": 3, "last_updated": AT},
    ],
    "skill_clusters": [{"cluster_id": 1, "cluster_name": "one", "created_at": AT}],
    "skill_cluster_membership": [{"skill_name": "member", "cluster_id": 1}],
    "skill_dependencies": [
        {"skill_a": "a", "skill_b": "b", "co_occurrence_count": 4, "lift_score": 2.0},
        {"skill_a": "c", "skill_b": "d", "co_occurrence_count": 0, "lift_score": 3.5},
    ],
    "skill_categories": [
        {"category_id": 2, "category_name": "child", "parent_category_id": 1},
        {"category_id": 1, "category_name": "parent"},
    ],
    "skill_category_mapping": [{"skill_name": "mapped", "category_id": 2}],
    "skill_modalities": [{"skill_name": "modal", "modality_type": "code"}],
    "ab_test_configs": [
        {"test_id": 1, "test_name": "t", "control_strategy": "x", "treatment_strategy": "y",
         "start_date": AT},
    ],
    "ab_test_assignments": [{"test_id": 1, "user_id": "ann", "group_name": "control"}],
    "ab_test_outcomes": [
        {"test_id": 1, "user_id": "ann", "skill_name": "tried", "completed": True},
    ],
}  # fmt: skip


def contents(path: Path) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of the tables of results."""
    with closing(sqlite3.connect(path)) as connection:
        return {
            table: connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2").fetchall()
            for table in EVERYTHING
        }


@pytest.fixture
def filled(store: SqliteEventStore) -> SqliteEventStore:
    """A store with events and with rows in every table of results."""
    for session in ("one", "two"):
        time = Timeline(session)
        store.append([time.start(user="ann"), time.invocation("ruff"), time.invocation("mypy")])
    store.keep_results(EVERYTHING)
    return store


def test_making_the_derived_tables_anew_leaves_results_alone(
    filled: SqliteEventStore, path: Path
) -> None:
    before = contents(path)
    assert all(before.values())
    rebuild_tables(path)
    assert contents(path) == before


def test_verifying_finds_nothing_wrong_and_leaves_results_alone(
    filled: SqliteEventStore, path: Path
) -> None:
    before = contents(path)
    assert verify(path) == []
    rebuild_tables(path)
    assert verify(path) == []
    assert contents(path) == before


def test_skills_that_nothing_refers_to_any_more_are_no_fault(
    filled: SqliteEventStore, path: Path
) -> None:
    filled.keep_results(dict.fromkeys(EVERYTHING, ()))
    assert verify(path) == []
    rebuild_tables(path)
    assert verify(path) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT skill_name FROM skill_metrics ORDER BY 1").fetchall() == [
            ("c",), ("d",), ("mypy",), ("ruff",)]  # fmt: skip


def test_keeping_the_same_results_again_changes_no_other_table(
    filled: SqliteEventStore, path: Path
) -> None:
    filled.keep_results(EVERYTHING)
    assert verify(path) == []
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.parametrize(
    ("tables", "complaint"),
    [
        ({"skill_categories": []}, "FOREIGN KEY"),
        ({"skill_cluster_membership": [{"skill_name": "a", "cluster_id": 9}]}, "FOREIGN KEY"),
        ({"skill_anomalies": [{"skill_name": "a"}]}, "NOT NULL"),
        ({"skill_anomalies": [{}]}, "NOT NULL"),
        ({"skill_modalities": [{"skill_name": "a", "modality_type": "code"}] * 2}, "UNIQUE"),
    ],
)
def test_rows_that_contradict_each_other_are_refused_and_change_nothing(
    filled: SqliteEventStore, path: Path, tables: Any, complaint: str
) -> None:
    before = contents(path)
    with pytest.raises(
        StoreError, match=f"cannot keep results in {next(iter(tables))}.*{complaint}"
    ):
        filled.keep_results(tables)
    assert contents(path) == before
    filled.keep_results(EVERYTHING)  # the store goes on working


def test_columns_left_out_take_their_default(filled: SqliteEventStore, path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute(
            "SELECT min_sample_size, assignment_ratio, status FROM ab_test_configs"
        ).fetchone() == (100, 0.5, "running")


def test_erasing_somebody_counts_people_anew(filled: SqliteEventStore, path: Path) -> None:
    filled.erase_user("ann")
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT * FROM skill_community_baselines").fetchall() == []
        assert connection.execute("SELECT user_id FROM ab_test_outcomes").fetchall() == []
    assert verify(path) == []


def test_a_process_killed_at_any_statement_leaves_the_old_or_the_new_rows(
    store: SqliteEventStore,
    path: Path,
    open_store: Callable[..., SqliteEventStore],
    killed_at: Callable[[Callable[[], object], int], bool],
) -> None:
    store.keep_results({"skill_modalities": [{"skill_name": "old", "modality_type": "code"}]})
    store.close()
    new = [{"skill_name": name, "modality_type": "testing"} for name in ("new", "newer")]
    number = 0
    while killed_at(lambda: open_store().keep_results({"skill_modalities": new}), number):
        number += 1
        assert [row[0] for row in contents(path)["skill_modalities"]] in (
            ["old"], ["new", "newer"],
        )  # fmt: skip
    assert number > 5
    assert [row[0] for row in contents(path)["skill_modalities"]] == ["new", "newer"]
