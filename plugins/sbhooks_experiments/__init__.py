"""A/B experiments on how a team works, from Python.

::

    from sbhooks_experiments import Experiment

    with Experiment.create("prompt", control="short", treatment="long") as experiment:
        given = experiment.assign("alice")
        experiment.record("alice", outcome="success", duration_s=1.5, rating=4)
        print(experiment.analyze().summary)

The functions :func:`assign`, :func:`record` and :func:`analyze` do one thing each with an
experiment that is named. All of them write events and read the configured store.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sbhooks_experiments.api import Experiment, analyze, assign, record

__all__ = ["Experiment", "analyze", "assign", "record"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sbhooks_experiments import api

    return getattr(api, name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
