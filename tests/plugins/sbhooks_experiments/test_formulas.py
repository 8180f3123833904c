"""Single figures against statsmodels, scipy, integration, and arithmetic that can be checked."""

from __future__ import annotations

import math
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from scipy.stats import binom, binomtest, norm, skew, t, ttest_ind
from statsmodels.regression.linear_model import OLS
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestIndPower
from statsmodels.stats.proportion import proportions_ztest

from sbhooks.events import Outcome
from sbhooks.testing.factories import NOON
from sbhooks_experiments import cuped, power
from sbhooks_experiments.analysis import analyse
from sbhooks_experiments.bandit import treatment_is_better
from sbhooks_experiments.decision import benjamini_hochberg, decide, holm
from sbhooks_experiments.health import Check, checks, sample_ratio
from sbhooks_experiments.kinds import ExperimentOutcome, ExperimentPlan, Exposure
from sbhooks_experiments.log import Columns, State, columns_of
from sbhooks_experiments.plan import Metric, Mode, Plan, parse_guardrail
from sbhooks_experiments.results import Analysis, MetricResult
from sbhooks_experiments.sequential import e_value, normal_equivalent, t_equivalent, tuning
from sbhooks_experiments.skewness import skewness
from sbhooks_experiments.statistics import Difference, of_values
from sbhooks_experiments.units import Sample, unit_table

Numbers = list[float]


def logged(
    control: Numbers, treatment: Numbers, *, past: tuple[Numbers, Numbers] = ([], [])
) -> Columns:
    """One outcome of each unit, which lasts so long; it failed where that is below 0."""
    events: list[Exposure | ExperimentOutcome] = []
    for arm, values, before in (
        ("control", control, past[0]), ("treatment", treatment, past[1]),
    ):  # fmt: skip
        for number, value in enumerate(values):
            known = {"source": "t", "session": "s", "experiment": "e", "unit": f"{arm}{number}"}
            events.append(Exposure(**known, variant=arm, at=NOON, attributes={"share": 0.5}))
            earlier = [(seconds, -1) for seconds in before[number : number + 1]]
            for seconds, when in [*earlier, (value, 1)]:
                events.append(ExperimentOutcome(
                    **known, skill="x", duration_s=abs(seconds), at=NOON + timedelta(hours=when),
                    outcome=Outcome.SUCCESS if seconds >= 0 else Outcome.FAILURE,
                ))  # fmt: skip
    return columns_of(events, "e")


def planned(**fields: object) -> Plan:
    return Plan(**{
        "name": "e", "control": "a", "treatment": "b", "min_units": 2, "max_units": 40,
        "primary": (Metric.DURATION,), **fields,
    })  # type: ignore[arg-type]  # fmt: skip


def analysed(columns: Columns, plan: Plan, *, days: float = 2) -> Analysis:
    created = ExperimentPlan(
        source="t", session="s", experiment="e", plan=plan, hash=plan.digest, at=NOON
    )
    return analyse(State(created), columns, now=NOON + timedelta(days=days))


# --- the past -----------------------------------------------------------------------------


def related(seed: int, n: int) -> Sample:
    rng = np.random.default_rng(seed)
    past = rng.normal(5, 2, n)
    return Sample(past + rng.normal(seed / 10, 1, n), np.ones(n), past)


@pytest.mark.parametrize(("first", "second"), [(20, 20), (60, 25)])
def test_the_effect_without_the_past_is_that_of_a_regression_on_it(first: int, second: int) -> None:
    control, treatment = related(1, first), related(4, second)
    arms, reduction = cuped.adjusted(control, treatment)
    assert arms is not None and reduction is not None
    treated = np.repeat([0.0, 1.0], [first, second])
    past = np.concatenate([control.past, treatment.past])
    values = np.concatenate([control.top, treatment.top])
    fit = OLS(values, np.column_stack([np.ones(len(values)), treated, past])).fit()
    assert arms[1].value - arms[0].value == pytest.approx(fit.params[1], rel=1e-9)
    # What is left, by its definition, with the regression's slope.
    slope = fit.params[2]
    errors = [
        (np.var(s.top, ddof=1) / s.n, np.var(s.top - slope * s.past, ddof=1) / s.n)
        for s in (control, treatment)
    ]
    plain, left = (sum(column) for column in zip(*errors, strict=True))
    assert reduction == pytest.approx(1 - left / plain, rel=1e-9)
    assert 0.5 < reduction < 1


