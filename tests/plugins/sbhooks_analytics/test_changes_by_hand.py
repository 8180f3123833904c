"""Which changes are told, with what around them: windows, budgets, thresholds, levels."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import msgspec
import numpy as np
import pytest
from scipy.stats import false_discovery_control

from sbhooks.events import Event, Vcs
from sbhooks.store import EventQuery
from sbhooks.testing.factories import NOON, Timeline
from sbhooks.testing.histories import history_of
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.change import Floats, changes_of
from sbhooks_analytics.changes import Found, changes
from sbhooks_analytics.decisions import FindingTriage

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
MONDAY = datetime(2026, 6, 1, tzinfo=UTC)


def run(
    number: int, tests: dict[str, float], *, every: timedelta = HOUR, commit: str = "a",
    **facts: str,
) -> list[Event]:  # fmt: skip
    """A run of these tests with their times."""
    line = Timeline(f"run-{number:04d}", start=NOON + every * number)
    return [
        line.start(project="acme", vcs=Vcs(commit=commit * 40), attributes=dict(facts)),
        *(
            msgspec.structs.replace(line.passed(test, setup_s=None, teardown_s=None), call_s=time)
            for test, time in tests.items()
        ),
        line.end(),
    ]


def noisy(seed: int, *levels: tuple[int, float], noise: float = 0.02) -> Floats:
    """Times about levels: (points, seconds)."""
    rng = np.random.default_rng(seed)
    return np.concatenate([s * np.exp(rng.normal(0, noise, n)) for n, s in levels])


def found_in(values: Sequence[float] | Floats, **more: timedelta) -> list[Found]:
    store = MemoryEventStore()
    for number, value in enumerate(values):
        store.append(run(number, {"t": float(value)}, **more))
    return changes(store, EventQuery(), now=NOON + 400 * DAY * bool(more) + DAY * 20).changes


def test_without_a_time_the_last_180_days_are_looked_at(store: MemoryEventStore) -> None:
    for number, value in enumerate(noisy(1, (40, 0.1), (60, 0.4), (100, 0.9))):
        store.append(run(number, {"t": float(value)}, every=2 * DAY))
    now = NOON + 400 * DAY
    assert changes(store, EventQuery(), now=now).changes == []  # the newest is 200 days old
    later = changes(store, EventQuery(), now=NOON + 370 * DAY).changes
    assert [round(one.before, 1) for one in later] == [0.4]
    every = changes(store, EventQuery(since=NOON - DAY), now=now).changes
    assert [round(one.before, 1) for one in every] == [0.4, 0.1]


def test_all_series_share_one_budget(store: MemoryEventStore) -> None:
    """The surest change of each series, under the procedure of Benjamini and Hochberg."""
    steps = {f"t{k:02d}": 1 + 0.02 * k for k in range(24)}
    times = {
        test: noisy(100 + k, (15, 0.1), (15, 0.1 * step), noise=0.25)
        for k, (test, step) in enumerate(steps.items())
    }
    for number in range(30):
        store.append(run(number, {test: float(t[number]) for test, t in times.items()}))
    found = changes(store, EventQuery(), now=NOON + 3 * DAY)
    each = {test: changes_of(np.log(t)) for test, t in times.items()}
    best = [min((one.p_value for one in each[test]), default=1.0) for test in steps]
    sure = [test for test, p in zip(steps, false_discovery_control(best), strict=True) if p <= 0.05]
    large = [
        (test, one.place) for test in sure for one in each[test]
        if abs(one.after - one.before) >= np.log(1.25)
    ]  # fmt: skip
    assert found.series == 24
    told = sorted((one.subject, int(one.sessions[1][-4:])) for one in found.changes)
    assert told == sorted(large)
    assert len(told) > 0


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        (0.100, 0.130, True), (0.100, 0.120, False),  # a quarter
        (0.130, 0.100, True), (0.120, 0.100, False),
        (0.010, 0.0155, True), (0.010, 0.0145, False),  # 5 ms
        (0.0155, 0.010, True), (0.0145, 0.010, False),
    ],
)  # fmt: skip
def test_changes_of_time_have_to_be_worth_talking_about(
    before: float, after: float, told: bool
) -> None:
    found = found_in(noisy(2, (20, before), (20, after), noise=0.005))
    assert len(found) == told
    if told:
        (one,) = found
        assert one.direction == ("slower" if after > before else "faster")
        assert one.ratio == pytest.approx(after / before, rel=0.02)


@pytest.mark.parametrize(("good", "told"), [(930, True), (960, False)])
@pytest.mark.parametrize("better", [False, True])
def test_changes_of_rates_are_five_points_or_more(
    store: MemoryEventStore, good: int, told: bool, *, better: bool
) -> None:
    halves = [990, good] if not better else [good, 990]
    store.append(history_of([
        (MONDAY + DAY * day, halves[day >= 20] + day % 3, 1_000 - halves[day >= 20] - day % 3)
        for day in range(40)
    ]))  # fmt: skip
    found = changes(store, EventQuery(), now=MONDAY + DAY * 40)
    assert [one.direction for one in found.changes] == ["better" if better else "worse"] * told
    assert (found.skills, found.skills_in_all) == (1, 1)


def test_a_change_comes_with_what_is_around_it() -> None:
    values = noisy(3, (35, 0.1), (40, 0.4))
    (one,) = found_in(values)
    assert one.split == 30
    assert one.series == pytest.approx(values[5:65])
    assert one.n == 75
    assert one.sessions == ["run-0034", "run-0035"]
    # A test ends within the minute of its run.
    assert one.last_before - NOON - 34 * HOUR < timedelta(minutes=1)
    assert one.at - NOON - 35 * HOUR < timedelta(minutes=1)
    (change,) = changes_of(np.log(values))
    assert (one.before, one.after) == pytest.approx((np.exp(change.before), np.exp(change.after)))
    step, half = change.after - change.before, change.half_width
    assert (one.ratio, one.ratio_low, one.ratio_high) == pytest.approx(
        (np.exp(step), np.exp(step - half), np.exp(step + half))
    )
    (early,) = found_in(noisy(3, (12, 0.1), (40, 0.4)))
    assert (early.split, len(early.series)) == (12, 42)


@pytest.mark.parametrize(
    ("first", "changed"), [("old", ["mode: old → new"]), ("new", [])], ids=["all", "all but one"]
)
def test_what_changed_is_told_from_all_runs_of_both_levels(
    store: MemoryEventStore, first: str, changed: list[str]
) -> None:
    for number, value in enumerate(noisy(4, (12, 0.1), (12, 0.4))):
        mode = first if number == 0 else "old" if number < 12 else "new"
        store.append(run(number, {"t": float(value)}, mode=mode))
    (one,) = changes(store, EventQuery(), now=NOON + 3 * DAY).changes
    assert one.changed == changed


def test_each_of_several_changes_is_told_from_the_levels_beside_it(
    store: MemoryEventStore,
) -> None:
    for number, value in enumerate(noisy(5, (30, 0.1), (15, 1.6), (30, 0.4))):
        mode = "slow" if 30 <= number < 45 else "fast"
        commit = "abc"[(number >= 30) + (number >= 45)]
        store.append(run(number, {"t": float(value)}, mode=mode, commit=commit))
    later, sooner = changes(store, EventQuery(), now=NOON + 5 * DAY).changes
    assert sooner.changed == ["mode: fast → slow"] and later.changed == ["mode: slow → fast"]
    assert (sooner.commit_before, sooner.commit_after) == ("a" * 40, "b" * 40)
    assert (later.commit_before, later.commit_after) == ("b" * 40, "c" * 40)
    assert (round(sooner.after, 1), round(later.after, 1)) == (1.6, 0.4)


@pytest.mark.parametrize(
    ("away", "same"), [(-3, True), (3, True), (-4, False), (4, False), (0, True)]
)
def test_a_judgement_holds_within_three_points(
    store: MemoryEventStore, away: int, same: bool
) -> None:
    values = noisy(6, (20, 0.1), (20, 0.4))
    for number, value in enumerate(values):
        store.append(run(number, {"t": float(value)}))
    (one,) = changes(store, EventQuery(), now=NOON + 3 * DAY).changes
    assert (one.triage, one.notes) == ("new", [])
    said = FindingTriage(
        source="analytics", session="triage", finding="c0ffee00", verdict="confirmed", note="seen",
        subject="t", figure="duration", project="acme", since=one.at + away * HOUR, at=NOON + DAY,
    )  # fmt: skip
    others = [
        msgspec.structs.replace(said, id=f"{name}{away}", verdict="rejected", **{name: "other"})
        for name in ("subject", "figure", "project")
    ]
    store.append([said, *others])
    (judged,) = changes(store, EventQuery(), now=NOON + 3 * DAY).changes
    if same:
        assert (judged.id, judged.triage, judged.notes) == ("c0ffee00", "confirmed", ["seen"])
    else:
        assert judged == one


def test_the_runs_of_a_skill_lie_on_the_days_beside_its_change(store: MemoryEventStore) -> None:
    days = [
        (MONDAY + DAY * day, 38 if day < 20 else 28, 2 if day < 20 else 12) for day in range(40)
    ]
    store.append(history_of(days))
    (one,) = changes(store, EventQuery(), now=MONDAY + DAY * 40).changes
    newest = {
        day: [e.session for e in store.events(EventQuery(since=day, until=day + DAY))]
        for day in (MONDAY + DAY * 19, MONDAY + DAY * 20)
    }
    before, after = newest.values()
    assert one.sessions == [before[-1], after[0]]
    assert (one.last_before, one.at) == (MONDAY + DAY * 19, MONDAY + DAY * 20)
    assert one.ratio is None and one.ratio_low is None and one.ratio_high is None
