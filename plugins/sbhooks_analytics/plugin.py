"""Hook implementations; what they need is imported when a question is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sbhooks.hookspecs import hookimpl

if TYPE_CHECKING:
    import click

    from sbhooks.events import Event
    from sbhooks.insights import Insight, InsightQuery
    from sbhooks.store import EventReader


@hookimpl
def sbhooks_event_types() -> Iterable[type[Event]]:
    """Declare what people decide about findings and tests."""
    from sbhooks_analytics.decisions import KINDS

    return KINDS


@hookimpl
def sbhooks_commands(cli: click.Group) -> None:
    """Add ``top``, ``runs``, ``show``, ``tests`` and ``pipelines``."""
    from sbhooks_analytics.commands import COMMANDS
    from sbhooks_analytics.pipelines_command import pipelines

    for command in (*COMMANDS, pipelines):
        cli.add_command(command)


@hookimpl
def sbhooks_events_stored(events: Sequence[Event], store: EventReader, home: str) -> None:
    """Keep how long tests usually take, for the recorders."""
    from sbhooks_analytics.hints_writer import update

    update(events, store, home)


@hookimpl
def sbhooks_insights(query: InsightQuery, store: EventReader) -> Iterable[Insight]:
    """Slow, flaky and broken tests."""
    from sbhooks_analytics.findings import findings

    return findings(query, store)