def test_units_without_a_past_count_as_average_ones() -> None:
    control, treatment = related(1, 30), related(4, 30)
    control.past[:10] = np.nan
    arms, _ = cuped.adjusted(control, treatment)
    assert arms is not None
    mean = np.nanmean(np.concatenate([control.past, treatment.past]))
    filled = [np.where(np.isnan(s.past), mean, s.past) for s in (control, treatment)]
    design = np.column_stack([np.ones(60), np.repeat([0.0, 1.0], 30), np.concatenate(filled)])
    fit = OLS(np.concatenate([control.top, treatment.top]), design).fit()
    assert arms[1].value - arms[0].value == pytest.approx(fit.params[1], rel=1e-9)


def test_too_little_past_is_not_used() -> None:
    assert cuped.adjusted(related(1, 19), related(4, 40)) == (None, None)
    assert cuped.adjusted(related(1, 40), related(4, 19)) == (None, None)
    half = related(1, 20)
    half.past[:10] = np.nan
    assert cuped.adjusted(half, related(4, 20))[1] is not None
    half.past[10] = np.nan
    assert cuped.adjusted(half, related(4, 20)) == (None, None)
    same = related(1, 20)
    same.past[:] = 3.0
    assert cuped.adjusted(same, same) == (None, None)


# --- power ----------------------------------------------------------------------------------


def test_days_left_are_units_by_pace() -> None:
    assert power.days_left(30, 60, 3.0) == 1.5  # 20 a day
    assert power.days_left(7, 2, 1 / 24) == pytest.approx(7 / 48)
    assert power.days_left(7, 1, 3.0) is None
    assert power.days_left(7, 60, 0.99 / 24) is None


@pytest.mark.parametrize(("ratio", "level", "wanted"), [(0.5, 0.05, 0.8), (0.25, 0.01, 0.9)])
def test_what_can_be_detected_agrees_with_statsmodels(
    ratio: float, level: float, wanted: float
) -> None:
    units, variance = 80, 6.25
    found = power.detectable(
        variance, units, ratio=ratio, alpha=level, power=wanted, any_time=False
    )
    expected = TTestIndPower().solve_power(
        None, units * (1 - ratio), level, wanted, ratio / (1 - ratio)
    )
    assert found == pytest.approx(expected * math.sqrt(variance), rel=1e-6)
    later = power.detectable(variance, units, ratio=ratio, alpha=level, power=wanted, any_time=True)
    assert later is not None and found is not None and later > found


def test_what_can_be_detected_is_that_of_the_way_in_which_results_are_read() -> None:
    rng = np.random.default_rng(3)
    one, two = (list(map(float, 5 + rng.normal(0, 1, 20))) for _ in range(2))
    spread = max(np.var(one, ddof=1), np.var(two, ddof=1))
    once, always = (
        analysed(logged(one, two), planned(mode=mode)).metrics[0].detectable
        for mode in (Mode.FIXED, Mode.ALWAYS_VALID)
    )
    expected = TTestIndPower().solve_power(None, 20, 0.05, 0.8, 1) * math.sqrt(spread)
    assert once == pytest.approx(expected, rel=1e-6)
    assert always is not None and always > expected


def test_nothing_can_be_detected_with_too_few_units_or_without_spread() -> None:
    rules = {"ratio": 0.5, "alpha": 0.05, "power": 0.8, "any_time": False}
    assert power.detectable(1.0, 3, **rules) is None  # type: ignore[arg-type]
    assert power.detectable(1.0, 4, **rules) is not None  # type: ignore[arg-type]
    assert power.detectable(0.0, 40, **rules) is None  # type: ignore[arg-type]


# --- decisions --------------------------------------------------------------------------------


