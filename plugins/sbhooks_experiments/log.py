"""The log of one experiment, read from the store into columns."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from sbhooks.errors import ExperimentError
from sbhooks.events import Outcome, to_us
from sbhooks.store import EventQuery, EventReader
from sbhooks.variants import TREATMENT
from sbhooks_experiments.kinds import (
    ExperimentOutcome,
    ExperimentPlan,
    ExperimentStop,
    Exposure,
)
from sbhooks_experiments.plan import Plan, changes

if TYPE_CHECKING:
    from datetime import datetime

_UNKNOWN = float("nan")


class Edit(NamedTuple):
    """A change of the plan.

    Attributes:
        at: When.
        changed: Names of the fields.
        hash: Of the plan from then on.
    """

    at: datetime
    changed: tuple[str, ...]
    hash: str


class State:
    """What is known of an experiment apart from its units.

    Args:
        created: Its first plan event.

    Attributes:
        plan: As it stands now.
        created_at: When it was created.
        first_hash: Of the first plan.
        edits: Changes since, oldest first.
        stop: How it ended; ``None`` while it runs.
    """

    def __init__(self, created: ExperimentPlan) -> None:
        self.plan: Plan = created.plan
        self.created_at = created.at
        self.first_hash = created.hash
        self.edits: list[Edit] = []
        self.stop: ExperimentStop | None = None

    @property
    def name(self) -> str:
        """Of the experiment."""
        return self.plan.name

    @property
    def is_running(self) -> bool:
        """Whether units are still assigned and outcomes recorded."""
        return self.stop is None

    def take(self, event: ExperimentPlan | ExperimentStop) -> None:
        """Go on with the next event."""
        if isinstance(event, ExperimentStop):
            self.stop = self.stop or event
        elif self.stop is None:
            changed = changes(self.plan, event.plan)
            if changed:
                self.edits.append(Edit(event.at, changed, event.hash))
                self.plan = event.plan


def states(store: EventReader) -> dict[str, State]:
    """Every experiment, by name, oldest first."""
    found: dict[str, State] = {}
    query = EventQuery(kinds=("experiments-plan", "experiments-stop"))
    for event in store.events(query):
        if not isinstance(event, ExperimentPlan | ExperimentStop):
            continue
        if event.experiment in found:
            found[event.experiment].take(event)
        elif isinstance(event, ExperimentPlan):
            found[event.experiment] = State(event)
    return found


def state(store: EventReader, name: str) -> State:
    """One experiment.

    Raises:
        ExperimentError: There is none of that name.
    """
    known = states(store)
    if name in known:
        return known[name]
    some = ", ".join(sorted(known)[:8]) or "none yet"
    raise ExperimentError(
        f"there is no experiment {name!r}. Known: {some}. Make one with: sbhooks experiment create"
    )


class Columns:
    """Exposures and outcomes as columns; units are numbered in order of appearance.

    Attributes:
        units: Names, by number.
        exposed: Number of the unit, per exposure, oldest first.
        treated: Whether the variant is the treatment, per exposure.
        exposed_us: Time of each exposure.
        shares: The treatment's share when it was assigned.
        acted: Number of the unit, per outcome, oldest first.
        skills: Name of what was called, per outcome.
        completed: Whether it was a success, per outcome.
        seconds: Its duration; not a number where it is not known.
        stars: Its rating; likewise.
        acted_us: Time of each outcome.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self.units: list[str] = []
        self.exposed: list[int] = []
        self.treated: list[bool] = []
        self.exposed_us: list[int] = []
        self.shares: list[float] = []
        self.acted: list[int] = []
        self.skills: list[str] = []
        self.completed: list[bool] = []
        self.seconds: list[float] = []
        self.stars: list[float] = []
        self.acted_us: list[int] = []

    def number(self, unit: str) -> int:
        """The number of a unit."""
        found = self._numbers.setdefault(unit, len(self.units))
        if found == len(self.units):
            self.units.append(unit)
        return found

    def expose(self, event: Exposure) -> None:
        """Add an exposure."""
        self.exposed.append(self.number(event.unit))
        self.treated.append(event.variant == TREATMENT)
        self.exposed_us.append(to_us(event.at))
        share = event.attributes.get("share")
        self.shares.append(share if isinstance(share, float) and 0 < share < 1 else 0.5)

    def act(self, event: ExperimentOutcome) -> None:
        """Add an outcome."""
        self.acted.append(self.number(event.unit))
        self.skills.append(event.skill)
        self.completed.append(event.outcome == Outcome.SUCCESS)
        self.seconds.append(_UNKNOWN if event.duration_s is None else event.duration_s)
        self.stars.append(_UNKNOWN if event.rating is None else event.rating)
        self.acted_us.append(to_us(event.at))

    def first(self) -> dict[str, tuple[bool, int]]:
        """Unit → whether it got the treatment first, and when."""
        found: dict[str, tuple[bool, int]] = {}
        for number, treated, at in zip(self.exposed, self.treated, self.exposed_us, strict=True):
            found.setdefault(self.units[number], (treated, at))
        return found


def columns(store: EventReader, name: str) -> Columns:
    """Exposures and outcomes of one experiment."""
    return columns_of(store.events(EventQuery(kinds=("exposure", "outcome"))), name)


def first_exposures(store: EventReader, name: str) -> dict[str, tuple[bool, int]]:
    """Unit → whether it got the treatment first, and when; reads no outcome."""
    return columns_of(store.events(EventQuery(kinds=("exposure",))), name).first()


def columns_of(events: Iterable[object], name: str) -> Columns:
    """The same from events, oldest first; those of other experiments do not count."""
    found = Columns()
    for event in events:
        if isinstance(event, Exposure) and event.experiment == name:
            found.expose(event)
        elif isinstance(event, ExperimentOutcome) and event.experiment == name:
            found.act(event)
    return found
