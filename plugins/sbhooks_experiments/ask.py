"""Questions to the store that need the statistics libraries."""

from __future__ import annotations

from datetime import datetime

from sbhooks.lazy import require
from sbhooks.store import EventReader
from sbhooks_experiments import log
from sbhooks_experiments.results import Analysis, ExperimentList, ExperimentRow

EXTRA = "sbhooks[experiments]"


def need_libraries() -> None:
    """Make sure that the statistics can be computed.

    Raises:
        MissingExtraError: A library is not installed.
    """
    for module in ("numpy", "scipy"):
        require(module, install=EXTRA)


def analysis(store: EventReader, name: str, *, now: datetime) -> Analysis:
    """The result of one experiment.

    Raises:
        ExperimentError: There is none of that name.
        MissingExtraError: The libraries for it are not installed.
    """
    state = log.state(store, name)
    need_libraries()
    from sbhooks_experiments.analysis import analyse
    from sbhooks_experiments.past import past_of_units

    history = past_of_units(store, state.plan, state.created_at) if state.plan.cuped else {}
    return analyse(state, log.columns(store, name), now=now, history=history)


def listing(store: EventReader, *, now: datetime) -> ExperimentList:
    """Every experiment, the newest first, with its decision."""
    known = log.states(store)
    if known:
        need_libraries()
    found = [analysis(store, name, now=now) for name in known]
    rows = [
        ExperimentRow(
            name=one.experiment, status=one.status, unit=one.units.unit, mode=one.plan.mode,
            created_at=known[one.experiment].created_at, control=one.plan.control,
            treatment=one.plan.treatment, exposed=one.units.exposed, planned=one.units.planned,
            decision=one.decision, summary=one.summary,
        )
        for one in found
    ]  # fmt: skip
    return ExperimentList(experiments=sorted(rows, key=lambda row: row.created_at, reverse=True))
