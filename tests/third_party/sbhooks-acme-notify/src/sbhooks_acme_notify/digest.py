"""The second plugin: a command that says what the chat room was told, or would have been."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from sbhooks import EventQuery, EventReader, SessionEnd, hookimpl

if TYPE_CHECKING:
    import click

    from sbhooks.cli_options import Reading


class Digest(msgspec.Struct, frozen=True, kw_only=True):
    """What ``sbhooks acme-digest --json`` prints.

    Attributes:
        messages: One for each run that failed, newest first.
    """

    messages: list[str]


def digest(store: EventReader, query: EventQuery) -> Digest:
    """The messages of the runs that failed, of those that a query finds."""
    from sbhooks_acme_notify.message import is_failure, message

    ends = (event for event in store.events(query) if isinstance(event, SessionEnd))
    return Digest(messages=[message(end, store) for end in ends if is_failure(end)])


@hookimpl
def sbhooks_commands(cli: click.Group) -> None:
    """Add ``acme-digest``."""
    from sbhooks.cli_options import reading

    @cli.command("acme-digest")
    @reading
    def command(reading: Reading) -> None:
        """Say what a chat room is told about runs that failed."""
        found = digest(reading.store, reading.query("session-end", newest_first=True))
        reading.show(found, lambda out: [out.line(message) for message in found.messages])
