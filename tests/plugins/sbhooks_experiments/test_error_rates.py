"""The error rates that are promised, by simulation with stated seeds.

Each simulation has a short version that runs always, with limits that allow for its few trials
(four standard errors), and a long one (``make slow``) that measures against the promise itself.
Rates that the long ones gave are written in docs/explanation/experiments.md.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.random import Generator
from numpy.typing import NDArray

from sbhooks_experiments import bandit
from sbhooks_experiments.analysis import analyse
from sbhooks_experiments.comparison import Compared, Rules, compare
from sbhooks_experiments.health import BLOCKING, OK, WARNING, sample_ratio
from sbhooks_experiments.kinds import ExperimentPlan
from sbhooks_experiments.log import Columns, State
from sbhooks_experiments.plan import Metric, Mode, Plan
from sbhooks_experiments.power import required_units
from sbhooks_experiments.units import Sample, unit_table

Floats = NDArray[np.float64]
Draw = Callable[[Generator, int, float], Sample]
T0 = datetime(2026, 11, 20, tzinfo=UTC)
ONCE = Rules(any_time=False, cuped=False)
short_and_long = pytest.mark.parametrize(
    "trials", [400, pytest.param(10_000, marks=pytest.mark.slow)], ids=["short", "long"]
)


def single(values: Floats) -> Sample:
    return Sample(values, np.ones(len(values)), np.full(len(values), np.nan))


def normal(chance: Generator, n: int, effect: float) -> Sample:
    return single(chance.normal(5 + effect, 1, n))


def skewed(chance: Generator, n: int, effect: float) -> Sample:
    """Durations of runs: log-normal."""
    return single(chance.lognormal(0, 0.75, n) + effect)


def rates(chance: Generator, n: int, effect: float) -> Sample:
    return single((chance.random(n) < 0.7 + effect).astype(float))


def several(chance: Generator, n: int, effect: float) -> Sample:
    """Users with 1 to about 10 runs each, whose durations are a habit of the user."""
    runs = 1 + chance.poisson(4, n).astype(float)
    habit = chance.lognormal(0, 0.5, n)
    return Sample((habit + effect) * chance.gamma(2 * runs, 0.5), runs, np.full(n, np.nan))


def heavy(chance: Generator, n: int, effect: float) -> Sample:
    """The same with a few users who do most of the work."""
    runs = chance.geometric(0.1, n).astype(float)
    habit = chance.lognormal(0, 0.5, n)
    return Sample((habit + effect) * chance.gamma(2 * runs, 0.5), runs, np.full(n, np.nan))


def very_skewed(chance: Generator, n: int, effect: float) -> Sample:
    """A few values that are a hundred times as large as most."""
    return single(chance.lognormal(0, 1.5, n) + effect)


METRICS = {rates: Metric.COMPLETION_RATE}


def once(draw: Draw, chance: Generator, n: int, effect: float = 0.0) -> Compared:
    metric = METRICS.get(draw, Metric.DURATION)
    found = compare(metric, draw(chance, n, 0.0), draw(chance, n, effect), ONCE)
    assert found is not None
    return found


def chance_margin(rate: float, trials: int) -> float:
    """Four standard errors: what a short simulation may be off by chance."""
    return 4 * math.sqrt(rate * (1 - rate) / trials)


@short_and_long
@pytest.mark.parametrize(
    ("draw", "n", "most"),
    [(normal, 20, 0.06), (skewed, 60, 0.06), (rates, 60, 0.06), (rates, 600, 0.06),
     (several, 60, 0.07), (heavy, 60, 0.07)],
    ids=lambda v: getattr(v, "__name__", str(v)),
)  # fmt: skip
def test_a_fixed_horizon_names_few_false_winners(
    draw: Draw, n: int, most: float, trials: int, record_property: Callable[[str, object], None]
) -> None:
    if draw is rates:  # the exact test takes some milliseconds
        trials = 3_000 if trials > 3_000 else 120
    chance = np.random.default_rng(101)
    rate = sum(once(draw, chance, n).p_value <= 0.05 for _ in range(trials)) / trials
    record_property("rate", float(rate))
    allowed = most if trials >= 3_000 else 0.05 + chance_margin(0.05, trials)
    assert rate <= allowed, rate


@short_and_long
@pytest.mark.parametrize(("control", "treatment"), [(96, 24), (24, 96), (900, 100)])
@pytest.mark.parametrize(("draw", "most"), [(normal, 0.06), (skewed, 0.06), (very_skewed, 0.06),
                                            (several, 0.07), (heavy, 0.07)])  # fmt: skip
def test_skewed_values_in_variants_of_different_size_name_few_false_winners(
    draw: Draw, most: float, control: int, treatment: int, trials: int,
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    """Welch's test alone names 9 and 10 % where values are very skewed."""
    chance, wins = np.random.default_rng(109), 0
    for _ in range(trials):
        arms = draw(chance, control, 0.0), draw(chance, treatment, 0.0)
        found = compare(Metric.DURATION, *arms, ONCE)
        assert found is not None
        wins += found.p_value <= 0.05
    record_property("rate", float(wins / trials))
    allowed = most if trials >= 3_000 else 0.05 + chance_margin(0.05, trials)
    assert wins / trials <= allowed, wins / trials


