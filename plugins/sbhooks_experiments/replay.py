"""``sbhooks experiment simulate``: finds the history to replay."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from sbhooks.store import EventReader
from sbhooks_experiments import log
from sbhooks_experiments.ask import need_libraries
from sbhooks_experiments.past import unit_rollups
from sbhooks_experiments.plan import Metric, Unit

if TYPE_CHECKING:
    from sbhooks_experiments.simulate import Simulation


def replay(
    store: EventReader, name: str | None, *, unit: str, metric: str, skill: str, trials: int,
    looks: int, alpha: float, seed: int, since: datetime | None = None,
    projects: tuple[str, ...] = (),
) -> Simulation:  # fmt: skip
    """Replay what was recorded, with an experiment's rules where one is named.

    Raises:
        ExperimentError: There is no experiment of that name.
        MissingExtraError: The libraries for it are not installed.
    """
    plan = log.state(store, name).plan if name else None
    need_libraries()
    from sbhooks_experiments.simulate import history_of, simulate

    if plan is not None:
        unit, skill, alpha = plan.unit, skill or plan.skill, plan.alpha
        metric = next((m for m in plan.primary if m is not Metric.RATING), metric)
    named = unit_rollups(store, Unit(unit), skill, since=since, projects=projects)
    history = history_of([row for _, row in named], Metric(metric))
    return simulate(
        history, Metric(metric), unit, trials=trials, looks=looks, alpha=alpha, seed=seed
    )
