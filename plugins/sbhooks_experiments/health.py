"""What must hold before anybody may believe a result.

Each check says ``ok``, ``warning``, ``blocking`` or ``unknown`` (too little to tell). A blocking
check leaves no winner, however small a p-value is.

References:
    Fabijan et al., *Diagnosing Sample Ratio Mismatch in Online Controlled Experiments*,
    KDD 2019.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from sbhooks.wording import count, percent
from sbhooks_experiments.plan import Plan
from sbhooks_experiments.statistics import of_values, two_sided, welch

if TYPE_CHECKING:
    from datetime import datetime

    from sbhooks_experiments.log import Edit
    from sbhooks_experiments.units import UnitTable

OK, WARNING, BLOCKING, UNKNOWN = "ok", "warning", "blocking", "unknown"
_RED, _YELLOW = 0.001, 0.01
_LEAST_DEVIATION = 0.001
_CROSSED = 0.01  # share of the units from which on crossing blocks
_LEAST_FOR_RATIO = 20
_EXACT_UP_TO = 1_000


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One check.

    Attributes:
        name: Short, stable.
        level: ``"ok"``, ``"warning"``, ``"blocking"`` or ``"unknown"``.
        detail: One sentence.
        p_value: Where the check is a test.
    """

    name: str
    level: str
    detail: str
    p_value: float | None = None


def checks(
    table: UnitTable, plan: Plan, edits: Sequence[Edit], since: datetime | None
) -> list[Check]:
    """Every check, in the order in which they are worth reading.

    Args:
        table: The units.
        plan: What was planned.
        edits: Changes of the plan.
        since: The first exposure.
    """
    return [
        sample_ratio(table),
        _crossovers(table),
        _before(table, plan),
        _enough(table, plan),
        _outcomes(table, plan),
        *_edited(edits, since),
        *_early(table),
    ]


def sample_ratio(table: UnitTable) -> Check:
    """Whether the variants have as many units as they should.

    Every unit counts with the share that held when it was assigned, so a plan whose ratio was
    changed, or a bandit, is measured by what it meant to do.
    """
    from scipy.special import bdtr, ndtr

    name = "sample ratio"
    mask = table.exposed
    n = int(mask.sum())
    share = table.share[mask]
    treated = int(table.treated[mask].sum())
    if n < _LEAST_FOR_RATIO:
        few = f"too few units to tell: {n} of {_LEAST_FOR_RATIO}"
        return Check(name=name, level=UNKNOWN, detail=few)
    expected, variance = float(share.sum()), float((share * (1 - share)).sum())
    equal = float(share.max() - share.min()) < 1e-12
    if equal and n <= _EXACT_UP_TO:
        below, above = bdtr(treated, n, share[0]), 1 - bdtr(treated - 1, n, share[0])
        p = min(1.0, 2 * float(min(below, above)))
    else:
        p = float(2 * ndtr(-abs(treated - expected) / math.sqrt(variance)))
    off = abs(treated - expected) / n
    is_off = off >= _LEAST_DEVIATION
    level = BLOCKING if p < _RED and is_off else WARNING if p < _YELLOW and is_off else OK
    detail = (
        f"{treated:,} of {n:,} units have the treatment; {expected:,.0f} were expected "
        f"(p = {p:.2g})"
    )
    return Check(name=name, level=level, detail=detail, p_value=p)


def _crossovers(table: UnitTable) -> Check:
    crossed, n = int(table.crossed.sum()), int(table.exposed.sum())
    if not crossed:
        return Check(name="crossovers", level=OK, detail="no unit was seen under both variants")
    share = crossed / n
    return Check(
        name="crossovers",
        level=BLOCKING if share > _CROSSED else WARNING,
        detail=f"{count(crossed, 'unit')} ({percent(share)}) seen under both variants, left out",
    )


def _before(table: UnitTable, plan: Plan) -> Check:
    """Whether the variants' units were alike before they met their variant."""
    import numpy as np

    name = "before exposure"
    worst: tuple[float, str] | None = None
    for metric in plan.metrics:
        arms = []
        for treated in (False, True):
            values = table.past[metric][table.used & (table.treated == treated)]
            arms.append(values[~np.isnan(values)])
        if min(len(values) for values in arms) < plan.min_units:
            continue
        difference = welch(of_values(arms[0]), of_values(arms[1]))
        p = two_sided(difference) if difference.se else float(difference.effect == 0)
        worst = min(worst or (p, str(metric)), (p, str(metric)))
    if worst is None:
        return Check(name=name, level=UNKNOWN, detail="too few units have a past to compare")
    p, where = worst
    m = len(plan.metrics)
    level = BLOCKING if p * m < _RED else WARNING if p * m < _YELLOW else OK
    how = "are alike in" if level == OK else "differed already in"
    detail = f"the variants' units {how} their past {where} (p = {p:.2g})"
    return Check(name=name, level=level, detail=detail, p_value=p)


def _enough(table: UnitTable, plan: Plan) -> Check:
    fewest = min(table.compared(treated=False), table.compared(treated=True))
    detail = f"the smaller variant has {count(fewest, 'unit')}; {plan.min_units} are needed"
    return Check(
        name="enough units", level=OK if fewest >= plan.min_units else BLOCKING, detail=detail
    )


def _outcomes(table: UnitTable, plan: Plan) -> Check:
    """Whether units are lost after they met their variant, and more in one of them."""
    name = "missing outcomes"
    bottom = table.bottom[plan.primary[0]]
    lost, n = [], []
    for treated in (False, True):
        mask = table.used & (table.treated == treated)
        n.append(int(mask.sum()))
        lost.append(int((mask & (bottom == 0)).sum()))
    if min(n) < plan.min_units:
        return Check(name=name, level=UNKNOWN, detail="too few units to tell")
    detail = f"{lost[0]:,} control and {lost[1]:,} treatment units have no outcome"
    p = _equal_rates(lost, n)
    level = BLOCKING if p < _RED else WARNING if p < _YELLOW else OK
    return Check(name=name, level=level, detail=detail, p_value=p)


def _equal_rates(hits: list[int], n: list[int]) -> float:
    """Score test of two proportions."""
    from scipy.special import ndtr

    pooled = sum(hits) / sum(n)
    variance = pooled * (1 - pooled) * (1 / n[0] + 1 / n[1])
    if variance == 0:
        return 1.0
    return float(2 * ndtr(-abs(hits[0] / n[0] - hits[1] / n[1]) / math.sqrt(variance)))


def _edited(edits: Sequence[Edit], since: datetime | None) -> Iterator[Check]:
    late = [edit for edit in edits if since is not None and edit.at >= since]
    if late:
        fields = ", ".join(dict.fromkeys(name for edit in late for name in edit.changed))
        detail = f"the plan was changed after the first exposure: {fields}"
        yield Check(name="plan", level=WARNING, detail=detail)


def _early(table: UnitTable) -> Iterator[Check]:
    if table.early:
        detail = f"{count(table.early, 'outcome')} from before the unit's exposure do not count"
        yield Check(name="early outcomes", level=OK, detail=detail)
