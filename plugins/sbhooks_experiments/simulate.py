"""A/A tests on the user's own history: how often would a winner be named where there is none?

The units that were really there are dealt out at random, many times, to two variants that do not
differ, and each time the result is read as an experiment's would be. What share of these trials
names a winner is the real false-positive rate on these data, whatever theory says. For
comparison the same trials are judged in two ways that are common and wrong: by a t test over
single events, and by a t test that is repeated at every look.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import msgspec

from sbhooks.wording import count
from sbhooks_experiments.comparison import Rules, compare
from sbhooks_experiments.plan import Metric
from sbhooks_experiments.statistics import Arm, two_sided, welch
from sbhooks_experiments.units import Sample

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sbhooks.store import Rollup

LEAST_UNITS = 20
_FEWEST_AT_A_LOOK = 5  # units per variant


class Simulation(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks experiment simulate --json` prints. Rates are shares of them, 0 to 1.

    Attributes:
        metric: What was compared.
        unit: What was dealt out.
        units: How many units the history has.
        events: How many events they have.
        trials: How often they were dealt out.
        looks: How often each trial was looked at.
        alpha: The rate that was promised.
        seed: Of the random numbers; the same gives the same trials.
        always_valid: Rate of the default, read at every look.
        fixed: Rate of one look at the end, per unit.
        repeated: Rate of the same test repeated at every look: do not do this.
        per_event: Rate of a t test over single events: do not do this.
        margin: Half the width of the 95 % interval of a rate near ``alpha``.
        reason: Why there are no rates; ``None`` when there are.
    """

    metric: str
    unit: str
    units: int
    events: int
    trials: int
    looks: int
    alpha: float
    seed: int
    always_valid: float | None = None
    fixed: float | None = None
    repeated: float | None = None
    per_event: float | None = None
    margin: float | None = None
    reason: str | None = None


class History(msgspec.Struct, frozen=True, kw_only=True):
    """Units in order of their first event, each with its sums.

    Attributes:
        top: Numerator of each unit.
        bottom: Denominator.
        squares: Sum of the squares of what the numerator adds up.
    """

    top: list[float]
    bottom: list[float]
    squares: list[float]


def history_of(rows: Sequence[Rollup], metric: Metric) -> History:
    """The units' sums from the store's; those without data for the metric are left out."""
    found = History(top=[], bottom=[], squares=[])
    for row in rows:
        if metric is Metric.COMPLETION_RATE:
            good = float(row.outcomes.get("success", 0))
            values = good, float(row.n), good
        else:
            values = row.duration_sum, float(row.duration_n), row.duration_sum_squares
        if values[1]:
            for column, value in zip((found.top, found.bottom, found.squares), values, strict=True):
                column.append(value)
    return found


def simulate(
    history: History, metric: Metric, unit: str, *, trials: int, looks: int, alpha: float, seed: int
) -> Simulation:
    """Replay a history as trials without a difference.

    Args:
        history: What is dealt out.
        metric: What is compared.
        unit: What a unit is.
        trials: How often.
        looks: How often each trial is looked at, evenly over its units.
        alpha: Level of every test.
        seed: Of the random numbers.
    """
    import numpy as np

    n = len(history.top)
    common = {
        "metric": metric, "unit": unit, "units": n, "events": round(sum(history.bottom)),
        "trials": trials, "looks": looks, "alpha": alpha, "seed": seed,
    }  # fmt: skip
    if n < LEAST_UNITS:
        reason = f"not enough data: {count(n, 'unit')} with data, {LEAST_UNITS} are needed"
        return Simulation(**common, reason=reason)  # type: ignore[arg-type]  # a dict of fields
    dealer = np.random.default_rng(seed)
    replay = _Replay(history, metric, alpha)
    ends = sorted({max(LEAST_UNITS // 2, round(n * (k + 1) / looks)) for k in range(looks)})
    found = np.zeros(4)
    for _ in range(trials):
        found += replay.trial(dealer.random(n) < 0.5, ends)
    rates = dict(
        zip(("always_valid", "fixed", "repeated", "per_event"), (found / trials).tolist(),
            strict=True)
    )  # fmt: skip
    margin = 1.96 * math.sqrt(alpha * (1 - alpha) / trials)
    return Simulation(**common, **rates, margin=margin)  # type: ignore[arg-type]


class _Replay:
    """One history, dealt out again and again."""

    def __init__(self, history: History, metric: Metric, alpha: float) -> None:
        import numpy as np

        self._top = np.asarray(history.top)
        self._bottom = np.asarray(history.bottom)
        self._squares = np.asarray(history.squares)
        self._past = np.full(len(self._top), np.nan)
        self._metric, self._alpha = metric, alpha
        n = len(self._top)
        self._once = Rules(alpha=alpha, tuned=alpha, planned=n, any_time=False, cuped=False)
        self._always = self._once._replace(any_time=True)

    def trial(self, treated: NDArray[np.bool_], ends: Sequence[int]) -> NDArray[np.float64]:
        """1 for each way of judging that names a winner."""
        import numpy as np

        always = repeated = last = False
        for end in ends:
            arms = self._sample(~treated, end), self._sample(treated, end)
            if min(arm.n for arm in arms) < _FEWEST_AT_A_LOOK:
                continue
            found = compare(self._metric, *arms, self._always)
            always = always or (found is not None and found.p_value <= self._alpha)
            once = compare(self._metric, *arms, self._once)
            last = once is not None and once.p_value <= self._alpha
            repeated = repeated or last
        return np.array([always, last, repeated, self._per_event(treated)], dtype=np.float64)

    def _sample(self, mask: NDArray[np.bool_], end: int) -> Sample:
        chosen = mask[:end]
        return Sample(self._top[:end][chosen], self._bottom[:end][chosen], self._past[:end][chosen])

    def _per_event(self, treated: NDArray[np.bool_]) -> bool:
        arms = []
        for mask in (~treated, treated):
            n = float(self._bottom[mask].sum())
            if n < 2:
                return False
            mean = float(self._top[mask].sum()) / n
            variance = max(0.0, float(self._squares[mask].sum()) - n * mean * mean) / (n - 1)
            arms.append(Arm(n=int(n), value=mean, variance=variance))
        difference = welch(arms[0], arms[1])
        return bool(difference.se > 0 and two_sided(difference) <= self._alpha)
