"""Findings that are kept between refreshes: those that would be made anew, at every moment."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sbhooks.events import Event
from sbhooks.store import EventQuery
from sbhooks.testing.factories import Timeline
from sbhooks.testing.histories import history_of
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.anomaly_findings import Findings, anomalies
from sbhooks_analytics.decisions import FindingTriage
from sbhooks_analytics.kept_findings import FILE, Kept, current

MONDAY = datetime(2026, 6, 1, tzinfo=UTC)
DAY = timedelta(days=1)
TODAY = MONDAY + DAY * 40
WEEK = [(MONDAY + DAY * d, 20 if d < 36 else 8, d % 2 if d < 36 else 12) for d in range(40)]


def dropped() -> MemoryEventStore:
    """Forty days of a skill, the last four of them bad; and somebody's session in between."""
    store = MemoryEventStore()
    store.append(history_of(WEEK))
    line = Timeline("guest", start=MONDAY + DAY * 37)
    store.append([line.start(user="guest"), *(line.invocation("ruff-check") for _ in range(30))])
    return store


def used(at: datetime, number: int) -> list[Event]:
    line = Timeline(f"news-{number}", start=at)
    return [line.invocation("ruff-check") for _ in range(5)]


def ask(store: MemoryEventStore, home: Path, now: datetime) -> Findings:
    return current(store, home, name="x", now=now, per_month=0.05)


STEPS = ("today", "days ago", "erase", "rename", "tomorrow", "judge", "nothing")


@settings(max_examples=12)
@given(st.lists(st.sampled_from(STEPS), min_size=1, max_size=5))
def test_they_are_those_that_would_be_made_anew(
    tmp_path_factory: pytest.TempPathFactory, steps: list[str]
) -> None:
    home, store, now = tmp_path_factory.mktemp("kept"), dropped(), TODAY + timedelta(hours=1)
    assert ask(store, home, now).findings
    for number, step in enumerate(steps):
        now += timedelta(minutes=7)
        if step == "today":
            store.append(used(now - timedelta(minutes=5), number))
        elif step == "days ago":
            store.append(used(TODAY - DAY * 3, number))
        elif step == "erase":
            store.erase_user("guest")
        elif step == "rename":
            store.rename_people({"guest": "visitor"})
        elif step == "tomorrow":
            now += DAY
        elif step == "judge":
            one = ask(store, home, now).findings[0]
            store.append([FindingTriage(
                source="analytics", session="triage", at=now, finding=one.id, verdict="rejected",
                subject=one.skill_name, figure=one.metric,
            )])  # fmt: skip
        assert ask(store, home, now) == anomalies(store, EventQuery(), now=now, per_month=0.05)


@pytest.mark.parametrize(
    ("at", "is_kept"), [(TODAY + timedelta(minutes=1), True), (TODAY - DAY, False)]
)
def test_days_that_did_not_change_are_not_judged_anew(
    at: datetime, is_kept: bool, tmp_path: Path
) -> None:
    """What the file says is believed, here that there is nothing, until the past changes."""
    store, now = dropped(), TODAY + timedelta(hours=1)
    assert ask(store, tmp_path, now).findings
    kept = msgspec.json.decode((tmp_path / FILE).read_bytes(), type=Kept)
    nothing = msgspec.structs.replace(kept.found, findings=[])
    altered = msgspec.structs.replace(kept, found=nothing)
    (tmp_path / FILE).write_bytes(msgspec.json.encode(altered))
    store.append(used(at, 1))
    assert (ask(store, tmp_path, now).findings == []) == is_kept


@pytest.mark.parametrize("content", [b"", b"{}", b"\xff", b'{"version": 1}'])
def test_a_file_that_makes_no_sense_is_made_anew(content: bytes, tmp_path: Path) -> None:
    store, now = dropped(), TODAY + timedelta(hours=1)
    (tmp_path / FILE).write_bytes(content)
    assert ask(store, tmp_path, now) == anomalies(store, EventQuery(), now=now)
    assert (tmp_path / FILE).stat().st_mode & 0o077 == 0


def test_another_store_or_budget_is_another_question(tmp_path: Path) -> None:
    now = TODAY + timedelta(hours=1)
    assert ask(dropped(), tmp_path, now).findings
    assert ask(MemoryEventStore(), tmp_path, now).findings == []
    store = dropped()
    for budget in (0.05, 5.0):
        found = current(store, tmp_path, name="x", now=now, per_month=budget)
        assert found == anomalies(store, EventQuery(), now=now, per_month=budget)
