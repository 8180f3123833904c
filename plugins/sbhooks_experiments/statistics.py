"""Arms as sums over units, and the distributions that turn them into p-values and intervals.

The only observation that this module knows is a **unit**: :class:`Arm` is made from one pair of
sums per unit, so that a test over raw events cannot be written down. A mean is the ratio whose
denominators are all 1.

References:
    Deng, Knoblich & Lu, *Applying the Delta Method in Metric Analytics*, KDD 2018.
    Welch, *The generalization of Student's problem*, Biometrika 34 (1947).
    Newcombe, *Interval estimation for the difference between independent proportions*,
    Statistics in Medicine 17 (1998), method 10.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import msgspec

from sbhooks_experiments.skewness import skewness, within, without

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Arm(msgspec.Struct, frozen=True, kw_only=True):
    """One variant's units, summed up for one metric.

    Attributes:
        n: Number of units.
        value: The metric over all of them: sum of numerators by sum of denominators.
        variance: Variance between units of the linearised values; ``variance / n`` is the
            squared standard error of ``value``.
        successes: Where every unit is one success or failure, the number of successes.
        third: Third central moment of the linearised values.
    """

    n: int
    value: float
    variance: float
    successes: int | None = None
    third: float = 0.0

    @property
    def se2(self) -> float:
        """Squared standard error of the value."""
        return self.variance / self.n


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """An estimated difference with its standard error.

    Attributes:
        effect: Treatment less control.
        se: Standard error, 0 where units of a variant do not differ at all.
        df: Degrees of freedom of the standard error; infinite for large samples.
        skew: Skewness of the effect, taken out of tests and intervals; 0 where it is too
            small to matter.
    """

    effect: float
    se: float
    df: float
    skew: float = 0.0

    @property
    def t(self) -> float:
        """The t statistic of "there is no difference".

        Raises:
            ZeroDivisionError: No spread: ask :func:`no_spread`.
        """
        return without(self.effect / self.se, self.skew)

    def between(self, critical: float) -> tuple[float, float]:
        """The differences whose t statistic is at most ``critical``."""
        return (
            self.effect - within(critical, self.skew) * self.se,
            self.effect - within(-critical, self.skew) * self.se,
        )


def linearise(top: Floats, bottom: Floats) -> Floats:
    """Values whose mean is the ratio of two sums, and whose spread is the ratio's (delta method).

    Args:
        top: Numerator of each unit.
        bottom: Denominator of each unit, above 0 in sum.

    Returns:
        One value per unit; for denominators of 1 the numerators themselves.
    """
    ratio = top.sum() / bottom.sum()
    values: Floats = ratio + (top - ratio * bottom) / bottom.mean()
    return values


def arm(top: Floats, bottom: Floats, *, binary: bool = False) -> Arm:
    """Sum up one variant's units.

    Args:
        top: Numerator of each unit.
        bottom: Denominator of each unit.
        binary: Whether each unit is one success (1 of 1) or failure (0 of 1).
    """
    return of_values(linearise(top, bottom), int(top.sum()) if binary else None)


def of_values(values: Floats, successes: int | None = None) -> Arm:
    """Sum up linearised values of one variant's units, one each."""
    n = len(values)
    mean = float(values.mean())
    rest = values - mean
    squares = rest * rest
    variance = float(squares.sum() / (n - 1)) if n > 1 else 0.0
    # What is left of equal values after rounding is no spread.
    variance = variance if variance > (1e-12 * max(abs(mean), 1e-300)) ** 2 else 0.0
    third = float(squares @ rest) / n
    return Arm(n=n, value=mean, variance=variance, successes=successes, third=third)


def welch(control: Arm, treatment: Arm, factor: float = 1.0) -> Difference:
    """Treatment less ``factor`` times control, each with its own variance."""
    effect = treatment.value - factor * control.value
    c, t = factor**2 * control.se2, treatment.se2
    total = c + t
    if total == 0:
        return Difference(effect=effect, se=0.0, df=math.inf)
    df = total**2 / (c**2 / max(control.n - 1, 1) + t**2 / max(treatment.n - 1, 1))
    skew = skewness(control, treatment, factor)
    return Difference(effect=effect, se=math.sqrt(total), df=df, skew=skew)


