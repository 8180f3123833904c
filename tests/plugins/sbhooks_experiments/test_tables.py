"""The tables of the old A/B API: equal to the log, and right in the old view."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from sbhooks_experiments.desk import Desk
from sbhooks_experiments.plan import Metric, Plan

Ask = Callable[..., Any]


def rows(home: Path, statement: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(home / "sbhooks.db")) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(statement)]


def test_the_tables_and_the_old_view_hold_what_the_log_says(desk: Desk, home: Path) -> None:
    desk.create(Plan(name="fast", description="why", control="short", treatment="long",
                     ratio=0.25, secondary=(Metric.RATING,)))  # fmt: skip
    given = {n: desk.assign("fast", f"user-ab-{n:016x}") for n in range(12)}
    for n, one in given.items():
        for attempt in range(3):
            desk.record("fast", one.unit, skill="lint", duration_s=n, rating=2.5,
                        outcome="success" if attempt else "failure")  # fmt: skip
    desk.stop("fast")
    (config,) = rows(home, "SELECT * FROM ab_test_configs")
    assert (config["test_name"], config["status"], config["assignment_ratio"]) == (
        "fast", "stopped", 0.25,
    )  # fmt: skip
    assert config["metrics"] == '["completion_rate","user_rating"]'
    assert config["end_date"] > config["start_date"]
    found = rows(home, "SELECT * FROM ab_test_assignments ORDER BY assignment_id")
    assert {row["user_id"]: row["group_name"] for row in found} == {
        one.unit: one.variant for one in given.values()
    }
    assert found[0]["assigned_at"] == given[0].assigned_at.isoformat(timespec="microseconds")  # type: ignore[union-attr]
    assert len(rows(home, "SELECT * FROM ab_test_outcomes")) == 36
    (summary,) = rows(home, "SELECT * FROM v_ab_test_summary")
    treated = sum(one.variant == "treatment" for one in given.values())
    assert (summary["total_users"], summary["treatment_users"]) == (12, treated)
    assert abs(summary["control_completion_rate"] - 2 / 3) < 1e-12


def test_an_analysis_fills_them_anew(desk: Desk, ask: Ask, home: Path) -> None:
    desk.create(Plan(name="fast", control="short", treatment="long"))
    desk.assign("fast", "alice")
    with closing(sqlite3.connect(home / "sbhooks.db")) as connection, connection:
        connection.execute("DELETE FROM ab_test_assignments")
    ask("analyze", "fast")
    assert len(rows(home, "SELECT * FROM ab_test_assignments")) == 1
