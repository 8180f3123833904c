"""From tests and checks to one of five answers, and the reason in words.

1. Unhealthy: a blocking check. No test is believed.
2. Too few units per variant: more are needed.
3. A guardrail is broken for certain: control.
4. A primary metric differs for certain (Holm over all primary metrics) and none the other way:
   treatment, if every guardrail is held for certain; else control, or more units for the
   guardrails.
5. Otherwise more units, or inconclusive once the planned number is reached.

References:
    Holm, *A simple sequentially rejective multiple test procedure*, Scandinavian Journal of
    Statistics 6 (1979).
    Benjamini & Hochberg, *Controlling the false discovery rate*, JRSS B 57 (1995).
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from sbhooks.wording import count
from sbhooks_experiments.health import BLOCKING, Check
from sbhooks_experiments.plan import Metric
from sbhooks_experiments.results import GuardrailResult, MetricResult

TREATMENT, CONTROL = "treatment", "control"
INCONCLUSIVE, UNHEALTHY = "inconclusive", "unhealthy"
MORE = "needs-more-units"


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What follows from a result.

    Attributes:
        verdict: One of the five.
        reason: Why, in a sentence.
        units_needed: How many more, where more are needed.
        at_most: Whether fewer may do, because the result is read at any time.
        days_left: Until they are there, at the pace so far.
    """

    verdict: str
    reason: str
    units_needed: int | None = None
    at_most: bool = False
    days_left: float | None = None

    @property
    def text(self) -> str:
        """The verdict with its figures."""
        if self.units_needed is None:
            return self.verdict
        days = self.days_left
        when = "" if days is None else f" (~{count(max(1, round(days)), 'day')})"
        most = "up to " if self.at_most else ""
        return f"needs {most}{count(self.units_needed, 'more unit', 'more units')}{when}"


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that control the probability of any false finding."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted, largest = [0.0] * len(p_values), 0.0
    for place, number in enumerate(order):
        largest = max(largest, min(1.0, p_values[number] * (len(p_values) - place)))
        adjusted[number] = largest
    return adjusted


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that control the expected share of false findings."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__, reverse=True)
    adjusted, smallest, m = [0.0] * len(p_values), 1.0, len(p_values)
    for place, number in enumerate(order):
        smallest = min(smallest, p_values[number] * m / (m - place))
        adjusted[number] = smallest
    return adjusted


def direction(result: MetricResult, alpha: float) -> int:
    """1 where the treatment is better for certain, -1 where it is worse, 0 where nobody knows."""
    if result.p_adjusted is None or result.p_adjusted > alpha or not result.effect:
        return 0
    better = (result.effect > 0) == Metric(result.metric).higher_is_better
    return 1 if better else -1


def decide(
    metrics: Sequence[MetricResult],
    guardrails: Sequence[GuardrailResult],
    health: Sequence[Check],
    *,
    alpha: float,
    needed: int,
    few: int,
) -> Decision:
    """Decide.

    Args:
        metrics: Results of every metric.
        guardrails: Results of every guardrail.
        health: Every check.
        alpha: Level of the plan.
        needed: Units still to come by the plan.
        few: Units still to come before anything may be decided.
    """
    blocking = [check for check in health if check.level == BLOCKING]
    unhealthy = [check for check in blocking if check.name != "enough units"]
    if unhealthy:
        reason = "; ".join(f"{check.name}: {check.detail}" for check in unhealthy)
        return Decision(verdict=UNHEALTHY, reason=reason)
    if blocking:
        reason = f"{blocking[0].detail} before anything is decided"
        return Decision(verdict=MORE, reason=reason, units_needed=max(needed, few, 1))
    primary = [result for result in metrics if result.role == "primary"]
    ways = {result.metric: direction(result, alpha) for result in primary}
    return _by_evidence(ways, guardrails, needed)


def _by_evidence(
    ways: dict[str, int], guardrails: Sequence[GuardrailResult], needed: int
) -> Decision:
    broken = [rail.metric for rail in guardrails if rail.state == "broken"]
    if broken:
        what = ", ".join(broken)
        reason = f"the treatment makes {what} worse by more than the margin"
        return Decision(verdict=CONTROL, reason=reason)
    better = [name for name, way in ways.items() if way > 0]
    worse = [name for name, way in ways.items() if way < 0]
    if better and worse:
        reason = f"the treatment is better in {', '.join(better)} and worse in {', '.join(worse)}"
        return Decision(verdict=INCONCLUSIVE, reason=reason)
    if worse:
        return Decision(verdict=CONTROL, reason=f"the treatment is worse in {', '.join(worse)}")
    open_rails = [rail.metric for rail in guardrails if rail.state != "held"]
    if better and not open_rails:
        reason = f"the treatment is better in {', '.join(better)}"
        reason += ", and no guardrail is touched" if guardrails else ""
        return Decision(verdict=TREATMENT, reason=reason)
    why = (
        f"the treatment is better in {', '.join(better)}, but whether it harms "
        f"{', '.join(open_rails)} is not known yet"
        if better
        else f"no difference in {', '.join(ways)} has been shown"
    )
    if needed > 0:
        return Decision(verdict=MORE, reason=why, units_needed=needed)
    return Decision(verdict=INCONCLUSIVE, reason=f"{why}, and the planned units are there")
