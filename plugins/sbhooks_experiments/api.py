"""Experiments from Python; see the package."""

from __future__ import annotations

from typing import Any, Self

import msgspec

from sbhooks.config import load_config
from sbhooks.errors import ExperimentError
from sbhooks.events import Outcome
from sbhooks.runtime import Runtime
from sbhooks_experiments.desk import Desk
from sbhooks_experiments.given import Given, Recorded
from sbhooks_experiments.plan import Plan
from sbhooks_experiments.results import Analysis


class Experiment:
    """One experiment that exists. Use it as a context manager, or close it.

    Args:
        name: Of the experiment.
        runtime: Settings, plugins and store; those of this process by default.

    Raises:
        ExperimentError: There is none of that name.
    """

    def __init__(self, name: str, runtime: Runtime | None = None) -> None:
        self._own = runtime is None
        self._runtime = runtime or Runtime.start(load_config())
        self._desk = Desk(self._runtime)
        self.name = name
        try:
            self._desk.state(name)
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(cls, name: str, runtime: Runtime | None = None, **plan: Any) -> Self:
        """Create an experiment.

        Args:
            name: Of the experiment.
            runtime: Settings, plugins and store; those of this process by default.
            plan: Fields of :class:`~sbhooks_experiments.plan.Plan`, such as ``control``.

        Raises:
            ExperimentError: The plan cannot be used, or the name is taken.
        """
        used = runtime or Runtime.start(load_config())
        try:
            made = msgspec.convert({"name": name, **plan}, Plan)
            Desk(used).create(made)
        except msgspec.ValidationError as error:
            raise ExperimentError(f"cannot create the experiment {name!r}: {error}") from error
        finally:
            if runtime is None:
                used.close()
        return cls(name, runtime)

    @property
    def plan(self) -> Plan:
        """The plan as it stands."""
        return self._desk.state(self.name).plan

    def assign(self, unit: str | None = None, *, expose: bool = True) -> Given:
        """Give a unit its variant; see ``Desk.assign``."""
        return self._desk.assign(self.name, unit, expose=expose)

    def record(
        self,
        unit: str | None = None,
        *,
        outcome: Outcome | str = Outcome.SUCCESS,
        duration_s: float | None = None,
        rating: float | None = None,
        skill: str | None = None,
    ) -> Recorded:
        """Record what a unit did; see ``Desk.record``."""
        return self._desk.record(
            self.name, unit, outcome=outcome, duration_s=duration_s, rating=rating, skill=skill
        )

    def analyze(self) -> Analysis:
        """The result so far."""
        return self._desk.analyse(self.name)

    def stop(self, reason: str = "") -> None:
        """End the experiment."""
        self._desk.stop(self.name, reason=reason)

    def close(self) -> None:
        """Release the store, if it was opened here."""
        if self._own:
            self._runtime.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def assign(name: str, unit: str | None = None) -> Given:
    """Give a unit of a named experiment its variant; see ``Desk.assign``."""
    with Experiment(name) as experiment:
        return experiment.assign(unit)


def record(
    name: str,
    unit: str | None = None,
    *,
    outcome: Outcome | str = Outcome.SUCCESS,
    duration_s: float | None = None,
    rating: float | None = None,
    skill: str | None = None,
) -> Recorded:
    """Record what a unit of a named experiment did; see ``Desk.record``."""
    with Experiment(name) as experiment:
        return experiment.record(
            unit, outcome=outcome, duration_s=duration_s, rating=rating, skill=skill
        )


def analyze(name: str) -> Analysis:
    """The result of a named experiment so far."""
    with Experiment(name) as experiment:
        return experiment.analyze()
