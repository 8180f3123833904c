"""The kinds of event of experiments: a plan, an exposure, an outcome, an end.

The log of these events is the only truth about an experiment. ``exposure`` corresponds to
OpenTelemetry's ``feature_flag.evaluation``: experiment = ``feature_flag.key``, variant =
``feature_flag.result.variant``, reason = ``feature_flag.result.reason``, unit =
``feature_flag.context.id``.
"""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

import msgspec

from sbhooks.events import Event, Name, Outcome, Seconds
from sbhooks_experiments.plan import Plan

SOURCE = "experiments"  #: Of events that no recorder of a tool writes.
Stars = Annotated[float, msgspec.Meta(ge=1, le=5)]


class ExperimentPlan(Event, frozen=True, kw_only=True, tag="experiments-plan"):
    """An experiment was created, or its plan was changed.

    Attributes:
        experiment: Its name.
        plan: The plan from now on.
        hash: SHA-256 of the plan.
    """

    experiment: Name
    plan: Plan
    hash: str


class Exposure(Event, frozen=True, kw_only=True, tag="exposure"):
    """A unit met its variant.

    Attributes:
        experiment: Name of the experiment.
        unit: Pseudonym of a user, a session, a commit, a repository, or a name given by hand.
        variant: ``"control"`` or ``"treatment"``.
        reason: ``"split"``, or ``"sticky"`` when the unit keeps what it got before.
    """

    experiment: Name
    unit: Name
    variant: Name
    reason: str = "split"

    people: ClassVar[tuple[str, ...]] = ("unit",)


class ExperimentOutcome(Event, frozen=True, kw_only=True, tag="outcome"):
    """Something that a unit did under its variant has ended.

    Attributes:
        experiment: Name of the experiment.
        unit: As in its exposure.
        skill: What was called.
        outcome: How it ended.
        duration_s: Wall-clock time.
        rating: What the user thought of it, 5 for the best.
    """

    experiment: Name
    unit: Name
    skill: Name
    outcome: Outcome
    duration_s: Seconds | None = None
    rating: Stars | None = None

    people: ClassVar[tuple[str, ...]] = ("unit",)


class ExperimentStop(Event, frozen=True, kw_only=True, tag="experiments-stop"):
    """An experiment has ended; nothing is recorded for it any more.

    Attributes:
        experiment: Its name.
        decision: What was decided; ``""`` when somebody just stopped it.
        reason: Why, in words.
    """

    experiment: Name
    decision: str = ""
    reason: str = ""


KINDS: tuple[type[Event], ...] = (ExperimentPlan, Exposure, ExperimentOutcome, ExperimentStop)


def exposure(plan: Plan, unit: str, variant: str, reason: str, share: float) -> Exposure:
    """The event of a unit that meets its variant; the session is still to be set."""
    return Exposure(
        source=SOURCE, session="-", experiment=plan.name, unit=unit, variant=variant,
        reason=reason, attributes={"share": float(share), "plan": plan.digest[:12]},
    )  # fmt: skip


def written_down(plan: Plan) -> ExperimentPlan:
    """The event of a plan, new or changed; the session is still to be set."""
    return ExperimentPlan(
        source=SOURCE, session="-", experiment=plan.name, plan=plan, hash=plan.digest
    )


def is_rating(value: float) -> bool:
    """Whether a number is a rating."""
    return math.isfinite(value) and 1 <= value <= 5
