"""How likely is the next attempt at a test to fail although the code is good?

The prior says: a test fails by itself once in a hundred times, as sure as after 20 attempts.
Evidence are attempts on code on which the test also passed: its failures there (reruns in one
run, runs of the same code) count whole. A failing run of the default branch between two passing
ones, on code that nobody knows to be the same, counts half: it may have been a real bug that was
put right at once.

A test that failed with probability p is *fixed* when it has passed ln 0.05 / ln(1 - p) times
since: a test that is not fixed passes as often with a probability of 5 %.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

PRIOR_FAILED, PRIOR_PASSED = 0.2, 19.8
FLIP_WEIGHT = 0.5
_FALSELY_FIXED = 0.05


class Posterior(NamedTuple):
    """A probability with its 95 % interval (equal tails)."""

    mean: float
    low: float
    high: float


@lru_cache(10_000)  # of a million tests most have been tried equally often, without a failure
def posterior(failed: float, attempts: float) -> Posterior:
    """The probability that an attempt fails by itself.

    Args:
        failed: Failures on code on which the test also passed; may be a fraction.
        attempts: All attempts there.
    """
    from scipy.stats import beta

    a, b = PRIOR_FAILED + failed, PRIOR_PASSED + max(attempts - failed, 0.0)
    low, high = beta.ppf([0.025, 0.975], a, b)
    return Posterior(a / (a + b), float(low), float(high))


def passes_needed(rate: float) -> int:
    """How often a test that fails with this probability must pass to be called fixed.

    Args:
        rate: From 0 to 1; with 0 nothing is to be fixed.
    """
    if rate <= 0:
        return 0
    if rate >= 1:
        return 1
    return math.ceil(math.log(_FALSELY_FIXED) / math.log1p(-rate))


def flips(verdicts: Sequence[bool]) -> int:
    """Single failing runs between two passing ones.

    Args:
        verdicts: Whether each run passed, oldest first.
    """
    return sum(
        before and after and not now
        for before, now, after in zip(verdicts, verdicts[1:], verdicts[2:], strict=False)
    )
