"""What can be done with experiments: create, edit, assign, record, stop, ask.

Everything is checked before anything is written, and what is written are events. A unit's first
exposure is its assignment: asking again gives the same variant and the same time, and writes
nothing.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import msgspec

from sbhooks.emitter import Emitter
from sbhooks.errors import ExperimentError
from sbhooks.events import Event, Outcome, utc_now
from sbhooks.runtime import Runtime
from sbhooks.settings import here
from sbhooks.store import EventReader
from sbhooks.variants import CONTROL, TREATMENT, Assigner
from sbhooks_experiments import keeper, log
from sbhooks_experiments.given import Given, Recorded, given_to
from sbhooks_experiments.kinds import (
    SOURCE,
    ExperimentOutcome,
    ExperimentStop,
    exposure,
    written_down,
)
from sbhooks_experiments.log import State
from sbhooks_experiments.names import plain_name, unit_name
from sbhooks_experiments.plan import Plan, changes, check
from sbhooks_experiments.refusals import (
    check_editable,
    check_free,
    check_running,
    check_values,
)
from sbhooks_experiments.results import Analysis


class Known(NamedTuple):
    """An experiment as it was read.

    Attributes:
        state: Its plan.
        share: The treatment's share of new units.
        first: Unit → whether it got the treatment first, and when.
    """

    state: State
    share: float
    first: dict[str, tuple[bool, int]]


class Desk:
    """All experiments of a store.

    Args:
        runtime: Settings, plugins and the store.
    """

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._known: dict[str, tuple[int, Known]] = {}

    @property
    def home(self) -> str:
        """The folder of sbhooks' data."""
        return str(self.runtime.config.home)

    # --- asking ---------------------------------------------------------------

    def store(self) -> EventReader:
        """The store, with everything in it that has been recorded up to now."""
        self.runtime.collect()
        return self.runtime.store

    def state(self, name: str) -> State:
        """Plan and end of an experiment.

        Raises:
            ExperimentError: There is none of that name.
        """
        return log.state(self.store(), name)

    def read(self, name: str, what: str) -> Known:
        """A running experiment with its units; read again only when the store has changed.

        Args:
            name: Of the experiment.
            what: What somebody is about to do with it, for the message that refuses.

        Raises:
            ExperimentError: There is none of that name, or it was stopped.
        """
        store = self.store()
        mark = store.high_water()
        before, known = self._known.get(name, (None, None))
        if known is None or before != mark:
            state = log.state(store, name)
            share = keeper.present_share(state, store)
            known = Known(state, share, log.first_exposures(store, name))
            self._known[name] = mark, known
        check_running(known.state, what)
        return known

    def analyse(self, name: str) -> Analysis:
        """The result of an experiment.

        Raises:
            ExperimentError: There is none of that name.
            MissingExtraError: The libraries for it are not installed.
        """
        from sbhooks_experiments.ask import analysis

        return analysis(self.store(), name, now=utc_now())

    # --- writing --------------------------------------------------------------

    def create(self, plan: Plan) -> State:
        """Create an experiment.

        Raises:
            ExperimentError: The plan cannot be used, its name is taken, or its span overlaps
                that of another experiment of the namespace.
        """
        check(plan)
        check_free(plan, log.states(self.store()))
        self._write(written_down(plan))
        return self.state(plan.name)

    def edit(self, name: str, **fields: Any) -> State:
        """Change the plan; the change stays visible in every later result.

        Raises:
            ExperimentError: Such a change would make another experiment, or the plan cannot be
                used with it.
        """
        state = self._running(name, "change")
        check_editable(name, fields)
        plan = check(msgspec.structs.replace(state.plan, **fields), "change")
        if changes(state.plan, plan):
            self._write(written_down(plan))
        return self.state(name)

    def assign(self, name: str, unit: str | None = None, *, expose: bool = True) -> Given:
        """Give a unit its variant.

        Args:
            name: Of the experiment.
            unit: Its name; this user, commit or repository by default.
            expose: Whether the unit meets its variant now; otherwise nothing is written.

        Raises:
            ExperimentError: There is no such experiment, it was stopped, or there is no unit.
        """
        known = self.read(name, "assign a unit of")
        plan = known.state.plan
        recorded = unit_name(plan.unit, unit, self.home)
        if recorded in known.first:
            treated, at = known.first[recorded]
            return given_to(plan, recorded, TREATMENT if treated else CONTROL, "sticky", at)
        found = Assigner(plan.split(known.share)).assign(recorded, plain_name(plan.unit, unit))
        if found.variant is None or not expose:
            return given_to(plan, recorded, found.variant, found.reason, None)
        event = exposure(plan, recorded, found.variant, found.reason, known.share)
        self._write(event)
        return given_to(plan, recorded, found.variant, found.reason, event.at, is_new=True)

    def record(
        self,
        name: str,
        unit: str | None = None,
        *,
        outcome: Outcome | str = Outcome.SUCCESS,
        duration_s: float | None = None,
        rating: float | None = None,
        skill: str | None = None,
    ) -> Recorded:
        """Record what a unit did under its variant.

        Raises:
            ExperimentError: There is no such experiment, it was stopped, the unit has not been
                assigned, or a value is impossible.
        """
        known = self.read(name, "record an outcome of")
        plan = known.state.plan
        recorded = unit_name(plan.unit, unit, self.home)
        check_values(name, outcome, duration_s, rating)
        if recorded not in known.first:
            raise ExperimentError(
                f"cannot record an outcome of the experiment {name!r}: the {plan.unit} "
                f"{unit or recorded!r} has not been assigned. Run: sbhooks experiment assign"
            )
        emitter = _emitter()
        event = ExperimentOutcome(
            source=SOURCE, session=emitter.session, experiment=name, unit=recorded,
            skill=skill or plan.skill or plan.name, outcome=Outcome(outcome),
            duration_s=duration_s, rating=rating,
        )  # fmt: skip
        self._write(event, emitter)
        return Recorded(
            experiment=name, unit=event.unit, skill=event.skill, outcome=event.outcome,
            duration_s=duration_s, rating=rating,
        )  # fmt: skip

    def stop(self, name: str, *, decision: str = "", reason: str = "") -> State:
        """End an experiment.

        Raises:
            ExperimentError: There is no such experiment, or it has ended already.
        """
        self._running(name, "stop")
        emitter = _emitter()
        stop = ExperimentStop(
            source=SOURCE, session=emitter.session, experiment=name, decision=decision,
            reason=reason or "stopped by hand",
        )  # fmt: skip
        self._write(stop, emitter)
        return self.state(name)

    # --- inside ---------------------------------------------------------------

    def _running(self, name: str, what: str) -> State:
        state = self.state(name)
        check_running(state, what)
        return state

    def _write(self, event: Event, emitter: Emitter | None = None) -> None:
        """Record an event, and have it in the store when this returns."""
        emitter = emitter or _emitter()
        emitter.emit(msgspec.structs.replace(event, session=emitter.session))
        trouble = emitter.trouble
        enabled = emitter.enabled
        emitter.close()
        if trouble or not enabled:
            why = trouble or "recording is switched off (SBHOOKS_DISABLE)"
            raise ExperimentError(f"cannot record anything of an experiment: {why}")
        self.runtime.collect()


def _emitter() -> Emitter:
    return Emitter(here(), source=SOURCE)
