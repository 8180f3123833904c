"""Drifts: the limit against published tables, rates of false alarms, and what is found."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, ttest_ind

from sbhooks.cli import main
from sbhooks.config import load_config
from sbhooks.events import utc_now
from sbhooks.insights import Drift, InsightQuery
from sbhooks.runtime import Runtime
from sbhooks.store import EventQuery
from sbhooks.testing.histories import history_of
from sbhooks.testing.memory import MemoryEventStore
from sbhooks_analytics.drift import Floats, drifts_of, limit_of, run_length_of, scores_of
from sbhooks_analytics.drifts import drifts
from sbhooks_analytics.findings import findings

Noise = Callable[..., Floats]
DAY = timedelta(days=1)
START = datetime(2026, 3, 2, tzinfo=UTC)


def alarmed(series: Floats, run_length: float) -> float:
    """Share of series with an alarm in their last 60 points."""
    new = series.shape[1] - 60
    found = [any(one.alarm >= new for one in drifts_of(s, run_length=run_length)) for s in series]
    return float(np.mean(found))


@pytest.mark.parametrize(("weight", "limit"), [(0.05, 2.615), (0.1, 2.814), (0.25, 2.998)])
def test_run_lengths_are_those_of_lucas_and_saccucci(weight: float, limit: float) -> None:
    assert run_length_of(limit, weight) == pytest.approx(500, rel=0.02)


@settings(max_examples=10)
@given(st.floats(20, 1e6))
def test_the_limit_has_the_run_length_that_was_asked_for(wanted: float) -> None:
    assert run_length_of(limit_of(wanted)) == pytest.approx(wanted, rel=1e-3)


@given(st.lists(st.floats(-5, 5).map(lambda x: round(x, 2)), min_size=16, max_size=30))
def test_scores_have_the_chance_of_the_t_test_of_scipy(values: list[float]) -> None:
    series = np.array(values)
    scores = scores_of(series, np.ones(len(series)))
    assert np.isnan(scores[:14]).all()
    if np.ptp(series[:-1]) > 0.1:
        # One point against all before it: the pooled variance is theirs.
        chance = ttest_ind(series[-1:], series[:-1]).pvalue
        assert 2 * norm.sf(abs(scores[-1])) == pytest.approx(max(chance, 0.0027), abs=2e-4)


@pytest.mark.parametrize("phi", [0.0, 0.3])
def test_levels_that_stay_rarely_drift(ar1: Noise, phi: float) -> None:
    assert alarmed(ar1(40, 250, 116, phi), 1_200.0) <= 0.08  # 5 % and chance


@pytest.mark.slow
@pytest.mark.parametrize("phi", [0.0, 0.3])
@pytest.mark.parametrize("run_length", [600.0, 1_200.0, 6_000.0])
def test_false_alarms_are_as_rare_as_stated(ar1: Noise, phi: float, run_length: float) -> None:
    assert alarmed(ar1(41, 4_000, 116, phi), run_length) <= 1.1 * 60 / run_length + 0.004


def test_slow_drifts_are_found_and_dated() -> None:
    rng = np.random.default_rng(42)
    days = np.arange(120)
    late = [
        drifts_of(rng.standard_normal(120) + 0.05 * np.maximum(days - 60, 0), run_length=1_200.0)
        for _ in range(60)
    ]
    found = [some[0] for some in late if some]
    assert len(found) >= 54
    assert all(one.score > 0 and one.after > one.before for one in found)
    assert 50 <= float(np.median([one.start for one in found])) <= 85


def test_constant_short_and_spiky_series_do_not_drift() -> None:
    assert drifts_of(np.full(200, 3.0), run_length=600.0) == []
    assert drifts_of(np.arange(10.0), run_length=600.0) == []
    values = np.random.default_rng(43).normal(0, 1, 120)
    values[[50, 70, 90]] = 1e3
    assert drifts_of(values, run_length=1_200.0) == []


def test_a_rate_that_sinks_by_little_a_day_is_told(store: MemoryEventStore) -> None:
    rng = np.random.default_rng(44)
    for skill, loss in (("sinking", 0.004), ("steady", 0.0)):
        good = [int(rng.binomial(20, 0.92 - loss * max(day - 60, 0))) for day in range(120)]
        store.append(
            history_of([(START + DAY * d, n, 20 - n) for d, n in enumerate(good)], skill=skill)
        )
    found = drifts(store, EventQuery(), now=START + DAY * 120)
    (one,) = found.drifts
    assert (one.skill_name, one.metric, one.direction) == ("sinking", "completion_rate", "worse")
    assert one.before == pytest.approx(0.92, abs=0.03)
    assert one.after < one.before - 0.05
    assert START + DAY * 50 <= one.started_at < one.detected_at
    assert found.series == 4


@pytest.mark.parametrize(
    "days",
    [[], [(0, 1, 0)], [(d, 9, 0) for d in range(60)], [(d, 0, 9) for d in range(60)],
     [(0, 1, 0), (9_000, 1, 0)], [(d, d % 3, 1) for d in range(60)]],
    ids=["empty", "one", "all good", "all bad", "clock jump", "few"],
)  # fmt: skip
def test_every_history_has_an_answer(
    store: MemoryEventStore, days: list[tuple[int, int, int]]
) -> None:
    store.append(history_of([(START + DAY * d, good, bad) for d, good, bad in days]))
    found = drifts(store, EventQuery(since=datetime.min.replace(tzinfo=UTC)), now=START + DAY * 61)
    assert found.drifts == []
    assert bool(found.reason) == (len(days) < 28)


def test_people_and_programs_are_answered(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["drift"]) == 0
    assert "not enough data" in capsys.readouterr().out
    today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    rates = [20 if age > 25 else 14 for age in range(90)]
    days = [(today - DAY * (a + 1), n - a % 3, 20 - n + a % 3) for a, n in enumerate(rates)]
    with Runtime.start(load_config()) as runtime:
        runtime.store.append(history_of(days))
    assert main(["drift", "ruff-check"]) == 0
    told = capsys.readouterr().out
    assert "completion rate" in told and "worse" in told and "one false alarm in" in told
    assert all(len(line) <= 80 for line in told.split("\n"))
    assert main(["drift", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["drifts"][0]["direction"] == "worse"


def test_drifts_are_insights(store: MemoryEventStore) -> None:
    days = [(START + DAY * d, 19 if d < 60 else 14, 1 if d < 60 else 6) for d in range(90)]
    store.append(history_of(days))
    now = START + DAY * 90
    (known,) = drifts(store, EventQuery(), now=now).drifts
    (told,) = findings(InsightQuery(now=now, kinds=("drift",)), store)
    assert isinstance(told, Drift)
    assert {name: getattr(told, name) for name in (
        "metric", "direction", "started_at", "detected_at", "before", "after", "n",
    )} == {name: getattr(known, name) for name in (
        "metric", "direction", "started_at", "detected_at", "before", "after", "n",
    )}  # fmt: skip
    assert told.subject == "ruff-check" and told.direction == "worse" and told.score == 0.7
    assert told.summary == (
        f"The completion rate of ruff-check has drifted since {known.started_at:%Y-%m-%d} and is "
        f"worse: 95 % before, {round(known.after * 100)} % then (noticed on "
        f"{known.detected_at:%Y-%m-%d})."
    )
    assert list(findings(InsightQuery(now=now, kinds=("drift",), limit=0), store)) == []
    assert list(findings(InsightQuery(now=now, kinds=("drift",), tests=("t",)), store)) == []
    assert list(findings(InsightQuery(now=now, kinds=("drift",), skills=("x",)), store)) == []
    assert "drift" in {i.__struct_config__.tag for i in findings(InsightQuery(now=now), store)}


def test_a_drift_for_the_better_is_told_with_less_weight(store: MemoryEventStore) -> None:
    days = [(START + DAY * d, 14 if d < 60 else 19, 6 if d < 60 else 1) for d in range(90)]
    store.append(history_of(days))
    (told,) = findings(InsightQuery(now=START + DAY * 90, kinds=("drift",)), store)
    assert isinstance(told, Drift)
    assert (told.direction, told.score) == ("better", 0.35)
