"""``sbhooks monitoring``: rules, dashboards and runbooks for a server.

Imported whenever the command line is read, so everything but click is imported inside.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import json_option

if TYPE_CHECKING:
    from sbhooks.output import Output
    from sbhooks_monitoring.export import Exported


class _Address(click.ParamType[Any]):
    """``HOST:PORT``."""

    name = "address"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read the option."""
        host, _, port = str(value).rpartition(":")
        if not (host and port.isascii() and port.isdigit() and int(port) < 65_536):
            self.fail(f"{value!r} is no HOST:PORT, such as 127.0.0.1:8765", param, ctx)
        if "/" in host or any(character.isspace() for character in host):
            self.fail(f"{value!r} has more than HOST:PORT; leave out http:// and paths", param, ctx)
        return str(value)


class _Name(click.ParamType[Any]):
    """A name that stands in quotes in rules and configurations."""

    name = "name"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Read the option."""
        text = str(value)
        if not text or not all(c.isalnum() or c in "-_.:/ " for c in text):
            self.fail(f"{value!r} has characters that names of jobs should not have", param, ctx)
        return text


@click.group(cls=CommandGroup)
def monitoring() -> None:
    """Watch a server with Prometheus, Alertmanager and Grafana."""


@monitoring.command("export")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), metavar="DIR")
@click.option(
    "--target", "targets", multiple=True, type=_Address(), default=["127.0.0.1:8765"],
    show_default=True, metavar="HOST:PORT",
    help="A server to watch; can be given several times.",
)  # fmt: skip
@click.option(
    "--job", type=_Name(), default="sbhooks", show_default=True, metavar="NAME",
    help="Name of its scrape job in Prometheus.",
)  # fmt: skip
@click.option("--tls", is_flag=True, help="The server speaks TLS.")
@click.option(
    "--ca-file", metavar="FILE",
    help="The server speaks TLS, with a certificate of your own authority: its file, PEM.",
)  # fmt: skip
@click.option(
    "--token-file", metavar="FILE",
    help="Where Prometheus finds a token for the server, one with the scope 'read'.",
)  # fmt: skip
@click.option(
    "--runbooks", metavar="URL", default="",
    help="Where you publish the folder of runbooks.  [default: where they are written]",
)  # fmt: skip
@click.option(
    "--prometheus", metavar="URL", default="http://127.0.0.1:9090", show_default=True,
    help="Where Grafana reaches Prometheus.",
)  # fmt: skip
@click.option(
    "--alertmanager", type=_Address(), metavar="HOST:PORT", default="127.0.0.1:9093",
    show_default=True, help="Where Prometheus reaches Alertmanager.",
)  # fmt: skip
@click.option("--force", is_flag=True, help="Replace files that are there, whatever is in them.")
@json_option
def monitoring_export(folder: Path, *, force: bool, as_json: bool, **options: Any) -> None:
    """Write alert rules, dashboards and runbooks into DIR, and configurations to begin with.

    The rules come with a test for each alert, which 'promtool test rules' runs. DIR/README.md says
    what goes where. Configurations that are there are left as they are.
    """
    from sbhooks.output import show
    from sbhooks_monitoring.configs import Place
    from sbhooks_monitoring.export import export

    place = Place(**{**options, "targets": tuple(options["targets"])})
    found = export(folder, place, force=force)
    show(found, lambda out: _draw_export(out, found, folder), as_json=as_json)


def _draw_export(out: Output, found: Exported, folder: Path) -> None:
    from sbhooks.wording import count

    written = sum(one.state in {"new", "replaced"} for one in found.files)
    kept = [one.path for one in found.files if one.state == "kept"]
    out.line(
        f"{count(found.alerts, 'alert')} with runbooks and tests, "
        f"{count(found.dashboards, 'dashboard')}, and configurations to begin with: "
        + (f"{count(written, 'file')} written." if written else "everything is there already.")
    )
    if kept:
        out.line(f"Left as they are: {', '.join(kept)}. To have them replaced, say --force")
    out.line(f"What goes where: {folder / 'README.md'}")


@monitoring.command("alerts")
@json_option
def monitoring_alerts(as_json: bool) -> None:
    """List the alerts: how urgent each is, and what it says."""
    from sbhooks.output import show
    from sbhooks_monitoring.listing import draw_listing, listing

    found = listing()
    show(found, lambda out: draw_listing(out, found), as_json=as_json)


@monitoring.command("runbook")
@click.argument("alert", metavar="ALERT")
def monitoring_runbook(alert: str) -> None:
    """Print what to do when ALERT fires: what it means, where to look."""
    from sbhooks_monitoring.listing import runbook

    click.echo(runbook(alert), nl=False)
