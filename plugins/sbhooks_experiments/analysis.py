"""The whole result of an experiment, from its log."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from sbhooks.events import from_us
from sbhooks_experiments import bandit, power
from sbhooks_experiments.comparison import MOST, Compared, Rules, bounds, compare
from sbhooks_experiments.decision import (
    CONTROL,
    INCONCLUSIVE,
    MORE,
    TREATMENT,
    Decision,
    benjamini_hochberg,
    decide,
    holm,
)
from sbhooks_experiments.health import Check, checks
from sbhooks_experiments.log import Columns, State
from sbhooks_experiments.plan import Guardrail, Metric, Mode, Plan
from sbhooks_experiments.results import (
    Analysis,
    GuardrailResult,
    MetricResult,
    PlanEdit,
    PlanInfo,
    Units,
)
from sbhooks_experiments.units import Past, UnitTable, unit_table

_DAY_S = 86_400


def analyse(
    state: State, columns: Columns, *, now: datetime, history: Mapping[str, Past] | None = None
) -> Analysis:
    """Analyse an experiment.

    Args:
        state: Its plan and its end.
        columns: Its exposures and outcomes.
        now: The time to which "days left" refers.
        history: Unit → what it did before the experiment was created.
    """
    plan = state.plan
    exposed = len(set(columns.exposed))
    final = plan.mode is Mode.FIXED and exposed >= plan.max_units
    most = plan.max_units if plan.mode is Mode.FIXED else None
    table = unit_table(columns, plan.metrics, most=most, history=history)
    compared = {metric: _compare(metric, table, plan, final=final) for metric in plan.metrics}
    metrics = _results(compared, plan, final=final)
    rails = tuple(
        _guard(rail, compared[rail.metric], plan, final=final) for rail in plan.guardrails
    )
    since = from_us(min(columns.exposed_us)) if columns.exposed_us else None
    health = tuple(checks(table, plan, state.edits, since))
    days = 0.0 if since is None else (now - since).total_seconds() / _DAY_S
    found = _decide(plan, table, (metrics, rails, health), final=final)
    probability = None
    if plan.mode is Mode.BANDIT:
        # Shown beside the decision: as a rule for winners it would name one far too often.
        probability = bandit.treatment_is_better(table, plan)
    if state.stop is not None and found.verdict == MORE:  # no unit will come any more
        reason = f"{found.reason}, and the experiment was stopped"
        found = Decision(verdict=INCONCLUSIVE, reason=reason)
    left = found.units_needed and power.days_left(found.units_needed, exposed, days)
    to_come = plan.max_units - int(table.exposed.sum())
    decision = msgspec.structs.replace(
        found, days_left=left,
        at_most=plan.mode is not Mode.FIXED and (found.units_needed or 0) <= to_come,
    )  # fmt: skip
    return Analysis(
        experiment=plan.name, status=status_of(state), decision=decision.verdict,
        reason=decision.reason, summary=decision.text, units_needed=decision.units_needed,
        days_left=decision.days_left, health=health, metrics=metrics, guardrails=rails,
        units=_units(table, plan, days), plan=_plan(state, columns),
        notes=tuple(_notes(plan, metrics, final=final)), probability=probability,
        stopped_because=state.stop.reason if state.stop else None,
    )  # fmt: skip


def status_of(state: State) -> str:
    """``running``, ``completed`` when a decision ended it, else ``stopped``."""
    if state.stop is None:
        return "running"
    return "completed" if state.stop.decision else "stopped"


def _rules(plan: Plan, alpha: float, *, final: bool) -> Rules:
    return Rules(
        alpha=alpha, tuned=plan.alpha, planned=plan.max_units, any_time=not final,
        method=plan.method, cuped=plan.cuped,
    )  # fmt: skip


def _compare(metric: Metric, table: UnitTable, plan: Plan, *, final: bool) -> Compared | None:
    rules = _rules(plan, plan.alpha / _alternatives(metric, plan), final=final)
    samples = (table.sample(metric, treated=False), table.sample(metric, treated=True))
    return compare(metric, *samples, rules)


def _alternatives(metric: Metric, plan: Plan) -> int:
    """Among how many metrics the level of an interval is shared."""
    return len(plan.primary) if metric in plan.primary else 1


def _results(
    compared: Mapping[Metric, Compared | None], plan: Plan, *, final: bool
) -> tuple[MetricResult, ...]:
    known = [(metric, found) for metric, found in compared.items() if found is not None]
    primary = [(m, f.p_value) for m, f in known if m in plan.primary]
    others = [(m, f.p_value) for m, f in known if m not in plan.primary]
    adjusted = dict(
        zip([m for m, _ in primary], holm([p for _, p in primary]), strict=True)
    ) | dict(zip([m for m, _ in others], benjamini_hochberg([p for _, p in others]), strict=True))
    return tuple(
        _result(metric, found, plan, adjusted.get(metric), final=final)
        for metric, found in compared.items()
    )


def _role(metric: Metric, plan: Plan) -> str:
    if metric in plan.primary:
        return "primary"
    return "secondary" if metric in plan.secondary else "guardrail"


def _result(
    metric: Metric, found: Compared | None, plan: Plan, adjusted: float | None, *, final: bool
) -> MetricResult:
    level = 1 - plan.alpha / _alternatives(metric, plan)
    if found is None:
        return MetricResult(
            metric=metric, role=_role(metric, plan), test="not enough data: fewer than two units "
            "with data in a variant", control=None, treatment=None, effect=None, low=None,
            high=None, level=level, relative=None, p_value=None, p_adjusted=None, e_value=None,
            control_units=0, treatment_units=0, variance_reduction=None, detectable=None,
        )  # fmt: skip
    control, treatment = found.control, found.treatment
    spread = max(found.adjusted[0].variance, found.adjusted[1].variance)
    return MetricResult(
        metric=metric, role=_role(metric, plan), test=found.test, control=control.value,
        treatment=treatment.value, effect=found.effect, low=found.low, high=found.high,
        level=level, relative=found.effect / control.value if control.value else None,
        p_value=found.p_value, p_adjusted=adjusted, e_value=found.e_value,
        control_units=control.n, treatment_units=treatment.n,
        variance_reduction=found.variance_reduction,
        detectable=power.detectable(
            spread, plan.max_units, ratio=plan.ratio, alpha=plan.alpha, power=plan.power,
            any_time=not (final or plan.mode is Mode.FIXED),
        ),
    )  # fmt: skip


def _guard(rail: Guardrail, found: Compared | None, plan: Plan, *, final: bool) -> GuardrailResult:
    """Whether the loss is within the margin: the interval of what is left of it."""
    if found is None:
        return GuardrailResult(
            metric=rail.metric, margin=str(rail), state="open", low=None, high=None
        )
    sign = 1 if rail.metric.higher_is_better else -1
    factor = 1 - sign * rail.margin if rail.relative else 1.0
    around = bounds(
        found.adjusted, _rules(plan, plan.alpha, final=final), factor, most=MOST.get(rail.metric)
    )
    if around is None:
        return GuardrailResult(
            metric=rail.metric, margin=str(rail), state="open", low=None, high=None
        )
    allowed = 0.0 if rail.relative else rail.margin
    low, high = sorted(sign * end + allowed for end in around)
    state = "held" if low >= 0 else "broken" if high < 0 else "open"
    return GuardrailResult(metric=rail.metric, margin=str(rail), state=state, low=low, high=high)


def _decide(
    plan: Plan,
    table: UnitTable,
    evidence: tuple[tuple[MetricResult, ...], tuple[GuardrailResult, ...], tuple[Check, ...]],
    *,
    final: bool,
) -> Decision:
    fewest = min(table.compared(treated=False), table.compared(treated=True))
    few = round(max(0, plan.min_units - fewest) / min(plan.ratio, 1 - plan.ratio))
    needed = max(0, plan.max_units - int(table.exposed.sum()))
    found = decide(*evidence, alpha=plan.alpha, needed=needed, few=few)
    too_early = plan.mode is Mode.FIXED and not final
    if too_early and found.verdict in {TREATMENT, CONTROL, INCONCLUSIVE}:
        reason = "a fixed horizon is read once, when the planned units are there"
        return Decision(verdict=MORE, reason=reason, units_needed=max(needed, 1))
    return found


def _units(table: UnitTable, plan: Plan, days: float) -> Units:
    exposed = int(table.exposed.sum())
    return Units(
        unit=plan.unit, exposed=exposed, control=table.compared(treated=False),
        treatment=table.compared(treated=True), crossed=int(table.crossed.sum()),
        planned=plan.max_units, outcomes=table.outcomes,
        per_day=exposed / days if days >= power.LEAST_DAYS and exposed > 1 else None,
    )  # fmt: skip


def _plan(state: State, columns: Columns) -> PlanInfo:
    plan = state.plan
    share = bandit.share(columns, plan) if plan.mode is Mode.BANDIT else plan.ratio
    return PlanInfo(
        hash=plan.digest, first_hash=state.first_hash,
        edits=tuple(PlanEdit(at=e.at, changed=e.changed, hash=e.hash) for e in state.edits),
        mode=plan.mode, alpha=plan.alpha, ratio=plan.ratio, share=share,
        control=plan.control, treatment=plan.treatment,
    )  # fmt: skip


def _notes(plan: Plan, metrics: tuple[MetricResult, ...], *, final: bool) -> list[str]:
    notes = []
    if plan.mode is Mode.BANDIT:
        notes.append("Estimates are biased: a bandit gives fewer units to what began badly.")
    if plan.mode is Mode.FIXED and not final:
        notes.append("Until the planned units are there, intervals are those that always hold.")
    if any(result.variance_reduction for result in metrics):
        notes.append("Effects are adjusted for what the units did before (CUPED).")
    if len(plan.primary) > 1:
        notes.append(f"p-values of the {len(plan.primary)} primary metrics are Holm's.")
    return notes
