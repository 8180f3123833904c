"""The scale on which the spread of a rate does not depend on the rate.

Anscombe's form of the arcsine transformation ("The transformation of Poisson, binomial and
negative-binomial data", Biometrika 35, 1948), and its exact inverse: shown must be the rate that
was counted. Without regard to ``n`` a rate of 95 % from twenty would come back as 93 %.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

_C = 0.375


def angle_of(hits: Floats, n: Floats) -> Floats:
    """Rates on the scale.

    Args:
        hits: Any shape, of 0 to ``n``.
        n: The same shape; without any the result is NaN.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(n > 0, np.arcsin(np.sqrt((hits + _C) / (n + 2 * _C))), np.nan))


def rate_of(angle: float, n: float) -> float:
    """The rate with this angle where each point comes from ``n``; a fraction in [0, 1]."""
    share = float(np.sin(np.clip(angle, 0, np.pi / 2)) ** 2)
    return min(max((share * (n + 2 * _C) - _C) / n, 0.0), 1.0)
