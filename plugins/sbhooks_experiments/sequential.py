"""Results that may be looked at as often as one likes.

An ordinary p-value is right once. Looked at 40 times on the way, it calls a winner in about a
third of the experiments in which nothing differs. A **confidence sequence** holds at all times at
once: with probability ``1 - alpha`` the true difference never leaves it. Its counterpart is an
**e-value**: evidence against "no difference", that of a bettor who starts with 1; under no
difference it ever exceeds ``1 / alpha`` with probability ``alpha`` at most, so ``1 / e`` is a
p-value that may be read at any time.

The mixture is tuned to be narrowest when the planned number of units is reached. With few units
the standard error is itself uncertain; a t statistic is therefore first replaced by the normal
one with the same tail, and freed of skewness where that matters (:mod:`.skewness`).

References:
    Waudby-Smith, Arbour, Sinha, Kennedy & Ramdas, *Time-uniform central limit theory and
    asymptotic confidence sequences*, Annals of Statistics 52 (2024), equations 9 and 161.
    Howard, Ramdas, McAuliffe & Sekhon, *Time-uniform, nonparametric, nonasymptotic confidence
    sequences*, Annals of Statistics 49 (2021).
"""

from __future__ import annotations

import math

from sbhooks_experiments.statistics import Difference

_LARGEST_LOG = 700.0  # e**709 is the largest float


def tuning(planned: int, alpha: float) -> float:
    """The mixture's variance by which the sequence is narrowest after ``planned`` units."""
    log = -2 * math.log(alpha)
    return (log + math.log(log + 1)) / max(planned, 2)


def e_value(difference: Difference, units: int, planned: int, alpha: float) -> float:
    """Evidence against "no difference"; 1 for none, above ``1 / alpha`` for enough.

    Args:
        difference: With a standard error above 0.
        units: Number of units of both variants.
        planned: Number for which the experiment is planned.
        alpha: Level for which the mixture is tuned.
    """
    k = units * tuning(planned, alpha)
    z2 = normal_equivalent(difference.t, difference.df) ** 2
    log = z2 * k / (2 * (k + 1)) - math.log(k + 1) / 2
    return math.exp(min(log, _LARGEST_LOG))


def interval(difference: Difference, k: float, alpha: float) -> tuple[float, float]:
    """The confidence sequence as it stands.

    Args:
        difference: With its standard error.
        k: Number of units times :func:`tuning`.
        alpha: Probability with which the true difference may ever leave the sequence.
    """
    z = math.sqrt((k + 1) / k * (math.log(k + 1) - 2 * math.log(alpha)))
    return difference.between(t_equivalent(z, difference.df))


def normal_equivalent(t: float, df: float) -> float:
    """The standard normal deviate with the same tail as a value of Student's t."""
    from scipy.special import ndtri, stdtr

    if math.isinf(df) or t == 0:
        return abs(t)
    tail = float(stdtr(df, -abs(t)))
    return -float(ndtri(tail)) if tail > 0 else 38.0  # the largest with a tail above 0


def t_equivalent(z: float, df: float) -> float:
    """The value of Student's t with the same tail as a standard normal deviate."""
    from scipy.special import ndtr, stdtrit

    return z if math.isinf(df) else -float(stdtrit(df, float(ndtr(-z))))
