"""From events to units: every later step sees one row per unit, and nothing else.

Outcomes before a unit's first exposure do not count for the comparison; they are the unit's
past. A unit that was seen under both variants is left out, and counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

from sbhooks_experiments.plan import Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from sbhooks_experiments.log import Columns

    Floats = NDArray[np.float64]
    Bools = NDArray[np.bool_]

_NEVER = (1 << 63) - 1


class Past(NamedTuple):
    """What a unit did before the experiment began: sums per metric.

    Attributes:
        top: Metric → sum of numerators.
        bottom: Metric → sum of denominators.
    """

    top: Mapping[Metric, float]
    bottom: Mapping[Metric, float]


class Sample(NamedTuple):
    """One variant's units that have something to say about a metric.

    Attributes:
        top: Numerator of each unit.
        bottom: Denominator of each unit, above 0.
        past: The metric in each unit's past; not a number where it has none.
    """

    top: Floats
    bottom: Floats
    past: Floats

    @property
    def n(self) -> int:
        """Number of units."""
        return len(self.top)


class UnitTable(NamedTuple):
    """All units of an experiment.

    Attributes:
        names: Of the units.
        exposed: Which of them met a variant, before leaving any out.
        treated: Which of those met the treatment first.
        crossed: Which were seen under both.
        used: Which of them are compared.
        first_us: Time of the first exposure.
        share: The treatment's share when the unit was assigned.
        top: Metric → numerator of each unit since its exposure.
        bottom: Metric → denominator likewise.
        past: Metric → value in each unit's past; not a number where it has none.
        early: Number of outcomes before the unit's exposure.
        outcomes: Number of outcomes that count.
    """

    names: list[str]
    exposed: Bools
    treated: Bools
    crossed: Bools
    used: Bools
    first_us: NDArray[np.int64]
    share: Floats
    top: dict[Metric, Floats]
    bottom: dict[Metric, Floats]
    past: dict[Metric, Floats]
    early: int
    outcomes: int

    def compared(self, *, treated: bool) -> int:
        """Number of units of a variant that are compared."""
        return int((self.used & (self.treated == treated)).sum())

    def sample(self, metric: Metric, *, treated: bool) -> Sample:
        """A variant's units for a metric."""
        mask = self.used & (self.treated == treated) & (self.bottom[metric] > 0)
        return Sample(self.top[metric][mask], self.bottom[metric][mask], self.past[metric][mask])


def unit_table(
    columns: Columns,
    metrics: Sequence[Metric],
    *,
    most: int | None = None,
    history: Mapping[str, Past] | None = None,
) -> UnitTable:
    """Sum up outcomes per unit.

    Args:
        columns: Of one experiment, oldest first.
        metrics: What to sum up.
        most: Only that many units count, in order of their first exposure.
        history: Unit → its past from before the experiment.
    """
    import numpy as np

    size = len(columns.units)
    exposed_unit = np.asarray(columns.exposed, dtype=np.int64)
    treated_row = np.asarray(columns.treated, dtype=bool)
    first = np.full(size, _NEVER, dtype=np.int64)
    treated, share = np.zeros(size, dtype=bool), np.full(size, 0.5)
    # Backwards, so that what came first is written last.
    backwards = exposed_unit[::-1]
    first[backwards] = np.asarray(columns.exposed_us, dtype=np.int64)[::-1]
    treated[backwards] = treated_row[::-1]
    share[backwards] = np.asarray(columns.shares, dtype=np.float64)[::-1]
    met_treatment = np.bincount(exposed_unit[treated_row], minlength=size) > 0
    met_control = np.bincount(exposed_unit[~treated_row], minlength=size) > 0
    crossed, exposed = met_treatment & met_control, met_treatment | met_control
    acted = np.asarray(columns.acted, dtype=np.int64)
    after = np.asarray(columns.acted_us, dtype=np.int64) >= first[acted]
    top, bottom, past = {}, {}, {}
    for metric in metrics:
        sums = _sums(columns, metric, acted, after, size)
        top[metric], bottom[metric] = sums[0], sums[1]
        past[metric] = _past(metric, columns.units, sums[2], sums[3], history or {})
    return UnitTable(
        columns.units, exposed, treated, crossed, _first_ones(exposed, first, most) & ~crossed,
        first, share, top, bottom, past,
        early=int((~after & exposed[acted]).sum()), outcomes=int(after.sum()),
    )  # fmt: skip


def _first_ones(exposed: Bools, first: NDArray[np.int64], most: int | None) -> Bools:
    import numpy as np

    if most is None or int(exposed.sum()) <= most:
        return exposed
    chosen = np.zeros_like(exposed)
    chosen[np.argsort(first, kind="stable")[:most]] = True
    return chosen & exposed


def _sums(
    columns: Columns, metric: Metric, acted: NDArray[np.int64], after: Bools, size: int
) -> tuple[Floats, Floats, Floats, Floats]:
    """Numerators and denominators per unit, since exposure and before it."""
    import numpy as np

    if metric is Metric.COMPLETION_RATE:
        values = np.asarray(columns.completed, dtype=np.float64)
        known = np.ones(len(values), dtype=bool)
    else:
        raw = columns.seconds if metric is Metric.DURATION else columns.stars
        values = np.asarray(raw, dtype=np.float64)
        known = ~np.isnan(values)
        values = np.where(known, values, 0.0)
    counts = known & after
    top = _added(acted, values * counts, size)
    bottom = _added(acted, counts, size)
    if after.all():
        return top, bottom, np.zeros(size), np.zeros(size)
    early = known & ~after
    return (
        top,
        bottom,
        _added(acted, values * early, size),
        _added(acted, early, size),
    )


def _added(acted: NDArray[np.int64], weights: Floats | Bools, size: int) -> Floats:
    """Sums of weights per unit."""
    import numpy as np

    return np.bincount(acted, weights=weights, minlength=size).astype(np.float64, copy=False)


def _past(
    metric: Metric, names: list[str], top: Floats, bottom: Floats, history: Mapping[str, Past]
) -> Floats:
    """The metric in each unit's past, from outcomes before exposure and from history."""
    import numpy as np

    for number, name in enumerate(names) if history else ():
        if name in history:
            top[number] += history[name].top.get(metric, 0.0)
            bottom[number] += history[name].bottom.get(metric, 0.0)
    return np.where(bottom > 0, top / np.where(bottom > 0, bottom, 1.0), np.nan)
