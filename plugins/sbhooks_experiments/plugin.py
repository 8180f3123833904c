"""Hook implementations; numpy and scipy are imported when a result is asked for."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sbhooks.hookspecs import hookimpl

if TYPE_CHECKING:
    import click

    from sbhooks.events import Event
    from sbhooks.insights import Insight, InsightQuery
    from sbhooks.metrics import Metric
    from sbhooks.store import EventReader


@hookimpl
def sbhooks_event_types() -> Iterable[type[Event]]:
    """Plans, exposures, outcomes and ends of experiments."""
    from sbhooks_experiments.kinds import KINDS

    return KINDS


@hookimpl
def sbhooks_commands(cli: click.Group) -> None:
    """Add ``experiment``."""
    from sbhooks_experiments.commands import experiment

    cli.add_command(experiment)


@hookimpl
def sbhooks_events_stored(events: Sequence[Event], store: EventReader, home: str) -> None:
    """Keep what recorders must know of running experiments, and the tables for SQL."""
    from sbhooks_experiments.keeper import update

    update(events, store, home)


@hookimpl
def sbhooks_insights(query: InsightQuery, store: EventReader) -> Iterable[Insight]:
    """What running experiments have come to."""
    from sbhooks_experiments.findings import findings

    return findings(query, store)


@hookimpl
def sbhooks_metrics(store: EventReader) -> Iterable[Metric]:
    """Whether running experiments are healthy, and how many units they have."""
    from sbhooks_experiments.monitored import monitored

    return monitored(store)