def test_when_the_planned_units_are_there_nobody_waits_for_more() -> None:
    values = [1.0 + number % 5 for number in range(20)]
    for most, verdict, needed in ((40, "inconclusive", None), (41, "needs-more-units", 1)):
        found = analysed(logged(values, values), planned(max_units=most))
        assert (found.decision, found.units_needed) == (verdict, needed)
    assert found.units.per_day == 20  # 40 units in two days
    assert found.days_left == pytest.approx(1 / 20)


def test_a_single_unit_has_no_pace() -> None:
    assert analysed(logged([1.0], []), planned()).units.per_day is None
    assert analysed(logged([1.0], [2.0]), planned()).units.per_day == 1
    assert analysed(logged([1.0], [2.0]), planned(), days=0.5 / 24).units.per_day is None


@settings(max_examples=8)  # statsmodels takes a fifth of a second for each
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_corrections_are_their_definitions(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])
    assert benjamini_hochberg(p_values) == pytest.approx(
        multipletests(p_values, method="fdr_bh")[1]
    )


def test_alike_pasts_have_the_p_value_of_scipy() -> None:
    rng = np.random.default_rng(6)
    seen = set()
    for gap in (0.0, 0.4, 0.6, 0.7, 1.0, 2.0):
        one, two = rng.normal(5, 1, 40), rng.normal(5 + gap, 1, 40)
        found = analysed(
            logged([1.0, 2.0] * 20, [1.0, 2.0] * 20, past=(list(one), list(two))),
            planned(max_units=80),
        )
        (check,) = [check for check in found.health if check.name == "before exposure"]
        p_value = ttest_ind(one, two, equal_var=False).pvalue
        assert check.p_value == pytest.approx(p_value, rel=1e-9)
        expected = "blocking" if p_value < 0.001 else "warning" if p_value < 0.01 else "ok"
        assert check.level == expected
        seen.add(expected)
    assert seen == {"ok", "warning", "blocking"}


# --- bandit -----------------------------------------------------------------------------------


def test_the_chance_of_the_treatment_is_that_of_the_posterior() -> None:
    """Prior times likelihood, integrated over a grid."""
    rng = np.random.default_rng(9)
    one, two = rng.normal(5.0, 1, 6), rng.normal(4.6, 2, 9)
    found = treatment_is_better(
        unit_table(logged(list(one), list(two)), (Metric.DURATION,)), planned(mode=Mode.BANDIT)
    )
    prior = math.sqrt(one.var(ddof=1) + two.var(ddof=1))
    error = math.sqrt(one.var(ddof=1) / 6 + two.var(ddof=1) / 9)
    grid = np.linspace(-20, 20, 400_001)
    mass = norm.pdf(grid, 0, prior) * norm.pdf(two.mean() - one.mean(), grid, error)
    assert found == pytest.approx(mass[grid < 0].sum() / mass.sum(), abs=1e-4)  # shorter is better


def test_rates_without_any_spread_have_the_error_of_agresti_and_caffo() -> None:
    plan = planned(mode=Mode.BANDIT, primary=(Metric.COMPLETION_RATE,))
    table = unit_table(logged([-1.0] * 5, [1.0] * 5), (Metric.COMPLETION_RATE,))
    effect, error = 6 / 7 - 1 / 7, math.sqrt(2 * (6 / 7 * 1 / 7) / 7)
    assert treatment_is_better(table, plan) == pytest.approx(norm.cdf(effect / error), rel=1e-9)
    few = unit_table(logged([-1.0], [1.0] * 5), (Metric.COMPLETION_RATE,))
    assert treatment_is_better(few, plan) is None
    two = unit_table(logged([-1.0] * 2, [1.0] * 2), (Metric.COMPLETION_RATE,))
    assert treatment_is_better(two, plan) is not None
    alike = unit_table(logged([3.0] * 5, [3.0] * 5), (Metric.DURATION,))
    assert treatment_is_better(alike, planned(mode=Mode.BANDIT)) is None


