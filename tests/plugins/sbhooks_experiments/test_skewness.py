"""Skewness taken out of t statistics."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sbhooks_experiments.comparison import Rules, compare
from sbhooks_experiments.plan import Metric
from sbhooks_experiments.skewness import LEAST, skewness, within, without
from sbhooks_experiments.statistics import arm, interval_t, two_sided, welch
from sbhooks_experiments.units import Sample

ONCE = Rules(any_time=False, cuped=False)


def durations(n: int, seed: int = 1) -> Sample:
    values = np.random.default_rng(seed).lognormal(0, 1, n)
    return Sample(values, np.ones(n), np.full(n, np.nan))


@given(st.floats(-40, 40), st.floats(-2, 2).filter(lambda skew: abs(skew) >= LEAST))
def test_what_is_taken_out_can_be_put_back(t: float, skew: float) -> None:
    assert within(without(t, skew), skew) == pytest.approx(t, abs=1e-4)
    assert without(-t, -skew) == pytest.approx(-without(t, skew))


def test_nothing_changes_without_skewness() -> None:
    assert (without(1.5, 0.0), within(1.5, 0.0)) == (1.5, 1.5)


def test_variants_of_the_same_size_have_welchs_test() -> None:
    """Whose skewness is the same drops out of the difference."""
    found = compare(Metric.DURATION, durations(60), durations(60, seed=2), ONCE)
    assert found is not None
    assert found.test == "means (Welch)"


def test_the_skewness_of_a_difference_is_that_of_its_parts() -> None:
    """Two samples of one distribution: (1/m² - 1/n²) / (1/m + 1/n)^1.5 of its skewness."""
    values = np.array([0.0] * 9 + [10.0])  # skewness 8/3, whatever the unit
    control, treatment = np.tile(values, 16), np.tile(values, 4)
    arms = [arm(one, np.ones(len(one))) for one in (control, treatment)]
    share = (1 / 40**2 - 1 / 160**2) / (1 / 40 + 1 / 160) ** 1.5
    # The variance divides by n - 1 in each, so a little more than the n of moments.
    assert skewness(*arms) == pytest.approx(8 / 3 * share, rel=0.02)
    assert skewness(arms[1], arms[0]) == pytest.approx(-skewness(*arms))
    assert skewness(*arms, factor=-1.0) != skewness(*arms)


@pytest.mark.parametrize("rules", [ONCE, ONCE._replace(any_time=True)])
def test_test_and_interval_are_corrected_alike_and_say_so(rules: Rules) -> None:
    found = compare(Metric.DURATION, durations(96), durations(24, seed=2), rules)
    assert found is not None
    assert found.test.startswith("means (Welch), corrected for skew")
    assert found.low is not None and found.high is not None
    assert found.high - found.effect != pytest.approx(found.effect - found.low, rel=0.01)
    difference = welch(found.control, found.treatment)
    at_p = interval_t(difference, two_sided(difference))
    assert min(map(abs, at_p)) == pytest.approx(0, abs=1e-9)  # there, one end is "no difference"


def test_the_seeds_method_stays_as_it_was() -> None:
    rules = ONCE._replace(method="student")
    found = compare(Metric.DURATION, durations(96), durations(24, seed=2), rules)
    assert found is not None
    assert found.test == "means (Student)"
