"""The tables of the old A/B API, for readers with SQL: a cache of the log.

===========================  =====================================================================
table                        rows
===========================  =====================================================================
``ab_test_configs``          one per experiment; ``metrics`` is a JSON array of names
``ab_test_assignments``      one per unit: its first exposure, with its time
``ab_test_outcomes``         one per outcome since the unit's exposure
===========================  =====================================================================
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from math import isnan

import msgspec

from sbhooks.events import from_us
from sbhooks.store import EventQuery, EventReader, KeepsResults, SqlValue
from sbhooks.variants import CONTROL, TREATMENT
from sbhooks_experiments.analysis import status_of
from sbhooks_experiments.kinds import ExperimentOutcome, Exposure
from sbhooks_experiments.log import Columns, State, states

Tables = Mapping[str, Sequence[Mapping[str, SqlValue]]]


def keep(store: EventReader) -> bool:
    """Fill the tables from the log; says whether the store has any."""
    if not isinstance(store, KeepsResults):
        return False
    found = states(store)
    store.keep_results(tables(found, all_columns(store, found)))
    return True


def all_columns(store: EventReader, names: Iterable[str]) -> dict[str, Columns]:
    """The log of every experiment, read once."""
    found = {name: Columns() for name in names}
    for event in store.events(EventQuery(kinds=("exposure", "outcome"))):
        if isinstance(event, Exposure) and event.experiment in found:
            found[event.experiment].expose(event)
        elif isinstance(event, ExperimentOutcome) and event.experiment in found:
            found[event.experiment].act(event)
    return found


def tables(found: Mapping[str, State], logs: Mapping[str, Columns]) -> Tables:
    """The rows of all three tables."""
    configs: list[Mapping[str, SqlValue]] = []
    assignments: list[Mapping[str, SqlValue]] = []
    outcomes: list[Mapping[str, SqlValue]] = []
    for number, (name, state) in enumerate(found.items(), start=1):
        columns = logs[name]
        configs.append(_config(number, state))
        first = columns.first()
        assignments += [
            {"test_id": number, "user_id": unit, "group_name": TREATMENT if treated else CONTROL,
             "assigned_at": _text(from_us(at))}
            for unit, (treated, at) in first.items()
        ]  # fmt: skip
        outcomes += _outcomes(number, columns, first)
    return {
        "ab_test_configs": configs,
        "ab_test_assignments": assignments,
        "ab_test_outcomes": outcomes,
    }


def _config(number: int, state: State) -> Mapping[str, SqlValue]:
    plan = state.plan
    return {
        "test_id": number,
        "test_name": plan.name,
        "description": plan.description or None,
        "control_strategy": plan.control,
        "treatment_strategy": plan.treatment,
        "start_date": _text(state.created_at),
        "end_date": _text(state.stop.at) if state.stop else None,
        "min_sample_size": 2 * plan.min_units,
        "metrics": msgspec.json.encode([str(metric) for metric in plan.metrics]).decode(),
        "assignment_ratio": plan.ratio,
        "status": status_of(state),
        "created_at": _text(state.created_at),
    }


def _outcomes(
    number: int, columns: Columns, first: Mapping[str, tuple[bool, int]]
) -> list[Mapping[str, SqlValue]]:
    rows: list[Mapping[str, SqlValue]] = []
    for place, acted in enumerate(columns.acted):
        unit, at = columns.units[acted], columns.acted_us[place]
        if unit not in first or at < first[unit][1]:
            continue
        rows.append({
            "test_id": number,
            "user_id": unit,
            "skill_name": columns.skills[place],
            "completed": int(columns.completed[place]),
            "duration_seconds": _known(columns.seconds[place]),
            "user_rating": _known(columns.stars[place]),
            "recorded_at": _text(from_us(at)),
        })  # fmt: skip
    return rows


def _known(value: float) -> float | None:
    return None if isnan(value) else value


def _text(at: datetime) -> str:
    """As the other tables write times."""
    return at.astimezone(UTC).isoformat(timespec="microseconds")
