"""sbhooks: the flight recorder and analyst of developer tools.

The public names are loaded when they are first used, because host processes import this
package and must not pay for what they do not need.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sbhooks.config import Config, load_config
    from sbhooks.emitter import Emitter
    from sbhooks.errors import SbhooksError
    from sbhooks.events import (
        Ci,
        Detail,
        Event,
        Failure,
        Invocation,
        Outcome,
        PhaseChange,
        PipelineStage,
        SessionEnd,
        SessionStart,
        TestResult,
        Vcs,
    )
    from sbhooks.hookspecs import hookimpl
    from sbhooks.insights import Insight, InsightQuery
    from sbhooks.runtime import Runtime
    from sbhooks.store import EventQuery, EventReader, EventStore, Rollup

_HOME = {
    "Ci": "events",
    "Config": "config",
    "Detail": "events",
    "Emitter": "emitter",
    "Event": "events",
    "EventQuery": "store",
    "EventReader": "store",
    "EventStore": "store",
    "Failure": "events",
    "Insight": "insights",
    "InsightQuery": "insights",
    "Invocation": "events",
    "Outcome": "events",
    "PhaseChange": "events",
    "PipelineStage": "events",
    "Rollup": "store",
    "Runtime": "runtime",
    "SbhooksError": "errors",
    "SessionEnd": "events",
    "SessionStart": "events",
    "TestResult": "events",
    "Vcs": "events",
    "hookimpl": "hookspecs",
    "load_config": "config",
}

__version__ = "0.1.0"
__all__ = [
    "Ci",
    "Config",
    "Detail",
    "Emitter",
    "Event",
    "EventQuery",
    "EventReader",
    "EventStore",
    "Failure",
    "Insight",
    "InsightQuery",
    "Invocation",
    "Outcome",
    "PhaseChange",
    "PipelineStage",
    "Rollup",
    "Runtime",
    "SbhooksError",
    "SessionEnd",
    "SessionStart",
    "TestResult",
    "Vcs",
    "hookimpl",
    "load_config",
]


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"sbhooks.{_HOME[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
