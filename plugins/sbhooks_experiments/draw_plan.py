"""A plan as a document, and for people."""

from __future__ import annotations

from datetime import datetime

import msgspec

from sbhooks.output import Output
from sbhooks.wording import percent
from sbhooks_experiments.analysis import status_of
from sbhooks_experiments.log import State
from sbhooks_experiments.plan import Plan


class PlanDocument(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks experiment create --json` prints: a plan and its state.

    `sbhooks experiment edit` and `sbhooks experiment stop` print the same.

    Attributes:
        experiment: Name of the experiment.
        status: ``"running"``, ``"completed"`` or ``"stopped"``.
        created_at: When it was created.
        hash: SHA-256 of the plan.
        plan: All that differs from the defaults.
        reason: Why it ended; ``None`` while it runs.
    """

    experiment: str
    status: str
    created_at: datetime
    hash: str
    plan: Plan
    reason: str | None = None

    @classmethod
    def of(cls, state: State) -> PlanDocument:
        """The document of an experiment."""
        return cls(
            experiment=state.name, status=status_of(state), created_at=state.created_at,
            hash=state.plan.digest, plan=state.plan,
            reason=state.stop.reason if state.stop else None,
        )  # fmt: skip


def draw_plan(out: Output, found: PlanDocument) -> None:
    """What was planned, and what to do next."""
    plan = found.plan
    out.heading(f"Experiment {plan.name} is {found.status}.")
    rails = ", ".join(map(str, plan.guardrails))
    out.fields([
        ("control", plan.control),
        ("treatment", f"{plan.treatment}  ({percent(plan.ratio)} of the units)"),
        ("unit", plan.unit),
        ("decided by", ", ".join(plan.primary)),
        *([("guardrails", rails)] if rails else []),
        ("units", f"at most {plan.max_units:,}, at least {plan.min_units:,} per variant"),
        ("read", plan.mode),
        ("plan", found.hash[:12]),
    ])  # fmt: skip
    out.note(f"Next: {_next(plan)}")


def _next(plan: Plan) -> str:
    """What can be done with such variants: they may be commands, options or mere words."""
    import shlex
    import shutil

    variants = (plan.control, plan.treatment)
    if any(words.lstrip().startswith("-") for words in variants):
        return f"pytest --sbhooks-experiment {plan.name}"
    try:
        programs = [shlex.split(words)[0] for words in variants]
    except (ValueError, IndexError):
        programs = []
    if programs and all(map(shutil.which, programs)):
        return f"sbhooks experiment run {plan.name}"
    return f"sbhooks experiment assign {plan.name} {plan.unit.upper()}"
