"""From the options of ``experiment create`` to a plan, with the number of units from history."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sbhooks.errors import ExperimentError
from sbhooks.lazy import missing
from sbhooks_experiments.ask import EXTRA
from sbhooks_experiments.desk import Desk
from sbhooks_experiments.past import unit_rollups
from sbhooks_experiments.plan import (
    Metric,
    Mode,
    Plan,
    Unit,
    check,
    parse_guardrail,
)

_NAMESPACE = re.compile(r"(?P<name>[^:]+)(?::(?P<low>[0-9.]+)-(?P<high>[0-9.]+))?")
DEFAULT_UNITS = 1000
_LEAST_HISTORY = 10  # units from which on their spread is worth anything


def plan_of(desk: Desk, options: Mapping[str, Any]) -> Plan:
    """The plan that the options describe.

    Raises:
        ExperimentError: An option cannot be understood.
    """
    namespace, low, high = _namespace(options["namespace"])
    fields = {
        key: options[key]
        for key in (
            "name", "control", "treatment", "description", "skill", "ratio", "alpha", "power",
            "mde", "min_units", "method", "salt", "holdout",
        )
    }  # fmt: skip
    plan = Plan(
        **fields, unit=Unit(options["unit"]), mode=Mode(options["mode"]),
        primary=tuple(map(Metric, options["primary"])) or (Metric.COMPLETION_RATE,),
        secondary=tuple(map(Metric, options["secondary"])),
        guardrails=tuple(map(parse_guardrail, options["guardrails"])),
        cuped=not options["no_cuped"], hash=options["hash_"],
        namespace=namespace, low=low, high=high,
        max_units=options["max_units"] or DEFAULT_UNITS,
    )  # fmt: skip
    check(plan)
    if options["max_units"] is not None or plan.mde is None:
        return plan
    from msgspec.structs import replace

    return replace(plan, max_units=planned_units(desk, plan) or plan.max_units)


def planned_units(desk: Desk, plan: Plan) -> int | None:
    """How many units find a difference of ``plan.mde``, by the spread of history.

    Returns:
        ``None`` where history is too short to tell, or cannot be computed with.
    """
    metric = plan.primary[0]
    if plan.mde is None or metric is Metric.RATING:
        return None
    if missing({"numpy": EXTRA, "scipy": EXTRA}):
        return None
    import numpy as np

    from sbhooks_experiments.power import required_units
    from sbhooks_experiments.simulate import history_of
    from sbhooks_experiments.statistics import arm

    rows = [row for _, row in unit_rollups(desk.store(), plan.unit, plan.skill)]
    history = history_of(rows, metric)
    if len(history.top) < _LEAST_HISTORY:
        return None
    found = arm(np.asarray(history.top), np.asarray(history.bottom))
    if not found.value or not found.variance:
        return None
    units = required_units(
        plan.mde * found.value, found.variance, ratio=plan.ratio, alpha=plan.alpha,
        power=plan.power, any_time=plan.mode is not Mode.FIXED,
    )  # fmt: skip
    return max(units, 2 * plan.min_units)


def _namespace(text: str) -> tuple[str, float, float]:
    if not text:
        return "", 0.0, 1.0
    found = _NAMESPACE.fullmatch(text)
    try:
        if found is None:
            raise ValueError(text)
        low, high = float(found["low"] or 0), float(found["high"] or 1)
    except ValueError as error:
        raise ExperimentError(
            f"cannot read the namespace {text!r}: write a name, or a name and a span, as ci:0-0.5"
        ) from error
    return found["name"], low, high
