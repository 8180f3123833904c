"""P-values against scipy, and the rates of alarms that are stated."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import betabinom, binom, false_discovery_control, kruskal, nbinom

from sbhooks_analytics.anomalies import FIGURES, detect
from sbhooks_analytics.budget import adjusted
from sbhooks_analytics.daily import HOUR, LEAST_DAYS, Days, Floats, first_baseline
from sbhooks_analytics.season import kruskal_wallis, medians, rate_seasons
from sbhooks_analytics.surprise import durations, rates, tail, volumes

START = datetime(2026, 1, 5, tzinfo=UTC)


def made(n: Floats, completed: Floats, seed: int = 0) -> Days:
    """Days with log-normal durations."""
    rng = np.random.default_rng(seed)
    with np.errstate(invalid="ignore"):
        noise = rng.normal(0, 0.1, n.shape) + rng.normal(0, 0.4, n.shape) / np.sqrt(
            np.maximum(n, 1)
        )
    return Days(
        [f"s{row}" for row in range(len(n))],
        [START + timedelta(days=day) for day in range(n.shape[1])],
        n.astype(float), completed.astype(float), np.where(n > 0, noise, np.nan),
        n.astype(float), np.full(len(n), 0.4), np.ones(n.shape, dtype=bool),
    )  # fmt: skip


def one_of(days: Days, row: int) -> Days:
    return Days(
        [days.skills[row]], days.starts, *(part[row : row + 1] for part in days[2:8]), days.grain
    )


def in_control(per_day: float, histories: int, seed: int) -> float:
    """Share of healthy histories with an alarm in 60 days, all three figures together."""
    rng = np.random.default_rng(seed)
    n = rng.poisson(per_day, (histories, 116))
    days = made(n, rng.binomial(n, 0.9), seed)
    alarmed = 0
    for row in range(histories):
        found = detect(one_of(days, row))
        alarmed += any(e.alarm >= 56 for figure in FIGURES for e in found[figure].episodes)
    return alarmed / histories


def in_control_hours(per_hour: float, histories: int, seed: int) -> float:
    """Alarms a month in healthy histories of hours, more of them used by day than by night."""
    rng = np.random.default_rng(seed)
    columns = HOUR.look_back + 14 * 24
    awake = (np.arange(columns) % 24 >= 8) & (np.arange(columns) % 24 < 20)
    mean = np.where(awake, per_hour, per_hour / 20) * rng.gamma(4, 1 / 4, (histories, columns))
    n = rng.poisson(mean)
    days = made(n, rng.binomial(n, 0.9), seed)
    starts = [START + timedelta(hours=hour) for hour in range(columns)]
    days = days._replace(starts=starts, grain=HOUR)
    found = [detect(one_of(days, row)) for row in range(histories)]
    alarms = sum(
        e.alarm >= HOUR.look_back for one in found for figure in FIGURES for e in one[figure][1]
    )
    return alarms / histories * HOUR.a_month / (14 * 24)


def found_drops(histories: int, seed: int) -> float:
    """Share of drops from 90 % to 60 % at 20 a day that are found within two days."""
    rng = np.random.default_rng(seed)
    n = np.full((histories, 58), 20)
    rate = np.where(np.arange(58) >= 56, 0.6, 0.9)
    days = made(n, rng.binomial(n, np.broadcast_to(rate, n.shape)), seed)
    hits = [
        any(e.alarm >= 56 and e.sign < 0 for e in detect(one_of(days, row))["completion_rate"][1])
        for row in range(histories)
    ]
    return float(np.mean(hits))


@given(
    trials=st.integers(1, 60),
    a=st.floats(0.05, 50),
    b=st.floats(0.05, 50),
    share=st.floats(0, 1),
)
def test_tails_are_those_of_scipy(trials: int, a: float, b: float, share: float) -> None:
    failures = round(trials * share)
    more, less = tail(*(np.array([float(x)]) for x in (failures, trials, a, b)))
    assert more[0] == pytest.approx(betabinom.sf(failures - 1, trials, a, b), abs=1e-9)
    assert less[0] == pytest.approx(betabinom.cdf(failures, trials, a, b), abs=1e-9)


def test_a_rate_that_is_known_well_gets_the_binomial_test() -> None:
    more, less = tail(np.array([8.0]), np.array([20.0]), np.array([1e5]), np.array([9e5]))
    assert more[0] == pytest.approx(binom.sf(7, 20, 0.1), rel=1e-3)
    assert less[0] == pytest.approx(binom.cdf(8, 20, 0.1), rel=1e-3)


def test_volumes_are_nearly_poisson_when_days_are_alike() -> None:
    n = np.tile(np.array([9.0, 11.0, 10.0, 10.0]), 15)[None, :]
    n[0, -1] = 25
    found = volumes(made(n, n), first_baseline(n.shape), np.ones(n.shape))
    size = 1 / (1 / 10 / 56 + 1e-9)
    expected = 2 * nbinom.sf(24, size, size / (size + found.expected[0, -1]))
    assert found.p_value[0, -1] == pytest.approx(expected, rel=0.02)
    assert found.sign[0, -1] == 1


@given(st.lists(st.floats(1e-9, 1), min_size=1, max_size=30))
def test_adjusted_p_values_are_those_of_scipy(p_values: list[float]) -> None:
    found = adjusted(np.array(p_values)[:, None])[:, 0]
    assert found == pytest.approx(false_discovery_control(p_values), rel=1e-9)


def test_gaps_take_nothing_from_the_budget() -> None:
    found = adjusted(np.array([[0.01], [np.nan], [0.5]]))[:, 0]
    assert found[0] == pytest.approx(0.02)
    assert np.isnan(found[1])


@given(
    values=st.lists(st.one_of(st.none(), st.integers(0, 8)), min_size=30, max_size=60),
)
def test_kruskal_wallis_is_that_of_scipy(values: list[int | None]) -> None:
    row = np.array([np.nan if v is None else float(v) for v in values])
    slots = np.arange(len(row)) % 7
    (p_value,) = kruskal_wallis(row[None, :], slots, 7)
    groups = [row[(slots == slot) & np.isfinite(row)] for slot in range(7)]
    filled = [group for group in groups if len(group)]
    if len(filled) < 2 or min(map(len, filled)) < 3 or len(set(np.concatenate(filled))) < 2:
        assert p_value == 1
    else:
        assert p_value == pytest.approx(kruskal(*filled).pvalue, rel=1e-9)


@given(st.lists(st.one_of(st.none(), st.floats(-9, 9)), max_size=12))
def test_medians_are_those_of_numpy(values: list[float | None]) -> None:
    row = np.array([np.nan if v is None else v for v in [*values, None]], dtype=float)
    (((middle,),), ((number,),)) = medians(row[None, None, :])
    known = row[np.isfinite(row)]
    assert number == len(known)
    assert middle == pytest.approx(np.median(known)) if len(known) else np.isnan(middle)


def test_nothing_is_judged_before_there_is_a_baseline() -> None:
    n = np.full((1, 40), 20.0)
    days = made(n, np.zeros_like(n))
    base, flat = first_baseline(n.shape), np.zeros(n.shape)
    for found in (
        rates(days, base, flat),
        volumes(days, base, flat + 1),
        durations(days, base, flat),
    ):
        assert np.isnan(found.p_value[0, :LEAST_DAYS]).all()
        assert np.isfinite(found.p_value[0, LEAST_DAYS + 1 :]).all()


def test_durations_without_any_scatter_are_judged_by_at_least_3_percent() -> None:
    n = np.full((1, 40), 20.0)
    days = made(n, n)._replace(duration=np.zeros((1, 40)), spread=np.zeros(1))
    days.duration[0, -1] = np.log(1.02)
    base, flat = first_baseline(n.shape), np.zeros(n.shape)
    assert durations(days, base, flat).p_value[0, -1] > 0.1
    days.duration[0, -1] = np.log(2.0)
    assert durations(days, base, flat).p_value[0, -1] < 1e-6


@pytest.mark.parametrize("per_day", [3, 11, 51])
def test_healthy_histories_rarely_have_an_alarm(per_day: float) -> None:
    assert in_control(per_day, 150, seed=4) <= 0.08  # 5 % and chance


def test_healthy_hours_rarely_have_an_alarm() -> None:
    assert in_control_hours(20, 60, seed=8) <= 0.11  # 0.05 a month, of 28 months: 3 alarms


@pytest.mark.slow
@pytest.mark.parametrize("per_hour", [3, 11, 51])
def test_hours_have_at_most_the_alarms_that_the_budget_allows(per_hour: float) -> None:
    assert in_control_hours(per_hour, 2_000, seed=9) <= 0.05


def test_drops_are_found_within_two_days() -> None:
    assert found_drops(300, seed=5) >= 0.86  # 90 % and chance


@pytest.mark.slow
@pytest.mark.parametrize("per_day", [3, 11, 51])
def test_at_most_5_of_100_healthy_histories_have_an_alarm_in_60_days(per_day: float) -> None:
    assert in_control(per_day, 4_000, seed=6) <= 0.05


@pytest.mark.slow
def test_9_of_10_drops_to_60_percent_are_found_within_two_days() -> None:
    assert found_drops(4_000, seed=7) >= 0.9


def test_what_lasts_is_one_finding_and_what_stays_is_the_new_normal() -> None:
    rng = np.random.default_rng(3)
    n = rng.poisson(30, (3, 116))
    rate = np.full((3, 116), 0.9)
    rate[0, 80:85], rate[1, 70:] = 0.3, 0.4
    found = detect(made(n, rng.binomial(n, rate)))["completion_rate"].episodes
    short, long = found
    assert (short.row, short.start, short.last, short.end, short.shift) == (0, 80, 84, 85, False)
    assert (long.row, long.start, long.shift) == (1, 70, True)
    assert long.end == 84


def test_a_weekly_rhythm_raises_no_alarm() -> None:
    mean = np.where(np.arange(116) % 7 >= 5, 2.0, 40.0)
    alarms = 0
    for seed in range(15):
        n = np.random.default_rng(seed).poisson(np.broadcast_to(mean, (20, 116)))
        found = detect(made(n, np.random.default_rng(seed).binomial(n, 0.9)))
        alarms += sum(e.alarm >= 56 for figure in FIGURES for e in found[figure].episodes)
    assert alarms <= 4  # 15 installations, two months, 0.05 a month: 1.5 to be expected


def test_worse_mondays_are_a_season_and_quiet_weekends_are_not() -> None:
    rng = np.random.default_rng(1)
    slots = np.arange(84) % 7
    n = rng.poisson(np.where(slots >= 5, 2.0, 40.0), (200, 84))
    flat = rate_seasons(n, rng.binomial(n, 0.9), slots, 7).profile
    assert (flat != 0).any(axis=1).mean() <= 0.03
    worse = rate_seasons(
        n + 9, rng.binomial(n + 9, np.where(slots == 0, 0.6, 0.9)), slots, 7
    ).profile
    assert (worse[:, 0] < -0.1).mean() >= 0.95