def test_the_skewness_of_a_difference_is_that_of_sums_of_independent_values() -> None:
    """Third central moments of independent sums add up; so do variances."""
    rng = np.random.default_rng(10)
    base = rng.exponential(1, 40)
    small, large = base[:8].copy(), np.concatenate([base, base])
    found = skewness(of_values(large), of_values(small))
    rest = np.concatenate([large - large.mean(), small - small.mean()])
    third, variance = (rest**3).mean(), (rest**2).mean()
    expected = third * (1 / 8**2 - 1 / 80**2) / (variance * (1 / 8 + 1 / 80)) ** 1.5
    assert found == pytest.approx(expected, rel=1e-9)
    assert skew(rest) == pytest.approx(third / variance**1.5)
    assert skewness(of_values(small), of_values(small)) == 0.0


def test_welch_is_scipys() -> None:
    rng = np.random.default_rng(11)
    one, two = rng.normal(5, 1, 12), rng.normal(6, 3, 20)
    result = analysed(logged(list(one), list(two)), planned(mode=Mode.FIXED, max_units=32))
    expected = ttest_ind(two, one, equal_var=False)
    assert result.metrics[0].p_value == pytest.approx(expected.pvalue, rel=1e-9)
    low, high = expected.confidence_interval(0.95)
    assert (result.metrics[0].low, result.metrics[0].high) == pytest.approx((low, high), rel=1e-9)


# --- guardrails --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("margin", "state"),
    [
        ("avg_duration_seconds:3", "held"),
        ("avg_duration_seconds:0.5", "broken"),
        ("avg_duration_seconds:1.05", "open"),
    ],
)
def test_a_guardrail_is_held_or_broken_when_its_interval_says_so(margin: str, state: str) -> None:
    rng = np.random.default_rng(12)
    one, two = rng.normal(5, 0.3, 40), rng.normal(6, 0.3, 40)
    plan = planned(
        mode=Mode.FIXED, max_units=80, primary=(Metric.COMPLETION_RATE,),
        guardrails=(parse_guardrail(margin),),
    )  # fmt: skip
    (rail,) = analysed(logged(list(one), list(two)), plan).guardrails
    low, high = ttest_ind(two, one, equal_var=False).confidence_interval(0.95)
    allowed = float(margin.rpartition(":")[2])
    assert rail.state == state
    assert (rail.low, rail.high) == pytest.approx((allowed - high, allowed - low), rel=1e-6)


def test_a_metric_that_is_not_sure_decides_nothing() -> None:
    def metric(p: float, effect: float) -> MetricResult:
        fields = dict.fromkeys(MetricResult.__struct_fields__)
        return MetricResult(**fields | {
            "metric": "avg_duration_seconds", "role": "primary", "p_adjusted": p, "effect": effect,
        })  # type: ignore[arg-type]  # fmt: skip

    def verdict(p: float, effect: float) -> str:
        return decide([metric(p, effect)], (), (), alpha=0.05, needed=0, few=0).verdict

    assert verdict(0.05, -1.0) == "treatment"
    assert verdict(0.05, 1.0) == "control"
    assert verdict(0.0501, -1.0) == "inconclusive"
    assert verdict(0.01, 0.0) == "inconclusive"


# --- health -----------------------------------------------------------------------------------


def split(control: int, treatment: int, share: float = 0.5) -> Check:
    """The check of the ratio of so many units."""
    table = unit_table(logged([1.0] * control, [1.0] * treatment), (Metric.DURATION,))
    table.share[:] = share
    return sample_ratio(table)


@pytest.mark.parametrize(
    ("control", "treatment"),
    [(10, 10), (5, 15), (16, 4), (480, 520), (450, 550), (540, 460), (470, 531), (600, 500)],
)
def test_the_ratio_has_the_exact_p_value_up_to_a_thousand_units(
    control: int, treatment: int
) -> None:
    n = control + treatment
    found = split(control, treatment)
    expected = (
        binomtest(treatment, n, 0.5).pvalue if n <= 1_000
        else proportions_ztest(treatment, n, 0.5, prop_var=0.5)[1]
    )  # fmt: skip
    assert found.p_value == pytest.approx(min(expected, 1.0), rel=1e-6)
    is_off = abs(treatment - n / 2) / n >= 0.001
    level = "blocking" if expected < 0.001 else "warning" if expected < 0.01 else "ok"
    assert found.level == (level if is_off else "ok")


