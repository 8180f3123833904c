"""Our figures against those of others, computed once with the named versions.

The samples in ``two_samples.json`` are random numbers (numpy, seed 20261121): a and b are one
number per unit, ta / na and tb / nb several per unit, pa and pb their past. The figures come from

* tea-tasting 1.14.0: ``Mean``, ``Mean(equal_var=True)``, ``RatioOfMeans``, ``Mean(covariate=)``;
* gbstats 0.8.0: ``TwoSidedTTest`` and ``SequentialTwoSidedTTest`` with absolute differences;
* statsmodels 0.15.0: ``TTestIndPower``, ``confint_proportions_2indep(method="newcomb")``,
  ``proportions_ztest``, ``multipletests``;
* scipy 1.17.1: ``barnard_exact``.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from sbhooks_experiments import sequential
from sbhooks_experiments.comparison import Rules, compare
from sbhooks_experiments.decision import benjamini_hochberg, holm
from sbhooks_experiments.plan import Metric
from sbhooks_experiments.power import power_of, required_units
from sbhooks_experiments.statistics import Arm, Difference, arm, barnard, newcombe, pooled_z, welch
from sbhooks_experiments.units import Sample

DATA = {
    name: np.array(values)
    for name, values in json.loads(
        Path(__file__).with_name("two_samples.json").read_text(encoding="utf-8")
    ).items()
}
ONCE = Rules(any_time=False, cuped=False)


def sample(top: str, bottom: str | None = None, past: str | None = None) -> Sample:
    values = DATA[top]
    return Sample(
        values,
        np.ones(len(values)) if bottom is None else DATA[bottom].astype(float),
        np.full(len(values), np.nan) if past is None else DATA[past],
    )


def share(successes: int, n: int) -> Arm:
    rate = successes / n
    return Arm(n=n, value=rate, variance=rate * (1 - rate), successes=successes)


@pytest.mark.parametrize(
    ("control", "treatment", "rules", "expected"),
    [
        (("a",), ("b",), ONCE,
         (-0.0056748387096785535, -1.379233138288924, 1.367883460869567, 0.9934006786733878)),
        (("a",), ("b",), ONCE._replace(method="student"),
         (-0.0056748387096785535, -1.4661417186272538, 1.4547920412078967, 0.9938130711886789)),
        (("ta", "na"), ("tb", "nb"), ONCE,
         (-0.03517484008528626, -1.476370424996071, 1.4060207448254984, 0.9610575487636818)),
    ],
    ids=["welch", "student", "ratio"],
)  # fmt: skip
def test_means_and_ratios_agree_with_tea_tasting(
    control: tuple[str, ...], treatment: tuple[str, ...], rules: Rules, expected: tuple[float, ...]
) -> None:
    found = compare(Metric.DURATION, sample(*control), sample(*treatment), rules)
    assert found is not None
    assert (found.effect, found.low, found.high, found.p_value) == pytest.approx(expected, rel=1e-9)


def test_what_the_past_explains_agrees_with_tea_tasting() -> None:
    rules = ONCE._replace(cuped=True)
    found = compare(Metric.DURATION, sample("a", past="pa"), sample("b", past="pb"), rules)
    assert found is not None
    assert found.variance_reduction is not None and found.variance_reduction > 0.5
    # It takes the slope from both samples as one, we within each: the same for large samples.
    assert found.effect == pytest.approx(0.6620141464235392, rel=0.05)
    assert (found.low, found.high) == pytest.approx((0.1492, 1.1748), abs=0.05)


@pytest.mark.parametrize(
    ("tuned", "names", "low", "high"),
    [
        (200, (("a",), ("b",)), -2.204643571683029, 2.193293894263668),
        (5000, (("a",), ("b",)), -5.893268330496693, 5.881918653077332),
        (200, (("ta", "na"), ("tb", "nb")), -2.3444617734762048, 2.2741120933056322),
        (5000, (("ta", "na"), ("tb", "nb")), -6.218138024521772, 6.147788344351199),
    ],
)
def test_confidence_sequences_agree_with_gbstats(
    tuned: int, names: tuple[tuple[str, ...], tuple[str, ...]], low: float, high: float
) -> None:
    samples = [sample(*each) for each in names]
    measured = welch(*(arm(s.top, s.bottom) for s in samples))
    # It takes the standard error for known; we allow for its being estimated.
    certain = Difference(effect=measured.effect, se=measured.se, df=math.inf)
    k = sum(s.n for s in samples) * sequential.tuning(tuned, 0.05)
    assert sequential.interval(certain, k, 0.05) == pytest.approx((low, high), rel=1e-9)
    wider = sequential.interval(measured, k, 0.05)
    assert wider[0] < low < high < wider[1]


def test_a_ratio_agrees_with_gbstats() -> None:
    found = compare(Metric.DURATION, sample("ta", "na"), sample("tb", "nb"), ONCE)
    assert found is not None
    assert (found.low, found.high, found.p_value) == pytest.approx(
        (-1.4763704249960705, 1.406020744825498, 0.9610575487636819)
    )


@pytest.mark.parametrize(
    ("treatment", "control", "expected"),
    [
        ((56, 70), (48, 80), (0.05243147240236498, 0.33387265403690614)),
        ((9, 10), (3, 10), (0.1705227239345029, 0.809017973535488)),
        ((10, 10), (0, 10), (0.6075093504305241, 1.0)),
        ((5, 56), (0, 29), (-0.038137147903536936, 0.19256001385511165)),
    ],
)
def test_intervals_of_proportions_agree_with_statsmodels(
    treatment: tuple[int, int], control: tuple[int, int], expected: tuple[float, float]
) -> None:
    found = newcombe(share(*control), share(*treatment), 0.05)
    assert found == pytest.approx(expected, abs=1e-9)


def test_the_large_sample_test_of_proportions_agrees_with_statsmodels() -> None:
    found = pooled_z(share(1200, 2000), share(1290, 2000))
    assert found == pytest.approx(0.003329941193615098, rel=1e-9)


def test_the_exact_test_of_proportions_is_barnards() -> None:
    # The table of Mehta & Senchaudhuri 2003 that scipy's documentation shows.
    assert barnard(share(12, 15), share(7, 15)) == pytest.approx(0.06815343273153582, rel=1e-6)
    assert barnard(share(45, 100), share(30, 100)) == pytest.approx(0.029544056535987597, rel=1e-6)


@pytest.mark.parametrize(
    ("effect", "ratio", "first"),
    [(0.5, 1, 63.76561058891169), (0.2, 1, 393.4056930002526), (0.8, 1, 25.524571854446116),
     (0.3, 0.5, 262.915312821909)],
)  # fmt: skip
def test_planned_units_agree_with_statsmodels(effect: float, ratio: float, first: float) -> None:
    found = required_units(
        effect, 1.0, ratio=ratio / (1 + ratio), alpha=0.05, power=0.8, any_time=False
    )
    assert found == math.ceil(first * (1 + ratio))


def test_power_agrees_with_statsmodels() -> None:
    for effect, n, ratio, expected in (
        (0.5, 30, 1, 0.4778965207601643), (0.4, 100, 2, 0.9024225644709718),
    ):  # fmt: skip
        found = power_of(
            effect, 1.0, n * (1 + ratio), ratio=ratio / (1 + ratio), alpha=0.05, any_time=False
        )
        assert found == pytest.approx(expected, rel=1e-6)


def test_corrections_agree_with_statsmodels() -> None:
    p_values = [0.01, 0.04, 0.03, 0.005, 0.5]
    assert holm(p_values) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.5])
    assert benjamini_hochberg(p_values) == pytest.approx([0.025, 0.05, 0.05, 0.025, 0.5])
