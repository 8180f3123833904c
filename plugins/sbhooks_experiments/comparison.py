"""One metric compared between the variants: the test that fits, its name, and an interval.

==================================  ==========================  ==============================
each unit has                       fixed horizon               at any time (the default)
==================================  ==========================  ==============================
one outcome that succeeds or not    Barnard up to 1,000 units,  e-value and confidence sequence
                                    z above; Newcombe interval  of the rates with one success
                                                                and one failure added
one number                          Welch (or Student)          the same, from Welch's error
several outcomes                    delta method, Welch's t     the same, from its error
==================================  ==========================  ==============================

Where units have a past that says something about them, the comparison is sharpened by it
(CUPED), and says how much of the variance went. Where skewed values and variants of different
size would make a t statistic err, it is corrected for that, and the test's name says so.

References:
    Agresti & Caffo, *Simple and effective confidence intervals for proportions*, The American
    Statistician 54 (2000).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from sbhooks_experiments import cuped, sequential
from sbhooks_experiments.plan import Metric
from sbhooks_experiments.statistics import (
    Arm,
    Difference,
    arm,
    barnard,
    interval_t,
    newcombe,
    no_spread,
    plus_one,
    pooled_z,
    student,
    two_sided,
    welch,
)
from sbhooks_experiments.units import Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

EXACT_UP_TO = 1_000  #: Units of both variants up to which proportions are tested exactly.
#: How far two values of a metric can be apart; an interval ends there at the latest.
MOST = {Metric.COMPLETION_RATE: 1.0, Metric.RATING: 4.0}


class Rules(NamedTuple):
    """How to compare.

    Attributes:
        alpha: Level of the interval.
        tuned: Level for which the mixture of the e-value is tuned.
        planned: Number of units for which it is tuned.
        any_time: Whether the result holds at any time, or once.
        method: ``"welch"`` or ``"student"``.
        cuped: Whether a unit's past may be used.
    """

    alpha: float = 0.05
    tuned: float = 0.05
    planned: int = 1000
    any_time: bool = True
    method: str = "welch"
    cuped: bool = True


class Compared(msgspec.Struct, frozen=True, kw_only=True):
    """The result for one metric.

    Attributes:
        test: Name of the test that was chosen.
        control: Arm of the control, as observed.
        treatment: Arm of the treatment, as observed.
        effect: Treatment less control; adjusted for the past where that was used.
        low: Lower end of the interval; ``None`` where nothing can be said.
        high: Upper end.
        p_value: Probability of such a difference, or a larger one, where there is none.
        e_value: Evidence against "no difference"; only where the result holds at any time.
        variance_reduction: Share of the variance that the units' past explains; ``None``
            where it was not used.
        adjusted: The arms behind effect and interval.
    """

    test: str
    control: Arm
    treatment: Arm
    effect: float
    low: float | None
    high: float | None
    p_value: float
    e_value: float | None = None
    variance_reduction: float | None = None
    adjusted: tuple[Arm, Arm]


def compare(metric: Metric, control: Sample, treatment: Sample, rules: Rules) -> Compared | None:
    """Compare two variants; ``None`` when either has fewer than two units with data."""
    if min(control.n, treatment.n) < 2:
        return None
    single = bool((control.bottom == 1).all() and (treatment.bottom == 1).all())
    binary = single and metric is Metric.COMPLETION_RATE
    arms = (
        arm(control.top, control.bottom, binary=binary),
        arm(treatment.top, treatment.bottom, binary=binary),
    )
    adjusted, reduction = cuped.adjusted(control, treatment) if rules.cuped else (None, None)
    if adjusted is None and binary:
        found = _proportions(arms, rules)
    else:
        name = "ratio of sums (delta method" if not single else "means (Student" if (
            rules.method == "student"
        ) else "means (Welch"  # fmt: skip
        past = ", past used)" if adjusted else ")"
        found = _means(arms, adjusted or arms, rules, name + past, pooled=single)
    if found.low is not None and found.high is not None:
        low, high = _clipped(found.low, found.high, MOST.get(metric))
        found = msgspec.structs.replace(found, low=low, high=high)
    return msgspec.structs.replace(found, variance_reduction=reduction)


def _clipped(low: float, high: float, most: float | None) -> tuple[float, float]:
    """An interval without what cannot be: the true difference is in both or in neither."""
    return (low, high) if most is None else (
        min(max(low, -most), most), max(min(high, most), -most)
    )  # fmt: skip


def difference_of(arms: tuple[Arm, Arm], factor: float = 1.0) -> Difference:
    """Treatment less ``factor`` times control, with an error that is 0 for no good reason."""
    if arms[0].successes is not None and arms[1].successes is not None:
        arms = plus_one(arms[0]), plus_one(arms[1])
    return welch(*arms, factor)


def _proportions(arms: tuple[Arm, Arm], rules: Rules) -> Compared:
    control, treatment = arms
    effect = treatment.value - control.value
    if rules.any_time:
        return _at_any_time(arms, arms, difference_of(arms), rules, "proportions")
    exact = control.n + treatment.n <= EXACT_UP_TO
    low, high = newcombe(control, treatment, rules.alpha)
    return Compared(
        test="proportions (Barnard, exact)" if exact else "proportions (z, pooled)",
        control=control, treatment=treatment, effect=effect, low=low, high=high,
        p_value=(barnard if exact else pooled_z)(control, treatment), adjusted=arms,
    )  # fmt: skip


def _means(
    arms: tuple[Arm, Arm], adjusted: tuple[Arm, Arm], rules: Rules, name: str, *, pooled: bool
) -> Compared:
    by_student = pooled and rules.method == "student"
    difference = student(*adjusted) if by_student else welch(*adjusted)
    if difference.se == 0:
        return _without_spread(arms, adjusted, rules)
    if rules.any_time:
        return _at_any_time(arms, adjusted, difference, rules, name)
    low, high = interval_t(difference, rules.alpha)
    return Compared(
        test=_named(name, difference), control=arms[0], treatment=arms[1],
        effect=difference.effect, low=low, high=high, p_value=two_sided(difference),
        adjusted=adjusted,
    )  # fmt: skip


def _at_any_time(
    arms: tuple[Arm, Arm], adjusted: tuple[Arm, Arm], difference: Difference, rules: Rules,
    name: str,
) -> Compared:  # fmt: skip
    units = arms[0].n + arms[1].n
    e = sequential.e_value(difference, units, rules.planned, rules.tuned)
    k = units * sequential.tuning(rules.planned, rules.tuned)
    low, high = sequential.interval(difference, k, rules.alpha)
    effect = adjusted[1].value - adjusted[0].value
    return Compared(
        test=f"{_named(name, difference)}, always valid", control=arms[0], treatment=arms[1],
        effect=effect, low=low, high=high, p_value=min(1.0, 1 / e), e_value=e, adjusted=adjusted,
    )  # fmt: skip


def _named(test: str, difference: Difference) -> str:
    return f"{test}, corrected for skew" if difference.skew else test


def _without_spread(arms: tuple[Arm, Arm], adjusted: tuple[Arm, Arm], rules: Rules) -> Compared:
    """Units of a variant are all alike: how they could have been dealt out is all there is."""
    p = no_spread(*adjusted)
    # Under "no difference", the chances of this at each later number of units add up to p / 3.
    p = min(1.0, 2 * p) if rules.any_time else p
    effect = adjusted[1].value - adjusted[0].value
    certain = p <= rules.alpha or effect == 0
    return Compared(
        test="permutation (no spread within variants)",
        control=arms[0], treatment=arms[1], effect=effect,
        low=effect if certain else None, high=effect if certain else None,
        p_value=p, e_value=(1 / p) if rules.any_time else None, adjusted=adjusted,
    )  # fmt: skip


def bounds(
    arms: tuple[Arm, Arm], rules: Rules, factor: float = 1.0, *, most: float | None = None
) -> tuple[float, float] | None:
    """The interval of treatment less ``factor`` times control; ``None`` where there is none.

    Args:
        arms: Control and treatment.
        rules: How to compare.
        factor: What the control is multiplied by.
        most: How far two values can be apart; only without a factor is that a limit.
    """
    difference = difference_of(arms, factor)
    if difference.se == 0:
        return difference.effect, difference.effect
    if not rules.any_time:
        ends = interval_t(difference, rules.alpha)
    else:
        k = (arms[0].n + arms[1].n) * sequential.tuning(rules.planned, rules.tuned)
        ends = sequential.interval(difference, k, rules.alpha)
    if not all(map(math.isfinite, ends)):
        return None
    return _clipped(*ends, most if factor == 1 else None)