@pytest.mark.parametrize("trials", [60, pytest.param(2_000, marks=pytest.mark.slow)],
                         ids=["short", "long"])  # fmt: skip
@pytest.mark.parametrize("share", [0.1, 0.2])
@pytest.mark.parametrize("draw", [skewed, very_skewed])
def test_forty_looks_at_skewed_values_of_a_small_variant_name_few_false_winners(
    draw: Draw, share: float, trials: int, record_property: Callable[[str, object], None]
) -> None:
    """Welch's error alone names 16 % in the worst of these."""
    chance = np.random.default_rng(110)
    found = [_peek_at_shares(draw, chance, 1_000, share) for _ in range(trials)]
    winners, left = np.array(found).mean(axis=0)
    record_property("winners", float(winners))
    record_property("interval ever wrong", float(left))
    allowed = 0.05 if trials >= 1_000 else 0.05 + chance_margin(0.05, trials)
    assert winners <= allowed, winners
    assert left <= allowed, left


def _peek_at_shares(
    draw: Draw, chance: Generator, units: int, share: float
) -> tuple[bool, bool]:  # fmt: skip
    """Forty looks at units that come one by one: winner named, interval ever wrong."""
    values, treated = draw(chance, units, 0.0), chance.random(units) < share
    winner = wrong = False
    for end in range(units // 40, units + 1, units // 40):
        arms = [single(values.top[:end][treated[:end] == side]) for side in (False, True)]
        if min(arm.n for arm in arms) < 10:
            continue
        found = compare(Metric.DURATION, *arms, Rules(planned=units, cuped=False))
        assert found is not None and found.low is not None and found.high is not None
        winner |= found.p_value <= 0.05
        wrong |= not found.low <= 0 <= found.high
    return winner, wrong


def peek(
    draw: Draw, chance: Generator, n: int, looks: int, effect: float = 0.0
) -> tuple[bool, bool, bool]:
    """Look at a growing experiment: winner by the e-value, interval ever wrong, repeated test."""
    metric = METRICS.get(draw, Metric.DURATION)
    arms = draw(chance, n, 0.0), draw(chance, n, effect)
    always = Rules(planned=2 * n, cuped=False)
    winner = left = repeated = False
    for look in range(1, looks + 1):
        end = max(10, n * look // looks)
        part = [Sample(a.top[:end], a.bottom[:end], a.past[:end]) for a in arms]
        found = compare(metric, part[0], part[1], always)
        assert found is not None and found.low is not None and found.high is not None
        winner |= found.p_value <= 0.05
        left |= not found.low <= effect <= found.high
        if metric is not Metric.COMPLETION_RATE:
            fixed = compare(metric, part[0], part[1], ONCE)
            assert fixed is not None
            repeated |= fixed.p_value <= 0.05
    return winner, left, repeated


@pytest.mark.parametrize("trials", [60, pytest.param(2_000, marks=pytest.mark.slow)],
                         ids=["short", "long"])  # fmt: skip
@pytest.mark.parametrize("draw", [normal, skewed, rates, several])
@pytest.mark.parametrize("n", [40, 400])
def test_forty_looks_name_few_false_winners(
    draw: Draw, n: int, trials: int, record_property: Callable[[str, object], None]
) -> None:
    chance = np.random.default_rng(102)
    seen = np.array([peek(draw, chance, n, 40) for _ in range(trials)])
    winners, left, repeated = seen.mean(axis=0)
    record_property("winners", float(winners))
    record_property("interval ever wrong", float(left))
    record_property("repeated test", float(repeated))
    allowed = 0.05 if trials >= 1_000 else 0.05 + chance_margin(0.05, trials)
    assert winners <= allowed, winners
    assert left <= allowed, left


def bandit_names_a_winner(chance: Generator, units: int) -> bool:
    """Two variants that do not differ, looked at after every batch."""
    made = Plan(name="b", control="a", treatment="b", mode=Mode.BANDIT, max_units=units)
    state = State(
        ExperimentPlan(source="x", session="-", experiment="b", plan=made, hash="", at=T0)
    )
    columns, present = Columns(), made.ratio
    for number in range(units):
        columns.units.append(f"u{number}")
        columns.exposed.append(number)
        columns.exposed_us.append(2 * number)
        columns.treated.append(bool(chance.random() < present))
        columns.shares.append(present)
        columns.acted.append(number)
        columns.acted_us.append(2 * number + 1)
        columns.skills.append("s")
        columns.completed.append(bool(chance.random() < 0.7))
        columns.seconds.append(math.nan)
        columns.stars.append(math.nan)
        if number % made.batch == made.batch - 1:
            present = bandit.share(columns, made)
            if analyse(state, columns, now=T0).decision in {"treatment", "control"}:
                return True
    return False


@pytest.mark.parametrize("trials", [40, pytest.param(1_000, marks=pytest.mark.slow)],
                         ids=["short", "long"])  # fmt: skip
def test_a_bandit_names_few_false_winners(
    trials: int, record_property: Callable[[str, object], None]
) -> None:
    """A winner whenever its posterior probability was above 0.975 was false in 18 %."""
    chance = np.random.default_rng(108)
    rate = sum(bandit_names_a_winner(chance, 400) for _ in range(trials)) / trials
    record_property("rate", float(rate))
    assert rate <= (0.05 if trials >= 1_000 else 0.05 + chance_margin(0.05, trials) / 2), rate


@pytest.mark.parametrize("trials", [400, pytest.param(10_000, marks=pytest.mark.slow)],
                         ids=["short", "long"])  # fmt: skip
@pytest.mark.parametrize("n", [20, 100, 1000])
@pytest.mark.parametrize("draw", [normal, rates, several])
def test_intervals_hold_what_they_promise(
    draw: Draw, n: int, trials: int, record_property: Callable[[str, object], None]
) -> None:
    chance, effect = np.random.default_rng(103), 0.1
    holds = 0
    for _ in range(trials):
        if draw is rates:
            low, high = interval_of_rates(chance, n, effect)
        else:
            found = once(draw, chance, n, effect)
            assert found.low is not None and found.high is not None
            low, high = found.low, found.high
        holds += low <= effect <= high
    record_property("coverage", float(holds / trials))
    off = 0.015 if trials >= 3_000 else chance_margin(0.05, trials) + 0.015
    assert abs(holds / trials - 0.95) <= off, holds / trials


def interval_of_rates(chance: Generator, n: int, effect: float) -> tuple[float, float]:
    """The interval alone: the exact test beside it would take most of the time."""
    from sbhooks_experiments.statistics import arm, newcombe

    arms = [
        arm(s.top, s.bottom, binary=True) for s in (rates(chance, n, 0.0), rates(chance, n, effect))
    ]
    return newcombe(arms[0], arms[1], 0.05)


@pytest.mark.parametrize("trials", [300, pytest.param(6_000, marks=pytest.mark.slow)],
                         ids=["short", "long"])  # fmt: skip
@pytest.mark.parametrize(("draw", "variance", "effect"),
                         [(normal, 1.0, 0.6), (normal, 1.0, 0.3)])  # fmt: skip
def test_planned_units_give_the_planned_power(
    draw: Draw, variance: float, effect: float, trials: int,
    record_property: Callable[[str, object], None],
) -> None:  # fmt: skip
    chance = np.random.default_rng(104)
    n = required_units(effect, variance, ratio=0.5, alpha=0.05, power=0.8, any_time=False)
    n += n % 2
    found = sum(once(draw, chance, n // 2, effect).p_value <= 0.05 for _ in range(trials))
    record_property("power", float(found / trials))
    off = 0.03 if trials >= 3_000 else 0.03 + chance_margin(0.8, trials)
    assert abs(found / trials - 0.8) <= off, found / trials


@pytest.mark.parametrize("trials", [60, pytest.param(1_000, marks=pytest.mark.slow)],
                         ids=["short", "long"])  # fmt: skip
def test_units_planned_for_many_looks_give_at_least_the_planned_power(
    trials: int, record_property: Callable[[str, object], None]
) -> None:
    chance = np.random.default_rng(105)
    n = required_units(0.5, 1.0, ratio=0.5, alpha=0.05, power=0.8, any_time=True) // 2 + 1
    found = np.mean([peek(normal, chance, n, 40, 0.5)[0] for _ in range(trials)])
    record_property("power", float(found))
    assert found >= (0.77 if trials >= 1_000 else 0.77 - chance_margin(0.8, trials)), found


@pytest.mark.parametrize("trials", [200, pytest.param(10_000, marks=pytest.mark.slow)],
                         ids=["short", "long"])  # fmt: skip
def test_a_wrong_sample_ratio_is_found_and_a_right_one_is_not(
    trials: int, record_property: Callable[[str, object], None]
) -> None:
    """At 45/55 of 2,000 units z is 4.47 on average: 97 % are beyond 2.58, 88 % beyond 3.29."""
    chance = np.random.default_rng(106)
    wrong = [ratio_check(chance, 0.45) for _ in range(trials)]
    right = [ratio_check(chance, 0.5) for _ in range(trials)]
    found = 1 - wrong.count(OK) / trials
    blocked, alarms = wrong.count(BLOCKING) / trials, right.count(BLOCKING) / trials
    record_property("found at 45/55", float(found))
    record_property("of these blocking", float(blocked))
    record_property("false blocks", float(alarms))
    record_property("false warnings", float(right.count(WARNING) / trials))
    is_long = trials >= 1_000
    assert found >= (0.95 if is_long else 0.95 - chance_margin(0.95, trials))
    assert blocked >= (0.87 if is_long else 0.88 - chance_margin(0.88, trials))
    assert alarms <= (0.002 if is_long else 0.015)


def ratio_check(chance: Generator, share: float, units: int = 2_000) -> str:
    columns = Columns()
    columns.units = [""] * units
    columns.exposed = list(range(units))
    columns.treated = (chance.random(units) < share).tolist()
    columns.exposed_us = [0] * units
    columns.shares = [0.5] * units
    return sample_ratio(unit_table(columns, ())).level


@pytest.mark.parametrize("trials", [300, pytest.param(5_000, marks=pytest.mark.slow)],
                         ids=["short", "long"])  # fmt: skip
def test_the_past_sharpens_and_does_not_mislead(
    trials: int, record_property: Callable[[str, object], None]
) -> None:
    chance, wins, reductions = np.random.default_rng(107), 0, []
    rules = ONCE._replace(cuped=True)
    for _ in range(trials):
        arms = []
        for _ in range(2):
            habit = chance.normal(10, 2, 30)
            values = habit + chance.normal(0, 1, 30)
            past = np.where(chance.random(30) < 0.9, habit + chance.normal(0, 1, 30), np.nan)
            arms.append(Sample(values, np.ones(30), past))
        found = compare(Metric.DURATION, arms[0], arms[1], rules)
        assert found is not None
        wins += found.p_value <= 0.05
        reductions.append(found.variance_reduction or 0.0)
    record_property("rate", float(wins / trials))
    assert wins / trials <= (0.06 if trials >= 3_000 else 0.05 + chance_margin(0.05, trials))
    assert float(np.mean(reductions)) > 0.4
