"""The plan of an experiment: what will be compared, by which rules, until when.

A plan is written down before the first unit sees a variant, and has a hash. Changing it is
possible, but every change is an event of its own: a result names the plan that it was made by
and what was changed after the first exposure, so nobody can move the goal unseen.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterator
from hashlib import sha256
from typing import Annotated

import msgspec

from sbhooks.errors import ExperimentError
from sbhooks.variants import Split


class Metric(enum.StrEnum):
    """What is compared; the names of the old API."""

    COMPLETION_RATE = "completion_rate"  #: Outcomes that are a success, of all outcomes.
    DURATION = "avg_duration_seconds"  #: Seconds per outcome that has a duration.
    RATING = "user_rating"  #: Stars, 1 to 5, per outcome that has a rating.

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value is the better one."""
        return self is not Metric.DURATION


class Unit(enum.StrEnum):
    """What gets a variant, and is counted as one observation."""

    USER = "user"
    SESSION = "session"
    COMMIT = "commit"
    REPOSITORY = "repository"


class Mode(enum.StrEnum):
    """When a result may be read."""

    ALWAYS_VALID = "always-valid"  #: At any time, as often as you like.
    FIXED = "fixed"  #: Once, when the planned number of units is reached.
    BANDIT = "bandit"  #: At any time; the better variant gets more units meanwhile.


