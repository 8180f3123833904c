"""What is kept in step with the log: the recorders' small file, and the tables for SQL."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sbhooks import variants
from sbhooks.errors import MissingExtraError
from sbhooks.events import Event
from sbhooks.store import EventQuery, EventReader
from sbhooks.variants import CONTROL, TREATMENT, Assigner, Running
from sbhooks_experiments.ask import need_libraries
from sbhooks_experiments.kinds import KINDS
from sbhooks_experiments.log import State, columns, first_exposures, states
from sbhooks_experiments.plan import Mode, Unit

#: Beyond that many events the tables are only filled when somebody asks for an analysis.
MOST_FOR_TABLES = 2_000


def update(events: Sequence[Event], store: EventReader, home: str) -> None:
    """Renew both, if a batch says anything about experiments.

    Args:
        events: The batch that was stored last.
        store: Where it was stored.
        home: The folder of sbhooks' data.

    Raises:
        OSError: The home cannot be written.
        StoreError: The tables cannot be written.
    """
    if not any(isinstance(event, KINDS) for event in events):
        return
    variants.save(home, running(store))
    few = EventQuery(kinds=("exposure", "outcome"), limit=MOST_FOR_TABLES + 1)
    if sum(1 for _ in store.events(few)) <= MOST_FOR_TABLES:
        from sbhooks_experiments.tables import keep

        keep(store)


def running(store: EventReader) -> dict[str, Running]:
    """Experiments that are running, as recorders must know them."""
    found = {}
    for name, state in states(store).items():
        if state.is_running:
            try:
                found[name] = of_state(state, store)
            except MissingExtraError:
                continue  # a bandit whose share nobody here can compute
    return found


def of_state(state: State, store: EventReader) -> Running:
    """One experiment, with the units that keep what they got before."""
    plan = state.plan
    share, pins = plan.ratio, {}
    moved = any("ratio" in edit.changed for edit in state.edits)
    # Users get new pseudonyms when their key is replaced; hash 1 does not go by these.
    renamed = plan.unit is Unit.USER and plan.hash != 1
    if plan.mode is Mode.BANDIT or moved or renamed:
        share = present_share(state, store)
        pins = pins_of(state, first_exposures(store, plan.name), share)
    return Running(
        plan.split(share), plan.unit, plan.control, plan.treatment, plan.skill, plan.digest, pins
    )


def present_share(state: State, store: EventReader) -> float:
    """The treatment's share of new units.

    Raises:
        MissingExtraError: A bandit's share cannot be computed without the libraries for it.
    """
    if state.plan.mode is not Mode.BANDIT:
        return state.plan.ratio
    need_libraries()
    from sbhooks_experiments.bandit import share

    return share(columns(store, state.name), state.plan)


def pins_of(state: State, first: Mapping[str, tuple[bool, int]], share: float) -> dict[str, str]:
    """Units that got what the split would no longer give them."""
    assigner = Assigner(state.plan.split(share))
    pins = {}
    for unit, (treated, _) in first.items():
        got = TREATMENT if treated else CONTROL
        if assigner.assign(unit).variant != got:
            pins[unit] = got
    return pins
