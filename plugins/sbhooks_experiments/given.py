"""What assigning and recording answer; fields may be added, never renamed."""

from __future__ import annotations

from datetime import datetime

import msgspec

from sbhooks.events import Outcome, from_us
from sbhooks.variants import TREATMENT
from sbhooks_experiments.plan import Plan


class Given(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks experiment assign --json` prints: what a unit gets.

    Attributes:
        experiment: Name of the experiment.
        unit: As it is recorded.
        variant: ``"control"`` or ``"treatment"``; ``None`` for a unit that does not take part.
        reason: ``"split"``, ``"sticky"``, ``"holdout"`` or ``"namespace"``.
        strategy: Command, options or strategy of the variant; the control's for a unit that
            does not take part.
        assigned_at: When the unit first met its variant.
        is_new: Whether that was just now.
    """

    experiment: str
    unit: str
    variant: str | None
    reason: str
    strategy: str
    assigned_at: datetime | None
    is_new: bool


class Recorded(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks experiment record --json` prints: the outcome as it was recorded.

    Attributes:
        experiment: Name of the experiment.
        unit: As it is recorded.
        skill: What was called.
        outcome: How it ended.
        duration_s: Wall-clock time.
        rating: What the user thought of it, 1 to 5.
    """

    experiment: str
    unit: str
    skill: str
    outcome: Outcome
    duration_s: float | None
    rating: float | None


def given_to(
    plan: Plan, unit: str, variant: str | None, reason: str, at: int | datetime | None,
    *, is_new: bool = False,
) -> Given:  # fmt: skip
    """What a unit gets, with the strategy of its variant; times in microseconds or as they are."""
    return Given(
        experiment=plan.name, unit=unit, variant=variant, reason=reason,
        strategy=plan.treatment if variant == TREATMENT else plan.control,
        assigned_at=from_us(at) if isinstance(at, int) else at, is_new=is_new,
    )  # fmt: skip
