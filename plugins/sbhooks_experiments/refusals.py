"""What cannot be done with an experiment, and the one message that says so."""

from __future__ import annotations

from collections.abc import Mapping

from sbhooks.errors import ExperimentError
from sbhooks.events import Outcome
from sbhooks_experiments.kinds import is_rating
from sbhooks_experiments.log import State
from sbhooks_experiments.plan import EDITABLE, Plan


def check_free(plan: Plan, known: Mapping[str, State]) -> None:
    """Refuse a plan whose name or span of a namespace is taken.

    Raises:
        ExperimentError: It is.
    """
    what = f"cannot create the experiment {plan.name!r}"
    if plan.name in known:
        raise ExperimentError(
            f"{what}: there is one of that name, created "
            f"{known[plan.name].created_at:%Y-%m-%d}. Choose another name"
        )
    for other in known.values():
        if other.is_running and _overlap(plan, other.plan):
            raise ExperimentError(
                f"{what}: in the namespace {plan.namespace!r} its span overlaps that of "
                f"{other.name!r}, {other.plan.low:g} to {other.plan.high:g}. Choose another span"
            )


def check_editable(name: str, fields: Mapping[str, object]) -> None:
    """Refuse changes that would make another experiment.

    Raises:
        ExperimentError: Names the fields.
    """
    if refused := sorted(set(fields) - EDITABLE):
        raise ExperimentError(
            f"cannot change {', '.join(refused)} of the experiment {name!r}: that would be "
            "another experiment. Stop this one and create a new one"
        )


def check_running(state: State, what: str) -> None:
    """Refuse to do something with an experiment that has ended.

    Raises:
        ExperimentError: It has.
    """
    if state.stop is not None:
        raise ExperimentError(
            f"cannot {what} the experiment {state.name!r}: it was stopped on "
            f"{state.stop.at:%Y-%m-%d} ({state.stop.reason}). Create a new one to go on"
        )


def check_values(
    name: str, outcome: Outcome | str, duration_s: float | None, rating: float | None
) -> None:
    """Refuse an outcome that cannot be.

    Raises:
        ExperimentError: Names the value.
    """
    what = f"cannot record an outcome of the experiment {name!r}"
    if outcome not in set(Outcome):
        raise ExperimentError(f"{what}: {outcome!r} is none of {', '.join(Outcome)}")
    if duration_s is not None and not 0 <= duration_s <= 1e9:
        raise ExperimentError(f"{what}: a duration of {duration_s:g} s is not 0 or more")
    if rating is not None and not is_rating(rating):
        raise ExperimentError(f"{what}: the rating {rating:g} is not between 1 and 5")


def _overlap(one: Plan, other: Plan) -> bool:
    same = bool(one.namespace) and one.namespace == other.namespace
    return same and one.low < other.high and other.low < one.high
