"""The answers of experiments as documents; fields may be added, never renamed."""

from __future__ import annotations

from datetime import datetime

import msgspec

from sbhooks_experiments.health import Check


class MetricResult(msgspec.Struct, frozen=True, kw_only=True):
    """One metric, compared.

    Attributes:
        metric: Its name.
        role: ``"primary"``, ``"secondary"`` or ``"guardrail"``.
        test: The test that was chosen; says why there is none.
        control: Value of the control.
        treatment: Value of the treatment.
        effect: Treatment less control.
        low: Lower end of the interval of the effect.
        high: Upper end.
        level: Probability with which the interval holds.
        relative: The effect as a share of the control's value; ``None`` where that is 0.
        p_value: As the test gives it.
        p_adjusted: After Holm (primary) or Benjamini & Hochberg (all others).
        e_value: Evidence against "no difference", where the result holds at any time.
        control_units: Units of the control with data.
        treatment_units: Units of the treatment with data.
        variance_reduction: Share of the variance that the units' own past explained.
        detectable: Smallest difference that the planned units find with the planned power.
    """

    metric: str
    role: str
    test: str
    control: float | None
    treatment: float | None
    effect: float | None
    low: float | None
    high: float | None
    level: float
    relative: float | None
    p_value: float | None
    p_adjusted: float | None
    e_value: float | None
    control_units: int
    treatment_units: int
    variance_reduction: float | None
    detectable: float | None


class GuardrailResult(msgspec.Struct, frozen=True, kw_only=True):
    """Whether the treatment harms what is guarded.

    Attributes:
        metric: What is guarded.
        margin: The loss that is still acceptable, as written in the plan.
        state: ``"held"``, ``"broken"``, or ``"open"`` while nobody knows.
        low: What is left of the margin at least; above 0 the guardrail is held.
        high: What is left at most; below 0 it is broken.
    """

    metric: str
    margin: str
    state: str
    low: float | None
    high: float | None


class PlanEdit(msgspec.Struct, frozen=True, kw_only=True):
    """A change of the plan.

    Attributes:
        at: When.
        changed: Names of the fields.
        hash: SHA-256 of the plan from then on.
    """

    at: datetime
    changed: tuple[str, ...]
    hash: str


class Units(msgspec.Struct, frozen=True, kw_only=True):
    """How many units there are.

    Attributes:
        unit: What a unit is.
        exposed: Units that met a variant.
        control: Those that are compared, of the control.
        treatment: Likewise, of the treatment.
        crossed: Units seen under both, left out.
        planned: Number after which the experiment is over.
        outcomes: Outcomes that count.
        per_day: Units that arrive per day.
    """

    unit: str
    exposed: int
    control: int
    treatment: int
    crossed: int
    planned: int
    outcomes: int
    per_day: float | None


class PlanInfo(msgspec.Struct, frozen=True, kw_only=True):
    """Which plan a result was made by.

    Attributes:
        hash: SHA-256 of the plan as it stands.
        first_hash: Of the plan as it was first.
        edits: Every change.
        mode: When the result may be read.
        alpha: Probability of naming a winner where there is none.
        ratio: Share of the units that get the treatment.
        share: The same at present; a bandit moves it.
        control: Command, options or strategy.
        treatment: Likewise.
    """

    hash: str
    first_hash: str
    edits: tuple[PlanEdit, ...]
    mode: str
    alpha: float
    ratio: float
    share: float
    control: str
    treatment: str


class Analysis(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks experiment analyze --json` prints: the result of an experiment.

    `sbhooks experiment status` prints the same.

    Attributes:
        experiment: Its name.
        status: ``"running"``, ``"completed"`` (decided) or ``"stopped"``.
        decision: ``"treatment"``, ``"control"``, ``"inconclusive"``, ``"unhealthy"`` or
            ``"needs-more-units"``.
        reason: Why, in a sentence.
        summary: The decision with its figures.
        units_needed: How many more, where more are needed.
        days_left: Until they are there, at the pace so far.
        health: Every check.
        metrics: Every metric.
        guardrails: Every guardrail.
        units: How many units there are.
        plan: Which plan this was made by.
        notes: What a reader must know.
        probability: In bandit mode: that the treatment is better.
        stopped_because: Why the experiment ended; ``None`` while it runs.
    """

    experiment: str
    status: str
    decision: str
    reason: str
    summary: str
    units_needed: int | None
    days_left: float | None
    health: tuple[Check, ...]
    metrics: tuple[MetricResult, ...]
    guardrails: tuple[GuardrailResult, ...]
    units: Units
    plan: PlanInfo
    notes: tuple[str, ...]
    probability: float | None = None
    stopped_because: str | None = None


class ExperimentRow(msgspec.Struct, frozen=True, kw_only=True):
    """One experiment in a list.

    Attributes:
        name: Of the experiment.
        status: ``"running"``, ``"completed"`` (decided) or ``"stopped"``.
        unit: What gets a variant.
        mode: When the result may be read.
        created_at: When it was created.
        control: Command, options or strategy.
        treatment: Likewise.
        exposed: Units that met a variant.
        planned: Number of units after which it is over.
        decision: ``"treatment"``, ``"control"``, ``"inconclusive"``, ``"unhealthy"`` or
            ``"needs-more-units"``.
        summary: The decision with its figures, in words.
    """

    name: str
    status: str
    unit: str
    mode: str
    created_at: datetime
    control: str
    treatment: str
    exposed: int
    planned: int
    decision: str
    summary: str


class ExperimentList(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks experiment list --json` prints: all experiments, the newest first."""

    experiments: list[ExperimentRow]  #: Each with its decision.
