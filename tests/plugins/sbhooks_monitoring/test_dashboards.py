"""Dashboards: what Grafana needs, and nothing that overlaps or is left unsaid."""

from __future__ import annotations

import json
import re
from itertools import combinations
from typing import Any

import pytest

from sbhooks_monitoring.dashboards import dashboards

MADE = {name: json.loads(text) for name, text in dashboards("sbhooks").items()}
_each = pytest.mark.parametrize("board", MADE.values(), ids=MADE)
#: What users of the old system know.
KNOWN = {
    "Real-Time Skill Invocations", "Skill Completion Rate", "Anomaly Detection", "Active Sessions",
    "Top Skills by Invocations (24 h)", "Skill Duration Distribution",
    "Workflow Phase Distribution", "Anomaly Timeline", "WebSocket Server Health", "Database",
    "Alert Rules Summary",
}  # fmt: skip
VARIABLES = {"datasource", "instance", "skill", "__rate_interval", "__range", "__value"}


def drawn(board: dict[str, Any]) -> list[dict[str, Any]]:
    return [panel for panel in board["panels"] if panel["type"] != "row"]


def test_everything_is_there_that_users_know() -> None:
    kinds = {panel["title"]: panel["type"] for panel in drawn(MADE["sbhooks-overview.json"])}
    assert kinds.keys() >= KNOWN
    assert kinds["Skill Completion Rate"] == "gauge"
    assert kinds["Anomaly Detection"] == "stat"
    assert kinds["Top Skills by Invocations (24 h)"] == "table"
    assert kinds["Skill Duration Distribution"] == "heatmap"
    assert kinds["Workflow Phase Distribution"] == "piechart"


@_each
def test_a_dashboard_can_be_imported_anywhere(board: dict[str, Any]) -> None:
    assert board["schemaVersion"] >= 41
    assert "id" not in board  # Grafana gives one; the uid stays the same
    assert re.fullmatch(r"[a-z-]{1,40}", board["uid"])
    assert board["refresh"] == "5s"
    variables = {one["name"]: one for one in board["templating"]["list"]}
    assert variables["datasource"]["type"] == "datasource"
    text = json.dumps(board)
    assert {one["uid"] for one in _sources(board)} == {"${datasource}"}
    assert set(re.findall(r"\$\{?(\w+)", text)) - {"__all"} <= VARIABLES
    assert "@JOB@" not in text


@_each
def test_panels_have_a_place_of_their_own(board: dict[str, Any]) -> None:
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    taken = [(p["title"], p["gridPos"]) for p in board["panels"]]
    assert all(at["x"] + at["w"] <= 24 for _, at in taken)
    overlapping = [
        (one, other)
        for (one, a), (other, b) in combinations(taken, 2)
        if a["x"] < b["x"] + b["w"] and b["x"] < a["x"] + a["w"]
        and a["y"] < b["y"] + b["h"] and b["y"] < a["y"] + a["h"]
    ]  # fmt: skip
    assert overlapping == []


@_each
def test_every_panel_says_what_it_shows_and_in_which_unit(board: dict[str, Any]) -> None:
    for panel in drawn(board):
        assert panel["description"], panel["title"]
        assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]
        refs = [target["refId"] for target in panel["targets"]]
        assert refs == sorted(set(refs))
        assert refs
        for target in panel["targets"]:
            assert target["instant"] != target["range"]
            assert "rate(" not in target["expr"].replace("increase(", "") or (
                "$__rate_interval" in target["expr"]
            )
        if len(panel["targets"]) > 1:
            assert all(target["legendFormat"] for target in panel["targets"])


def test_the_job_can_have_another_name() -> None:
    assert 'job=\\"tools\\"' in dashboards("tools")["sbhooks-server.json"]


def _sources(part: Any) -> list[dict[str, Any]]:
    if isinstance(part, dict):
        own = [part["datasource"]] if isinstance(part.get("datasource"), dict) else []
        return own + [one for value in part.values() for one in _sources(value)]
    return [one for value in part for one in _sources(value)] if isinstance(part, list) else []
