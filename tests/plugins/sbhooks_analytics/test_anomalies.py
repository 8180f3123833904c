"""Findings from stored events: listed, judged, explained, kept for readers with SQL."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sbhooks.cli import main
from sbhooks.config import load_config
from sbhooks.errors import SbhooksError
from sbhooks.events import utc_now
from sbhooks.insights import InsightQuery
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks.testing.histories import history_of
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.anomaly_findings import anomalies, find
from sbhooks_analytics.daily import HOUR
from sbhooks_analytics.second_opinions import isolation_forest, zscore

DAY = timedelta(days=1)
MONDAY = datetime(2026, 6, 1, tzinfo=UTC)


def drop(first: datetime, days: int = 60, bad: range = range(50, 53)) -> list[Any]:
    """A skill that completes 19 of 20, but some days only 5."""
    return [(first + DAY * d, *((5, 15) if d in bad else (19, 1))) for d in range(days)]


@pytest.fixture
def dropped(home: Path) -> None:
    today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    with Runtime.start(load_config()) as runtime:
        events = history_of(drop(today - DAY * 60))
        steady = history_of([(at, 19, 1) for at, *_ in drop(today - DAY * 60)], skill="mypy")
        runtime.store.append([*events, *steady])


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Callable[..., Any]:
    def run(*arguments: str) -> Any:
        assert main([*arguments, "--json"]) == 0
        return json.loads(capsys.readouterr().out)

    return run


def test_a_drop_is_one_finding_that_ends(store: MemoryEventStore) -> None:
    store.append(history_of(drop(MONDAY)))
    (one,) = anomalies(store, EventQuery(), now=MONDAY + DAY * 60).findings
    assert (one.skill_name, one.metric, one.type) == ("ruff-check", "completion_rate", "drop")
    assert (one.started_at, one.resolved_at) == (MONDAY + DAY * 50, MONDAY + DAY * 53)
    assert (one.observed, one.n) == (0.25, 60)
    assert one.expected == pytest.approx(0.95, abs=0.01)
    assert one.expected_low < one.expected < one.expected_high <= 1
    assert one.deviation_score < -5


def hours(first: datetime, number: int, bad: range) -> list[Any]:
    """A skill that completes 11 of 12 each hour, but some hours only 2."""
    return [
        (first + timedelta(hours=h), *((2, 10) if h in bad else (11, 1))) for h in range(number)
    ]


def test_a_bad_morning_is_a_finding_by_the_hour(store: MemoryEventStore) -> None:
    store.append(history_of(hours(MONDAY, 240, range(200, 204))))
    query, now = EventQuery(), MONDAY + timedelta(hours=240)
    found = anomalies(store, query, now=now, grain=HOUR)
    (one,) = found.findings
    assert (one.metric, one.type, one.period) == ("completion_rate", "drop", "hour")
    assert one.started_at == MONDAY + timedelta(hours=200)
    assert one.detected_at == MONDAY + timedelta(hours=201)
    assert one.resolved_at == MONDAY + timedelta(hours=204)
    assert (one.observed, one.n) == (pytest.approx(2 / 12), 48)
    assert "168 earlier hours" in one.method
    days = anomalies(store, query, now=now)
    assert days.reason.startswith("not enough data: 10 complete days")
    assert anomalies(MemoryEventStore(), query, now=now, grain=HOUR).reason.startswith(
        "not enough data: 0 complete hours with invocations; from the 49th on"
    )


def test_the_hours_of_a_day_and_the_day_are_findings_of_their_own(
    home: Path, ask: Callable[..., Any], capsys: pytest.CaptureFixture[str]
) -> None:
    now = utc_now().replace(minute=0, second=0, microsecond=0)
    with Runtime.start(load_config()) as runtime:
        start = now - timedelta(hours=220)
        runtime.store.append(history_of(hours(start, 220, range(210, 214))))
    (one,) = ask("anomalies", "list", "--period", "hour")["findings"]
    assert ask("anomalies", "confirm", one["id"], "--period", "hour")["triage"] == "confirmed"
    told = ask("anomalies", "explain", one["id"], "--period", "hour")
    assert told["series"]["period"] == "hour"
    assert told["forest_days"] is None
    for words in (["list"], ["explain", one["id"]]):
        assert main(["anomalies", *words, "--period", "hour"]) == 0
        shown = capsys.readouterr().out
        assert "hour" in shown
        assert all(line.isprintable() and len(line) <= 80 for line in shown.split("\n"))


def test_a_finding_keeps_its_id_while_it_lasts(store: MemoryEventStore) -> None:
    store.append(history_of(drop(MONDAY)))
    ids = {
        one.id
        for day in range(51, 60)
        for one in anomalies(store, EventQuery(), now=MONDAY + DAY * day).findings
    }
    assert len(ids) == 1


def test_b10_the_old_method_works(store: MemoryEventStore) -> None:
    """Its SQL failed, the error was swallowed, and the answer was "no anomalies"."""
    hours = [(MONDAY + timedelta(hours=h), 9 + h % 2, 1 - h % 2) for h in range(100)]
    store.append(history_of([*hours, (MONDAY + timedelta(hours=100), 0, 10)]))
    (one,) = zscore(store, EventQuery(), now=MONDAY + timedelta(hours=101)).outliers
    assert (one.type, one.observed, one.n) == ("drop", 0.0, 10)
    assert one.score < -10


def test_b10_the_old_method_has_no_answer_without_variance_or_with_few_hours(
    store: MemoryEventStore,
) -> None:
    """Among n hours no score exceeds the root of n - 1: with few hours nothing could ever alarm."""
    store.append(history_of([(MONDAY + timedelta(hours=h), 9, 1) for h in range(5)]))
    store.append(history_of([(MONDAY + timedelta(hours=h), 9, 0) for h in range(99)], skill="x"))
    assert zscore(store, EventQuery(), now=MONDAY + timedelta(hours=100)).outliers == []


def test_the_forest_sees_the_drop_too_and_says_nothing_with_few_days(
    store: MemoryEventStore,
) -> None:
    store.append(history_of(drop(MONDAY)))
    store.append(history_of(drop(MONDAY, days=20), skill="young"))
    now = MONDAY + DAY * 60
    query = EventQuery(since=MONDAY)
    found = isolation_forest(store, query, now=now).outliers
    assert {(one.skill_name, (one.at - MONDAY).days) for one in found} == {
        ("ruff-check", 50), ("ruff-check", 51), ("ruff-check", 52),
    }  # fmt: skip
    assert found == isolation_forest(store, query, now=now).outliers


@pytest.mark.parametrize(
    "days",
    [
        [],
        [(0, 1, 0)],
        [(0, 40, 2)],
        [(d, 9, 0) for d in range(60)],
        [(d, 0, 9) for d in range(60)],
        [(d, 3, 1) for d in range(0, 60, 5)],
        [(0, 1, 0), (9_000, 1, 0)],
    ],
    ids=["empty", "one", "one day", "all good", "all bad", "gaps", "clock jump"],
)
def test_every_history_has_an_answer(store: MemoryEventStore, days: list[Any]) -> None:
    store.append(history_of([(MONDAY + DAY * d, good, bad) for d, good, bad in days]))
    for now in (MONDAY + DAY * 61, MONDAY + DAY * 9_001):
        found = anomalies(store, EventQuery(), now=now)
        assert found.findings == []
        everything = EventQuery(since=datetime(1, 1, 2, tzinfo=UTC))
        assert anomalies(store, everything, now=now).findings == []
        assert isolation_forest(store, EventQuery(since=MONDAY), now=now) is not None


def test_too_little_data_is_said(store: MemoryEventStore) -> None:
    store.append(history_of([(MONDAY, 5, 0)]))
    assert (
        "not enough data: 1 complete day" in anomalies(store, EventQuery(), now=MONDAY + DAY).reason
    )


def test_constant_durations_raise_no_alarm_and_a_jump_does(store: MemoryEventStore) -> None:
    calm = [(MONDAY + DAY * d, 20, 0) for d in range(40)]
    store.append(history_of(calm, duration_s=2.0))
    store.append(history_of([(MONDAY + DAY * 40, 20, 0)], duration_s=9.0))
    (one,) = anomalies(store, EventQuery(), now=MONDAY + DAY * 41).findings
    assert (one.metric, one.type) == ("duration", "spike")
    assert one.observed == pytest.approx(9.0, rel=0.02)
    assert one.expected == pytest.approx(2.0, rel=0.02)


def test_a_judgement_sticks(dropped: None, ask: Callable[..., Any]) -> None:
    (one,) = ask("anomalies", "list")["findings"]
    for command, verdict in (
        ("confirm", "confirmed"), ("fixed", "fixed"), ("reopen", "new"), ("reject", "rejected"),
    ):  # fmt: skip
        done = ask("anomalies", command, one["id"][:5], "--note", "the index was down")
        assert (done["id"], done["triage"]) == (one["id"], verdict)
        (after,) = ask("anomalies", "list")["findings"]
        assert (after["triage"], after["note"]) == (verdict, "the index was down")
        assert {**after, "triage": "new", "note": None} == one


def test_people_see_findings_and_why(dropped: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["anomalies", "list"]) == 0
    told = capsys.readouterr()
    assert "ruff-check" in told.out and "mypy" not in told.out
    name = told.out.split("\n")[1].split()[0]
    assert main(["anomalies", "explain", name]) == 0
    explained = capsys.readouterr()
    assert "25 %" in explained.out and "beta-binomial" in explained.out and "█" in explained.out
    assert main(["anomalies", "reject", name]) == 0
    assert "now rejected" in capsys.readouterr().out
    assert main(["anomalies", "list"]) == 0
    assert "1 more finding rejected or fixed" in capsys.readouterr().out
    for method in ("zscore", "isolation_forest"):
        assert main(["anomalies", "list", "--method", method]) == 0
        assert "this method has no known" in capsys.readouterr().out
    for line in (told.out + explained.out).split("\n"):
        assert line.isprintable() and len(line) <= 80
    assert told.err == explained.err == ""


def test_an_unknown_finding_is_refused(
    dropped: None, store: MemoryEventStore, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["anomalies", "confirm", "nonsense"]) == 2
    assert "no finding 'nonsense'" in capsys.readouterr().err
    with pytest.raises(SbhooksError, match="no finding ''"):
        find([], "")


def test_a_judgement_that_cannot_be_recorded_is_refused(
    dropped: None,
    ask: Callable[..., Any],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (one,) = ask("anomalies", "list")["findings"]
    monkeypatch.setenv("SBHOOKS_DISABLE", "all")
    assert main(["anomalies", "confirm", one["id"]]) != 0


def test_findings_are_kept_for_readers_with_sql(
    dropped: None, home: Path, ask: Callable[..., Any]
) -> None:
    rows = "SELECT skill_name, anomaly_type, round(observed_value, 2) FROM skill_anomalies"
    for _ in range(2):
        assert ask("analytics", "refresh")["tables"]["skill_anomalies"] == 1
        with sqlite3.connect(home / "sbhooks.db") as connection:
            assert connection.execute(rows).fetchall() == [("ruff-check", "drop", 0.25)]
    (one,) = ask("anomalies", "list")["findings"]
    ask("anomalies", "reject", one["id"])
    assert ask("analytics", "refresh")["tables"]["skill_anomalies"] == 0


def test_findings_reach_whoever_asks_the_runtime(dropped: None) -> None:
    with Runtime.start(load_config()) as runtime:
        found = runtime.insights(InsightQuery(now=utc_now(), kinds=("anomaly",)))
    assert [(one.subject, one.summary[:19]) for one in found] == [
        ("ruff-check", "The completion rate")
    ]


def test_the_budget_is_a_setting(
    dropped: None, ask: Callable[..., Any], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ask("anomalies", "list", "--false-alarms", "2")["false_alarms_per_month"] == 2
    assert main(["anomalies", "list", "--false-alarms", "0"]) == 2