def test_a_ratio_other_than_half_has_the_smaller_tail_twice() -> None:
    found = split(70, 30, 0.2)
    tails = binom.cdf(30, 100, 0.2), binom.sf(29, 100, 0.2)
    assert found.p_value == pytest.approx(2 * min(tails), rel=1e-9)
    assert found.level == "ok"
    assert split(60, 40, 0.2).level == "blocking"


def test_units_of_different_shares_add_up_to_what_was_meant() -> None:
    table = unit_table(logged([1.0] * 30, [1.0] * 50), (Metric.DURATION,))
    table.share[:40], table.share[40:] = 0.5, 0.8
    expected, spread = 40 * 0.5 + 40 * 0.8, math.sqrt(40 * 0.25 + 40 * 0.16)
    found = sample_ratio(table)
    assert found.p_value == pytest.approx(2 * norm.sf(abs(50 - expected) / spread), rel=1e-9)


def test_twenty_units_are_the_least_that_have_a_ratio() -> None:
    assert split(10, 9).level == "unknown" and split(10, 10).level == "ok"


def test_lost_units_have_the_p_value_of_statsmodels() -> None:
    for lost in ((0, 0), (2, 3), (1, 12), (0, 25)):
        columns = logged([1.0] * 60, [1.0] * 80)
        table = unit_table(columns, (Metric.DURATION,))
        for treated, number in zip((False, True), lost, strict=True):
            places = np.flatnonzero(table.treated == treated)[:number]
            table.bottom[Metric.DURATION][places] = 0
        (check,) = [
            one for one in checks(table, planned(), (), None) if one.name == "missing outcomes"
        ]
        expected = 1.0 if not sum(lost) else float(proportions_ztest(lost, (60, 80))[1])
        assert check.p_value == pytest.approx(expected, rel=1e-6)
        assert check.level == (
            "blocking" if expected < 0.001 else "warning" if expected < 0.01 else "ok"
        )


# --- at any time ------------------------------------------------------------------------------


@pytest.mark.parametrize(("value", "df"), [(0.3, 4.0), (-2.5, 9.0), (6.0, 40.0)])
def test_equivalents_have_the_same_tail_in_scipy(value: float, df: float) -> None:
    deviate = normal_equivalent(value, df)
    assert norm.sf(deviate) == pytest.approx(t.sf(abs(value), df), rel=1e-9)
    assert t_equivalent(deviate, df) == pytest.approx(abs(value), rel=1e-9)
    assert normal_equivalent(value, math.inf) == abs(value)
    assert t_equivalent(deviate, math.inf) == deviate


def test_a_tail_that_cannot_be_computed_is_that_of_the_largest_deviate() -> None:
    assert t.sf(200, 10_000) == 0
    assert normal_equivalent(200.0, 10_000.0) == 38
    assert normal_equivalent(0.0, 5.0) == 0


@pytest.mark.parametrize(("effect", "units"), [(0.0, 10), (0.4, 200), (-1.5, 60), (90.0, 60)])
def test_the_e_value_is_the_mixture_of_likelihood_ratios(effect: float, units: int) -> None:
    """A normal prior over the true difference, integrated: what the closed form stands for."""
    known = Difference(effect=effect, se=0.3, df=math.inf)
    rho = tuning(400, 0.05)
    log = -2 * math.log(0.05)
    assert 400 * rho == pytest.approx(log + math.log(log + 1))
    prior = 0.3 * math.sqrt(units * rho)  # as wide as so many errors
    grid = np.linspace(-12 * prior, 12 * prior, 200_001)
    found = e_value(known, units, 400, 0.05)
    if abs(effect) > 9:  # more than can be written down
        assert found == math.exp(700)
        return
    ratio = norm.pdf(effect, grid, 0.3) / norm.pdf(effect, 0, 0.3)
    mixed = trapezoid(ratio * norm.pdf(grid, 0, prior), grid)
    assert found == pytest.approx(mixed, rel=1e-4)