def student(control: Arm, treatment: Arm) -> Difference:
    """The same with one variance for both, as the old system had it."""
    df = control.n + treatment.n - 2
    within = ((control.n - 1) * control.variance + (treatment.n - 1) * treatment.variance) / df
    se = math.sqrt(within * (1 / control.n + 1 / treatment.n))
    return Difference(effect=treatment.value - control.value, se=se, df=df)


def two_sided(difference: Difference) -> float:
    """The p-value of "there is no difference", by Student's t."""
    from scipy.special import stdtr

    return float(2 * stdtr(difference.df, -abs(difference.t)))


def interval_t(difference: Difference, alpha: float) -> tuple[float, float]:
    """The interval that holds with probability ``1 - alpha``."""
    from scipy.special import stdtrit

    return difference.between(float(stdtrit(difference.df, 1 - alpha / 2)))


def no_spread(control: Arm, treatment: Arm) -> float:
    """The p-value when no unit of a variant differs from its neighbours (permutation test).

    Of all ways to deal the units out, one (or two) separate the two values so clearly.
    """
    if math.isclose(control.value, treatment.value, rel_tol=1e-12, abs_tol=1e-15):
        return 1.0
    n = control.n + treatment.n
    log_ways = math.lgamma(n + 1) - math.lgamma(control.n + 1) - math.lgamma(treatment.n + 1)
    return min(1.0, (2 if control.n == treatment.n else 1) * math.exp(-log_ways))


def pooled_z(control: Arm, treatment: Arm) -> float:
    """The p-value of equal proportions for large samples: score test, pooled variance."""
    from scipy.special import ndtr

    a, b = control.successes or 0, treatment.successes or 0
    pooled = (a + b) / (control.n + treatment.n)
    variance = pooled * (1 - pooled) * (1 / control.n + 1 / treatment.n)
    if variance == 0:
        return 1.0
    return float(2 * ndtr(-abs(treatment.value - control.value) / math.sqrt(variance)))


def barnard(control: Arm, treatment: Arm) -> float:
    """The p-value of equal proportions, exact whatever the common rate is.

    References:
        Barnard, *Significance tests for 2 × 2 tables*, Biometrika 34 (1947);
        ``scipy.stats.barnard_exact`` with the pooled score statistic.
    """
    from scipy.stats import barnard_exact

    a, b = control.successes or 0, treatment.successes or 0
    if a + b in {0, control.n + treatment.n}:
        return 1.0
    table = [[b, a], [treatment.n - b, control.n - a]]
    return min(1.0, float(barnard_exact(table).pvalue))


def wilson(successes: int, n: int, z: float) -> tuple[float, float]:
    """The score interval of one proportion."""
    rate = successes / n
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def newcombe(control: Arm, treatment: Arm, alpha: float) -> tuple[float, float]:
    """The interval of the difference of two proportions, from the Wilson interval of each."""
    from scipy.special import ndtri

    z = float(ndtri(1 - alpha / 2))
    c, t = control.value, treatment.value
    c_low, c_high = wilson(control.successes or 0, control.n, z)
    t_low, t_high = wilson(treatment.successes or 0, treatment.n, z)
    return (
        max(-1.0, t - c - math.hypot(t - t_low, c_high - c)),
        min(1.0, t - c + math.hypot(t_high - t, c - c_low)),
    )


def plus_one(one: Arm) -> Arm:
    """A proportion with one success and one failure added (Agresti & Caffo 2000).

    Its variance is never 0, which sequential tests need while units are few.
    """
    successes = (one.successes or 0) + 1
    n = one.n + 2
    rate = successes / n
    return Arm(n=n, value=rate, variance=rate * (1 - rate), successes=successes)
