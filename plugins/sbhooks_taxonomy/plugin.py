"""Hook implementations; what they need is imported when a question is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from sbhooks.hookspecs import hookimpl

if TYPE_CHECKING:
    import click

    from sbhooks.events import Event
    from sbhooks.store import EventReader


@hookimpl
def sbhooks_event_types() -> Iterable[type[Event]]:
    """What people decide about categories."""
    from sbhooks_taxonomy.events import Assignment, NewCategory

    return (Assignment, NewCategory)


@hookimpl
def sbhooks_commands(cli: click.Group) -> None:
    """Add ``taxonomy``."""
    from sbhooks_taxonomy.commands import taxonomy

    cli.add_command(taxonomy)


@hookimpl
def sbhooks_skills(category: str, store: EventReader) -> Iterable[str] | None:
    """Name the skills of a category, or of all categories of a domain."""
    from sbhooks_taxonomy.newcomers import skills_of

    return skills_of(category, store)


@hookimpl
def sbhooks_events_stored(events: Sequence[Event], store: EventReader, home: str) -> None:
    """Put skills that were never seen before into the tables, once there are any."""
    from sbhooks_taxonomy.newcomers import update

    update(events, store, home)
