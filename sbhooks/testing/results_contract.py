"""Tests to inherit: whoever writes a store that keeps results proves its promises with them."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from sbhooks.errors import StoreError
from sbhooks.store import EventQuery, EventStore, KeepsResults, SqlValue
from sbhooks.testing.factories import Timeline

#: Reads a table back: every row, with all columns or those that were given.
Kept = Callable[[str], list[dict[str, SqlValue]]]

_AT = "2026-11-20T12:00:00.000000+00:00"


def anomaly(skill: str, **more: SqlValue) -> dict[str, SqlValue]:
    """A row of ``skill_anomalies``."""
    return {"skill_name": skill, "detected_at": _AT, "anomaly_type": "drop", **more}


def dependency(left: str, right: str, **more: SqlValue) -> dict[str, SqlValue]:
    """A row of ``skill_dependencies``."""
    return {"skill_a": left, "skill_b": right, "co_occurrence_count": 3, **more}


def has(kept: list[dict[str, SqlValue]], rows: list[dict[str, SqlValue]]) -> bool:
    """Whether a table holds these rows, whatever else stands in their other columns."""
    return len(kept) == len(rows) and all(
        any(row.items() <= candidate.items() for candidate in kept) for row in rows
    )


class ResultsContract:
    """One test per promise of :class:`sbhooks.store.KeepsResults`.

    Inherit and override :meth:`store` and :meth:`kept`.
    """

    @pytest.fixture
    def store(self) -> Any:
        """An empty store that keeps events and results."""
        raise NotImplementedError

    @pytest.fixture
    def kept(self, store: Any) -> Kept:
        """Reads a table of ``store`` back."""
        raise NotImplementedError

    def test_it_keeps_results_for_the_type_checker_and_at_run_time(self, store: Any) -> None:
        assert isinstance(store, EventStore)
        assert isinstance(store, KeepsResults)

    def test_rows_are_replaced(self, store: Any, kept: Kept) -> None:
        store.keep_results({"skill_anomalies": [anomaly("old"), anomaly("older")]})
        rows = [anomaly("new", deviation_score=-4.5)]
        store.keep_results({"skill_anomalies": rows})
        assert has(kept("skill_anomalies"), rows)
        store.keep_results({"skill_anomalies": []})
        assert kept("skill_anomalies") == []

    def test_tables_that_are_not_named_stay(self, store: Any, kept: Kept) -> None:
        store.keep_results({"skill_anomalies": [anomaly("a")]})
        store.keep_results({"skill_dependencies": [dependency("a", "b")]})
        store.keep_results({})
        assert has(kept("skill_anomalies"), [anomaly("a")])
        assert has(kept("skill_dependencies"), [dependency("a", "b")])

    def test_skills_need_not_have_been_invoked(self, store: Any, kept: Kept) -> None:
        tables: dict[str, list[dict[str, SqlValue]]] = {
            "skill_modalities": [{"skill_name": "never", "modality_type": "code"}],
            "skill_community_baselines": [{"skill_name": "nor-this", "last_updated": _AT}],
            "skill_dependencies": [dependency("x", "y")],
        }
        store.keep_results(tables)
        for table, rows in tables.items():
            assert has(kept(table), rows)

    def test_the_order_of_the_tables_does_not_matter(self, store: Any, kept: Kept) -> None:
        category: dict[str, SqlValue] = {"category_id": 7, "category_name": "Testing"}
        mapping: dict[str, SqlValue] = {"skill_name": "pytest-run", "category_id": 7}
        for _ in range(2):
            store.keep_results(
                {"skill_category_mapping": [mapping], "skill_categories": [category]}
            )
        store.keep_results({"skill_categories": [category]})  # the mapping refers to it
        assert has(kept("skill_category_mapping"), [mapping])

    @pytest.mark.parametrize("text", ["", "'", '"; DROP TABLE skill_metrics; --', "a\0b", "é🙂"])
    def test_any_text_is_kept(self, store: Any, kept: Kept, text: str) -> None:
        store.keep_results({"skill_anomalies": [anomaly(text)]})
        assert has(kept("skill_anomalies"), [anomaly(text)])

    def test_numbers_bytes_and_nothing_are_kept(self, store: Any, kept: Kept) -> None:
        row: dict[str, SqlValue] = {
            "cluster_id": 1, "cluster_name": "c", "description": None,
            "centroid_embedding": bytes(range(256)), "created_at": _AT,
        }  # fmt: skip
        member: dict[str, SqlValue] = {
            "skill_name": "s", "cluster_id": 1, "membership_score": 0.1 + 0.2,
        }  # fmt: skip
        store.keep_results({"skill_clusters": [row], "skill_cluster_membership": [member]})
        assert has(kept("skill_clusters"), [row])
        assert has(kept("skill_cluster_membership"), [member])

    @pytest.mark.parametrize(
        "table",
        ["skill_invocation", "skill_metrics", "event_key", "store_state", "nope", "",
         "skill_anomalies; DROP TABLE skill_anomalies", "sqlite_master"],
    )  # fmt: skip
    def test_other_tables_are_refused(self, store: Any, kept: Kept, table: str) -> None:
        store.keep_results({"skill_anomalies": [anomaly("a")]})
        with pytest.raises(StoreError):
            store.keep_results({"skill_anomalies": [], table: []})
        assert has(kept("skill_anomalies"), [anomaly("a")])

    @pytest.mark.parametrize(
        "wrong",
        [
            {"nope": 1}, {"": 1}, {"resolved_at) VALUES (1); --": 1}, {"SKILL_NAME": "twice"},
            {"deviation_score": math.nan}, {"deviation_score": math.inf},
            {"deviation_score": "much"}, {"id": 2**63}, {"id": 1.5}, {"resolved_at": 5},
            {"resolved_at": ["a"]}, {"resolved_at": b"a"},
        ],
    )  # fmt: skip
    def test_what_does_not_fit_is_refused_and_changes_nothing(
        self, store: Any, kept: Kept, wrong: dict[str, Any]
    ) -> None:
        store.keep_results({"skill_anomalies": [anomaly("a")]})
        with pytest.raises(StoreError):
            store.keep_results(
                {
                    "skill_dependencies": [dependency("a", "b")],
                    "skill_anomalies": [anomaly("new"), anomaly("wrong") | wrong],
                }
            )
        assert has(kept("skill_anomalies"), [anomaly("a")])
        assert kept("skill_dependencies") == []

    def test_the_log_and_its_mark_stay_as_they_are(self, store: Any) -> None:
        events = Timeline().one_of_each()
        store.append(events)
        mark = store.high_water()
        store.keep_results({"skill_anomalies": [anomaly("pytest")]})
        assert store.high_water() == mark
        assert list(store.events(EventQuery())) == events

    def test_dependencies_that_are_expected_stay_until_they_are_observed(
        self, store: Any, kept: Kept
    ) -> None:
        expected = [dependency(*pair, co_occurrence_count=0) for pair in ("ab", "cd")]
        store.keep_results({"skill_dependencies": expected})
        store.keep_results({"skill_dependencies": [dependency("a", "b"), dependency("x", "y")]})
        now = [dependency("a", "b"), dependency("x", "y"), expected[1]]
        assert has(kept("skill_dependencies"), now)
        store.keep_results({"skill_dependencies": expected})
        assert has(kept("skill_dependencies"), now)
        store.keep_results({"skill_dependencies": []})
        assert has(kept("skill_dependencies"), [expected[1]])

    def test_people_in_results_are_renamed_and_erased(self, store: Any, kept: Kept) -> None:
        test: dict[str, SqlValue] = {
            "test_id": 1, "test_name": "t", "control_strategy": "a", "treatment_strategy": "b",
            "start_date": _AT,
        }  # fmt: skip
        people = [
            {"test_id": 1, "user_id": user, "group_name": "control"} for user in ("ann", "bob")
        ]
        store.keep_results({"ab_test_configs": [test], "ab_test_assignments": people})
        store.rename_people({"ann": "zoe"})
        store.erase_user("bob")
        assert [row["user_id"] for row in kept("ab_test_assignments")] == ["zoe"]

    def test_a_closed_store_keeps_nothing(self, store: Any) -> None:
        store.close()
        with pytest.raises(StoreError, match="closed"):
            store.keep_results({})
