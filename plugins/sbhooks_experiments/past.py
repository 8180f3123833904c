"""What units did before an experiment, from everything that was recorded of them.

Invocations of the experiment's skill (of all skills where it has none of its own) before it was
created, added up by the store per user or project. Sessions and commits have no past.
"""

from __future__ import annotations

from datetime import datetime

from sbhooks.events import Outcome
from sbhooks.store import Dimension, EventQuery, EventReader, Rollup
from sbhooks_experiments.plan import Metric, Plan, Unit
from sbhooks_experiments.units import Past

#: How each unit is told in the log of everything.
DIMENSIONS: dict[Unit, Dimension] = {
    Unit.USER: "user",
    Unit.SESSION: "session",
    Unit.COMMIT: "commit",
    Unit.REPOSITORY: "project",
}
_WITH_PAST = frozenset({Unit.USER, Unit.REPOSITORY})


def past_of_units(store: EventReader, plan: Plan, before: datetime) -> dict[str, Past]:
    """Unit → its past; empty where units have none.

    Args:
        store: The events.
        plan: Names the unit and the skill.
        before: Only what happened before.
    """
    if plan.unit not in _WITH_PAST:
        return {}
    rows = unit_rollups(store, plan.unit, plan.skill, before=before)
    return {name: sums(row) for name, row in rows}


def unit_rollups(
    store: EventReader,
    unit: Unit,
    skill: str,
    *,
    before: datetime | None = None,
    since: datetime | None = None,
    projects: tuple[str, ...] = (),
) -> list[tuple[str, Rollup]]:
    """Each unit's invocations, added up; in order of its first one."""
    skills = (skill,) if skill else ()
    query = EventQuery(
        kinds=("invocation",), skills=skills, projects=projects, since=since, until=before
    )
    rows = store.rollup(query, by=[DIMENSIONS[unit]])
    named = [(str(row.key[0]), row) for row in rows if row.key[0]]
    return sorted(named, key=lambda pair: (pair[1].first_at, pair[0]))


def sums(row: Rollup) -> Past:
    """A unit's sums per metric."""
    completed = row.outcomes.get(Outcome.SUCCESS, 0)
    return Past(
        top={Metric.COMPLETION_RATE: completed, Metric.DURATION: row.duration_sum},
        bottom={Metric.COMPLETION_RATE: row.n, Metric.DURATION: row.duration_n},
    )
