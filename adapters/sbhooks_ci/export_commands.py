"""The commands ``sbhooks export …``: recorded sessions for other systems."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import Reading, reading

if TYPE_CHECKING:
    from sbhooks_ci.exported import Exported


@click.group(cls=CommandGroup)
def export() -> None:
    """Hand recorded sessions to other systems."""


def _sending(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that say where to."""
    for option in (
        click.option(
            "--header", "headers", multiple=True, metavar="NAME:VALUE",
            help="Send this with every request; can be given several times.",
        ),
        click.option(
            "--to", "url", metavar="URL", help="The receiver.  [default: standard output]"
        ),
    ):  # fmt: skip
        command = option(command)
    return command


@export.command("otlp")
@reading
@_sending
def otlp(reading: Reading, url: str | None, headers: tuple[str, ...]) -> None:
    """Export traces to an OpenTelemetry collector, or print them.

    Each finished session becomes a trace, or a part of the one that it continued (TRACEPARENT):
    stages, tools and tests are its spans. A URL without a path gets /v1/traces. The form is
    OTLP/HTTP with JSON. Exporting again sends the same ids.
    """
    from sbhooks_ci.exported import export_otlp

    _export(reading, url, headers, export_otlp, "span")


@export.command("cdevents")
@reading
@_sending
def cdevents(reading: Reading, url: str | None, headers: tuple[str, ...]) -> None:
    """Export CDEvents of finished sessions to a receiver of CloudEvents, or print them.

    Stages, test runs and tests become the events that CDEvents 0.5.1 has for them, calls of
    skills custom ones. They are sent as batches of CloudEvents. Exporting again sends the same
    ids.
    """
    from sbhooks_ci.exported import export_cdevents

    _export(reading, url, headers, export_cdevents, "event")


def _export(
    reading: Reading,
    url: str | None,
    headers: tuple[str, ...],
    export: Callable[..., Exported],
    noun: str,
) -> None:
    from sbhooks.wording import count
    from sbhooks_ci.finished import finished

    if url is None and reading.as_json:
        raise click.UsageError("--json says what was sent: it needs --to")
    sessions = finished(reading.store, reading.query())
    found = export(sessions, url, dict(map(_header, headers)))
    if url is None:
        return
    told = f"{count(found.sent, noun)} of {count(found.sessions, 'session')} sent to {found.to}."
    reading.show(found, lambda out: out.line(told))


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not name.strip() or not text.isprintable():
        raise click.BadParameter(f"{name!r} is no header. Write --header 'Name: value'")
    return name.strip(), value.strip()