class Guardrail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the treatment must not make worse by more than a margin.

    Attributes:
        metric: What is guarded.
        margin: The loss that is still acceptable, in the metric's own unit.
        relative: Whether the margin is a share of the control's value instead.
    """

    metric: Metric
    margin: Annotated[float, msgspec.Meta(ge=0, le=1e9)]
    relative: bool = False

    def __str__(self) -> str:
        return f"{self.metric}:{self.margin * 100:g}%" if self.relative else (
            f"{self.metric}:{self.margin:g}"
        )  # fmt: skip


class Plan(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Everything that is decided before an experiment begins.

    Attributes:
        name: Of the experiment.
        description: Why it is made.
        control: Command, options or strategy that is used now.
        treatment: The one that might be better.
        unit: What gets a variant.
        skill: Under which outcomes are recorded; history under this name is a unit's past.
        primary: What decides.
        secondary: What is shown, and decides nothing.
        guardrails: What must not become worse.
        ratio: Share of the units that get the treatment, inside (0, 1).
        alpha: Probability of naming a winner where there is none.
        power: Probability of finding a difference as large as ``mde``.
        mde: The smallest difference worth finding, as a share of the control's value.
        max_units: Number of units after which the experiment is over.
        min_units: Per variant; below that nothing is decided.
        mode: When a result may be read.
        method: For means: ``"welch"``, or ``"student"`` as the old system did.
        cuped: Whether a unit's own past may sharpen the comparison.
        min_share: In bandit mode, the share that the worse variant keeps.
        batch: In bandit mode, the number of outcomes between updates of the share.
        salt: Part of what is hashed.
        hash: 2, or 1 for units that were assigned by the old system.
        holdout: Share of all units that take part in no experiment.
        namespace: Experiments of one namespace with separate spans share no unit.
        low: Beginning of the span.
        high: End of the span.
    """

    name: str
    description: str = ""
    control: str
    treatment: str
    unit: Unit = Unit.USER
    skill: str = ""
    primary: tuple[Metric, ...] = (Metric.COMPLETION_RATE,)
    secondary: tuple[Metric, ...] = ()
    guardrails: tuple[Guardrail, ...] = ()
    ratio: float = 0.5
    alpha: float = 0.05
    power: float = 0.8
    mde: float | None = None
    max_units: int = 1000
    min_units: int = 10
    mode: Mode = Mode.ALWAYS_VALID
    method: str = "welch"
    cuped: bool = True
    min_share: float = 0.1
    batch: int = 20
    salt: str = ""
    hash: int = 2
    holdout: float = 0.0
    namespace: str = ""
    low: float = 0.0
    high: float = 1.0

    @property
    def digest(self) -> str:
        """SHA-256 of the plan as canonical JSON, 64 hexadecimal digits."""
        return sha256(msgspec.json.encode(self, order="sorted")).hexdigest()

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Every metric once: primary, then guarded, then secondary."""
        guarded = tuple(rail.metric for rail in self.guardrails)
        return tuple(dict.fromkeys((*self.primary, *guarded, *self.secondary)))

    def split(self, share: float | None = None) -> Split:
        """How units are divided; a bandit gives its present share."""
        return Split(
            self.name, self.ratio if share is None else share, self.salt, self.hash,
            self.holdout, self.namespace, self.low, self.high,
        )  # fmt: skip


#: What ``experiment edit`` may change: anything else would be another experiment.
EDITABLE = frozenset({"description", "ratio", "alpha", "power", "mde", "max_units", "min_units"})

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_LONGEST = 2_000


def check(plan: Plan, what: str = "create") -> Plan:
    """The plan itself, if it can be used.

    Args:
        plan: To be checked.
        what: Somebody is about to do with it, for the message that refuses.

    Raises:
        ExperimentError: Says which part cannot, and what to write instead.
    """
    if problem := next(_problems(plan), ""):
        raise ExperimentError(f"cannot {what} the experiment {plan.name!r}: {problem}")
    return plan


def _problems(plan: Plan) -> Iterator[str]:
    if not _NAME.fullmatch(plan.name):
        yield "its name is not of 1 to 64 letters, digits, '.', '_' and '-'"
    for what in ("control", "treatment", "description", "salt", "namespace", "skill"):
        if len(getattr(plan, what)) > _LONGEST:
            yield f"{what} is longer than {_LONGEST:,} characters"
    if plan.control == plan.treatment:
        yield "control and treatment are the same. Give two different commands or strategies"
    shares = {"ratio": plan.ratio, "alpha": plan.alpha, "power": plan.power}
    for what, value in shares.items():
        if not 0 < value < 1:
            yield f"the {what} {value:g} is not between 0 and 1"
    if plan.mde is not None and not 0 < plan.mde <= 100:
        yield f"the smallest difference worth finding, {plan.mde:g}, is not above 0"
    if not 0 <= plan.holdout < 1:
        yield f"the holdout {plan.holdout:g} is not a share from 0 to below 1"
    if not 0 <= plan.low < plan.high <= 1:
        yield f"the span {plan.low:g} to {plan.high:g} does not lie in 0 to 1"
    if (plan.low, plan.high) != (0, 1) and not plan.namespace:
        yield "a span needs a namespace"
    yield from _problems_of_counts(plan)


def _problems_of_counts(plan: Plan) -> Iterator[str]:
    if not 2 <= plan.min_units <= 10**6:
        yield f"the least number of units, {plan.min_units}, is not 2 or more per variant"
    if not 2 * plan.min_units <= plan.max_units <= 10**9:
        yield f"the most units, {plan.max_units}, are fewer than {plan.min_units} per variant"
    if plan.hash not in {1, 2}:
        yield f"there is no hash {plan.hash}. Write 1 or 2"
    if plan.method not in {"welch", "student"}:
        yield f"there is no method {plan.method!r}. Write welch or student"
    if not plan.primary:
        yield "it has no primary metric"
    if not 0 < plan.min_share < 0.5:
        yield f"the least share {plan.min_share:g} is not between 0 and 0.5"
    if not 1 <= plan.batch <= 10**6:
        yield f"a batch of {plan.batch} outcomes is not 1 or more"


def parse_guardrail(text: str) -> Guardrail:
    """Read ``metric:margin``, where a margin such as ``5%`` is a share of the control's value.

    Raises:
        ExperimentError: It is written differently.
    """
    name, _, margin = text.partition(":")
    try:
        relative = margin.endswith("%")
        number = float(margin.removesuffix("%")) / (100 if relative else 1)
        if not 0 <= number <= 1e9:
            raise ValueError(margin)
        return Guardrail(metric=Metric(name), margin=number, relative=relative)
    except ValueError as error:
        known = ", ".join(Metric)
        raise ExperimentError(
            f"cannot read the guardrail {text!r}: write a metric ({known}), a colon and the loss "
            "that is still acceptable, as completion_rate:0.02 or avg_duration_seconds:5%"
        ) from error


def changes(old: Plan, new: Plan) -> tuple[str, ...]:
    """Names of the fields in which two plans differ."""
    return tuple(
        name for name in Plan.__struct_fields__ if getattr(old, name) != getattr(new, name)
    )
