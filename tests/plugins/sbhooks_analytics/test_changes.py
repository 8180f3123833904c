"""Changes of recorded tests and skills, with what lies between; calibration on a history."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks.cli import main
from sbhooks.config import load_config
from sbhooks.events import Event, Vcs, utc_now
from sbhooks.insights import ChangePoint, InsightQuery
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.histories import history_of
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.arcsine import angle_of, rate_of
from sbhooks_analytics.attempts import slow
from sbhooks_analytics.calibrate import calibrate
from sbhooks_analytics.change_triage import judgement
from sbhooks_analytics.changes import changes
from sbhooks_analytics.newly_slow import newly_slow, with_changes
from sbhooks_analytics.simulated import simulated, used_skills

DAY = timedelta(days=1)
MONDAY = datetime(2026, 6, 1, tzinfo=UTC)


def runs(times: list[float], *, start: datetime = NOON, slow_from: int = 8) -> list[Event]:
    """Runs of a test that changes with a commit, and of one that does not."""
    made: list[Event] = []
    rng = np.random.default_rng(1)
    for number, time in enumerate(times):
        line = Timeline(f"run-{number:03d}", start=start + timedelta(hours=number))
        new = number >= slow_from
        made.append(line.start(
            project="acme", vcs=Vcs(commit=("b" if new else "a") * 40, branch="main"),
            tool_version="9.1" if new else "9.0", attributes={"numprocesses": 4} if new else {},
        ))  # fmt: skip
        for test, seconds in (("t.py::slow", time), ("t.py::even", 0.3)):
            passed = line.passed(test, setup_s=None, teardown_s=None)
            noise = float(rng.normal(1, 0.05))
            made.append(msgspec.structs.replace(passed, call_s=seconds * noise))
        made.append(line.end(duration_s=1.0))
    return made


def test_a_slow_down_is_found_with_what_lies_between(store: MemoryEventStore) -> None:
    store.append(runs([0.1] * 8 + [0.4] * 8))
    found = changes(store, EventQuery(), now=NOON + DAY)
    (one,) = found.changes
    assert (one.subject, one.direction, one.project) == ("t.py::slow", "slower", "acme")
    assert (one.commit_before, one.commit_after) == ("a" * 40, "b" * 40)
    assert one.sessions == ["run-007", "run-008"]
    assert one.changed == ["pytest version: 9.0 → 9.1", "numprocesses: nothing → 4"]
    assert one.ratio == pytest.approx(4, rel=0.1)
    assert one.ratio_low is not None and one.ratio_high is not None
    assert 3.5 < one.ratio_low < one.ratio < one.ratio_high < 4.5
    assert found.series == 2


def test_what_comes_and_goes_is_not_what_changed(store: MemoryEventStore) -> None:
    """Options of single runs lie beside a change without having to do with it."""
    for number in range(20):
        line = Timeline(f"run-{number:03d}", start=NOON + timedelta(hours=number))
        new = number >= 10
        options = {"seed": number, "args": "-x" if number % 3 == 0 else "-q"}
        facts = {"cache": "cold"} if new else {}
        passed = line.passed("t.py::t", setup_s=None, teardown_s=None)
        store.append([
            line.start(vcs=Vcs(commit=("b" if new else "a") * 40), attributes=options | facts),
            msgspec.structs.replace(passed, call_s=(0.5 if new else 0.1) + number % 4 / 100),
        ])  # fmt: skip
    (one,) = changes(store, EventQuery(), now=NOON + DAY).changes
    assert (one.commit_before, one.commit_after) == ("a" * 40, "b" * 40)
    assert one.changed == ["cache: nothing → cold"]


def test_runs_in_workers_side_by_side_are_another_series(store: MemoryEventStore) -> None:
    """Half a day of slow runs with xdist between plain ones is no change of the test."""
    for number in range(36):
        beside = 12 <= number < 24
        line = Timeline(f"run-{number:03d}", start=NOON + timedelta(hours=number))
        passed = line.passed("t.py::t", setup_s=None, teardown_s=None)
        seconds = (0.6 if beside else 0.1) + number % 4 / 100
        worker = "gw0" if beside else None
        store.append([line.start(), msgspec.structs.replace(passed, call_s=seconds, worker=worker)])
    found = changes(store, EventQuery(), now=NOON + 2 * DAY)
    assert (found.changes, found.series) == ([], 1)


def test_failed_attempts_and_small_changes_are_none(store: MemoryEventStore) -> None:
    store.append(runs([0.1] * 8 + [0.115] * 8))
    store.append([
        Timeline(f"f{n}", start=NOON + timedelta(hours=n)).failed("t.py::even", call_s=9.0)
        for n in range(8, 16)
    ])  # fmt: skip
    assert changes(store, EventQuery(), now=NOON + DAY).changes == []


def test_few_runs_are_not_enough(store: MemoryEventStore) -> None:
    store.append(runs([0.1, 0.9] * 3))
    found = changes(store, EventQuery(), now=NOON + DAY)
    assert (found.changes, found.series, found.short) == ([], 0, 2)


def test_a_skill_that_becomes_worse_is_attributed_to_a_commit(store: MemoryEventStore) -> None:
    store.append(history_of([(MONDAY + DAY * d, 38, 2) for d in range(20)], commit="a" * 40))
    store.append(history_of([(MONDAY + DAY * d, 28, 12) for d in range(20, 40)], commit="b" * 40))
    (one,) = changes(store, EventQuery(), now=MONDAY + DAY * 40).changes
    assert (one.subject, one.metric, one.direction) == ("ruff-check", "completion_rate", "worse")
    assert one.at == MONDAY + DAY * 20
    assert (one.before, one.after) == pytest.approx((0.95, 0.7), abs=1e-9)
    assert (one.commit_before, one.commit_after) == ("a" * 40, "b" * 40)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_a_rate_is_shown_as_it_was_counted(counted: tuple[int, int]) -> None:
    hits, n = counted
    angle = angle_of(np.array([float(hits)]), np.array([float(n)]))[0]
    assert rate_of(angle, n) == pytest.approx(hits / n, abs=1e-9)
    assert angle == pytest.approx(np.arcsin(np.sqrt((hits + 3 / 8) / (n + 3 / 4))))


@pytest.mark.parametrize(
    "days",
    [[], [(0, 1, 0)], [(d, 9, 0) for d in range(60)], [(d, 0, 9) for d in range(60)],
     [(0, 1, 0), (9_000, 1, 0)]],
    ids=["empty", "one", "all good", "all bad", "clock jump"],
)  # fmt: skip
def test_every_history_has_an_answer(store: MemoryEventStore, days: list[Any]) -> None:
    store.append(history_of([(MONDAY + DAY * d, good, bad) for d, good, bad in days]))
    now = MONDAY + DAY * 61
    assert changes(store, EventQuery(), now=now).changes == []
    found = calibrate(store, EventQuery(), now=now, per_month=0.05, copies=2)
    assert bool(found.reason) == (len(days) < 28)
    assert (found.rates[0].observed is None) == bool(found.reason)
    assert found.simulated == (bool(found.reason) and bool(days))
    assert (found.rates[0].shuffled is None) == (not days)


def test_calibration_says_how_often_each_detector_alarms_for_nothing(
    store: MemoryEventStore,
) -> None:
    rng = np.random.default_rng(7)
    for skill in ("a", "b", "c"):
        good = rng.binomial(12, 0.9, 90)
        days = [(MONDAY + DAY * d, int(g), 12 - int(g)) for d, g in enumerate(good)]
        store.append(history_of(days, skill=skill))
    found = calibrate(store, EventQuery(), now=MONDAY + DAY * 90, per_month=0.05, copies=4)
    told = [rate.shuffled for rate in found.rates]
    anomalies, old, trend, change, drift = (0.0 if rate is None else rate for rate in told[:5])
    assert anomalies <= 0.2 and trend <= 0.2 and change <= 0.1 and drift <= 0.3
    assert old > 5
    assert told[5] is None  # there are no tests


def test_who_has_recorded_little_learns_of_days_like_those(store: MemoryEventStore) -> None:
    """Rates, volumes and durations of the simulated days are those that were recorded."""
    store.append(history_of([(MONDAY, 15, 5), (MONDAY + DAY, 15, 5)], duration_s=2.0))
    skills = used_skills(store, EventQuery())
    days = simulated(skills, np.random.default_rng(1), now=MONDAY + DAY * 3)
    assert days.n.shape == (1, 90)
    assert days.n.mean() == pytest.approx(20, abs=2)
    assert days.completed.sum() / days.n.sum() == pytest.approx(16 / 22, abs=0.05)
    assert np.exp(np.nanmedian(days.duration)) == pytest.approx(2.0, rel=0.02)
    found = calibrate(store, EventQuery(), now=MONDAY + DAY * 3, per_month=0.05, copies=5)
    assert found.simulated and found.skills == 1
    assert all(rate.shuffled is not None for rate in found.rates[:5])


def test_the_commands_show_and_print_it(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    start = utc_now() - DAY * 2
    with Runtime.start(load_config()) as runtime:
        runtime.store.append(runs([0.1] * 8 + [0.4] * 8, start=start))
        now = utc_now()
        (finding,) = runtime.insights(InsightQuery(now=now, kinds=("change-point",)))
    assert isinstance(finding, ChangePoint)
    assert "between aaaaaaaaaa and bbbbbbbbbb" in finding.summary
    assert main(["changes"]) == 0
    told = capsys.readouterr()
    assert "aaaaaaaaaa..bbbbbbbbbb" in told.out and "slower" in told.out
    assert all(line.isprintable() and len(line) <= 80 for line in told.out.split("\n"))
    assert main(["changes", "even", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changes"] == []
    assert main(["analytics", "calibrate"]) == 0
    told = capsys.readouterr()
    assert "not enough data" in told.out and "a test's duration" in told.out
    assert all(len(line) <= 80 for line in told.out.split("\n"))
    today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    with Runtime.start(load_config()) as runtime:
        runtime.store.append(history_of([(today - DAY * d, 9, 1) for d in range(1, 40)]))
    assert main(["analytics", "calibrate", "--copies", "2"]) == 0
    told = capsys.readouterr()
    words = " ".join(told.out.split())
    assert "They may be right. False: alarms on shuffled copies of it" in words
    assert "What changed: sbhooks changes." in words and "zscore" in words
    assert all(len(line) <= 80 for line in told.out.split("\n"))


@pytest.fixture
def slowed(home: Path) -> None:
    """A test that became four times as slow with a commit, in the configured store."""
    with Runtime.start(load_config()) as runtime:
        runtime.store.append(runs([0.1] * 8 + [0.4] * 8, start=utc_now() - DAY * 2))


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    capsys.readouterr()
    assert main([*words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.usefixtures("slowed")
def test_what_is_said_about_a_change_stays_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    (one,) = told(capsys, "changes")["changes"]
    assert (one["triage"], one["notes"]) == ("new", [])
    name = one["id"]
    assert told(capsys, "changes", "confirm", name[:4], "--note", "seen")["triage"] == "confirmed"
    assert told(capsys, "changes", "comment", name, "asked ann")["triage"] == "confirmed"
    assert told(capsys, "changes", "reject", name)["triage"] == "rejected"
    (one,) = told(capsys, "changes", "list")["changes"]
    assert (one["id"], one["triage"], one["notes"]) == (name, "rejected", ["seen", "asked ann"])
    assert main(["changes"]) == 0
    assert "1 more change rejected or fixed: --all shows them" in capsys.readouterr().out
    assert main(["changes", "--all"]) == 0
    shown = capsys.readouterr().out
    assert f"rejected, id {name}" in shown and "asked ann" in shown
    with Runtime.start(load_config()) as runtime:
        query = InsightQuery(now=utc_now(), kinds=("change-point",))
        assert list(runtime.insights(query)) == []
    assert told(capsys, "changes", "reopen", name)["triage"] == "new"
    assert main(["changes", "confirm", "zz"]) == 2
    assert "no change 'zz'. List them with: sbhooks changes" in capsys.readouterr().err


def test_a_judgement_stays_when_more_data_move_the_change(store: MemoryEventStore) -> None:
    """What was judged is the new level; its first point is only known up to a few."""
    store.append(runs([0.1] * 8 + [0.4] * 8))
    (one,) = changes(store, EventQuery(), now=NOON + DAY).changes
    moved = msgspec.structs.replace(one, at=one.at + timedelta(hours=2))
    store.append([judgement(moved, "confirmed", "a known cause")])
    elsewhere = msgspec.structs.replace(one, at=one.at + timedelta(hours=5), id="other")
    store.append([judgement(elsewhere, "rejected", None)])
    (again,) = changes(store, EventQuery(), now=NOON + DAY).changes
    assert (again.id, again.triage, again.notes) == (one.id, "confirmed", ["a known cause"])


def test_a_test_that_became_slower_is_newly_slow_until_it_is_not(store: MemoryEventStore) -> None:
    store.append(runs([0.1] * 8 + [0.4] * 8))
    now = NOON + DAY
    (one,) = newly_slow(store, EventQuery(), now=now, limit=9).tests
    assert one.test == "t.py::slow"
    assert one.slower_since is not None and one.slower_since > NOON + timedelta(hours=8)
    assert (one.slower_from_s, one.slower_to_s) == pytest.approx((0.1, 0.4), rel=0.1)
    assert (one.slower_after_commit, one.slower_with_commit) == ("a" * 40, "b" * 40)
    every = with_changes(store, EventQuery(), slow(store, EventQuery(), limit=9), now=now)
    assert [row.slower_since for row in every.tests] == [None, one.slower_since]
    store.append(runs([0.1] * 10, start=now, slow_from=0))
    assert newly_slow(store, EventQuery(), now=now + DAY, limit=9).tests == []


@pytest.mark.usefixtures("slowed")
def test_slow_tests_say_what_became_slower(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tests", "slow"]) == 0
    shown = capsys.readouterr().out
    assert " × since " in shown
    assert all(len(line) <= 80 for line in shown.split("\n"))
    assert [row["test"] for row in told(capsys, "tests", "slow", "--new")["tests"]] == [
        "t.py::slow"
    ]
    assert main(["tests", "slow", "--new", "--project", "nobody"]) == 0
    assert capsys.readouterr().out == "No test has become slower.\n"


@pytest.mark.usefixtures("slowed")
def test_all_findings_are_told_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["insights"]) == 0
    shown = capsys.readouterr().out
    assert "change-point" in shown and "slow-test" in shown
    assert all(len(line) <= 80 for line in shown.split("\n"))
    only = told(capsys, "insights", "--kind", "change-point")
    assert [one["subject"] for one in only["insights"]] == ["t.py::slow"]
    assert told(capsys, "insights", "--limit", "1")["more"] >= 1
    assert main(["insights", "--kind", "flaky-test"]) == 0
    assert capsys.readouterr().out == "Nothing was found that is worth telling.\n"


@pytest.mark.usefixtures("slowed")
def test_sessions_and_users_are_counted_when_asked_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with Runtime.start(load_config()) as runtime:
        runtime.store.append(history_of([(utc_now() - DAY, 3, 1)]))
    assert main(["top", "--people"]) == 0
    shown = capsys.readouterr().out
    assert "sessions" in shown and "users" in shown
    assert all(len(line) <= 80 for line in shown.split("\n"))
    (skill,) = told(capsys, "top", "--people")["skills"]
    assert (skill["sessions"], skill["users"], skill["invocation_count"]) == (1, 1, 4)
    assert told(capsys, "top")["skills"][0]["sessions"] is None


def test_it_says_since_when_as_exactly_as_it_takes(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two runs of the same minute are told apart; days of skills are days."""
    start = utc_now().replace(second=0, microsecond=0) - DAY
    quick = [
        msgspec.structs.replace(event, at=start + (event.at - start) / 360)
        for event in runs([0.1] * 8 + [0.4] * 8, start=start)
    ]
    days = [(MONDAY + DAY * d, 20 if d < 30 else 12, 0 if d < 30 else 8) for d in range(60)]
    with Runtime.start(load_config()) as runtime:
        runtime.store.append([*quick, *history_of(days)])
    assert main(["changes", "--since", f"{MONDAY:%Y-%m-%d}"]) == 0
    lines = capsys.readouterr().out.splitlines()
    of_runs, of_days = sorted((one for one in lines if one.startswith("since")), key=len)[::-1]
    new, old = re.findall(r"\d\d:\d\d:\d\d", of_runs)
    assert new != old and new[:5] == old[:5]
    first = MONDAY + DAY * 30
    assert of_days.split(maxsplit=1)[1] == (
        f"{first:%Y-%m-%d} (UTC); the day before it {first - DAY:%Y-%m-%d}"
    )


@pytest.mark.parametrize("command", ["changes", "drift", "anomalies list", "analytics calibrate"])
def test_an_empty_store_is_answered_without_footnotes(
    command: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(command.split()) == 0
    told = " ".join(capsys.readouterr().out.split())
    assert "ot enough data" in told
    assert " 0 " not in f" {told} ".replace("0 complete days", "").replace("judged on 0", "")
    assert "false alarm" not in told and "commit" not in told
