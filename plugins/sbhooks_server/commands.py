"""The commands ``serve`` and ``server start|stop|status``, and those of tokens.

Imported whenever the command line is read, so everything but click is imported inside.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import CommandLine, json_option, warn
from sbhooks_server.token_commands import token

if TYPE_CHECKING:
    from sbhooks.output import Output
    from sbhooks_server.address import Address
    from sbhooks_server.running import Running

R = TypeVar("R")
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)

_ADDRESS_OPTIONS = (
    click.option(
        "--host", default="127.0.0.1", show_default=True, metavar="ADDRESS",
        help="Listen there. Any other than this machine's own needs a token.",
    ),
    click.option(
        "--port", type=click.IntRange(0, 65_535), default=8765, show_default=True, metavar="N",
        help="Listen on that port; 0 for any that is free.",
    ),
    click.option(
        "--metrics-port", type=click.IntRange(0, 65_535), metavar="N",
        help="Answer /metrics, and nothing else, on that port too; 0 for any that is free.",
    ),
    click.option(
        "--allow-host", multiple=True, metavar="NAME",
        help="Answer to this name too, as that of a proxy in front; can be given several times.",
    ),
    click.option(
        "--allow-origin", multiple=True, metavar="URL",
        help="Let pages of this site ask too; can be given several times.",
    ),
    click.option("--require-token", is_flag=True, help="Ask everybody for a token."),
    click.option("--tls-cert", type=_FILE, metavar="FILE", help="Certificate chain, PEM."),
    click.option("--tls-key", type=_FILE, metavar="FILE", help="Key of the certificate, PEM."),
    click.option(
        "--jwt-key", type=_FILE, metavar="FILE",
        help="Take JWTs that are signed with this key: an RSA public key (PEM), or a secret.",
    ),
    click.option("--jwt-issuer", metavar="URL", help="Who issues them: their 'iss'."),
    click.option(
        "--jwt-audience", default="sbhooks", show_default=True, metavar="NAME",
        help="Whom they are for: their 'aud'.",
    ),
    click.option("--store", "store_url", metavar="URL", help="Serve this store."),
)  # fmt: skip


def _with_address(command: Callable[..., R]) -> Callable[..., R]:
    for option in reversed(_ADDRESS_OPTIONS):
        command = option(command)
    return command


def _address(options: dict[str, Any]) -> Address:
    from sbhooks_server.address import Address

    return Address(
        host=options["host"],
        port=options["port"],
        metrics_port=options["metrics_port"],
        names=options["allow_host"],
        origins=options["allow_origin"],
        require_token=options["require_token"],
        tls_cert=options["tls_cert"],
        tls_key=options["tls_key"],
        jwt_key=options["jwt_key"],
        jwt_issuer=options["jwt_issuer"],
        jwt_audience=options["jwt_audience"],
    )


@click.command()
@_with_address
@click.pass_obj
def serve(line: CommandLine, /, store_url: str | None, **options: Any) -> None:
    """Serve what is recorded, to browsers and programs, until Ctrl-C.

    Only this machine can reach it, unless --host says otherwise; then everybody must show a
    token ('sbhooks token create'). It collects meanwhile, twice a second.
    """
    from sbhooks_server.serving import serve as run

    address = _address(options)
    line.use_store(store_url)
    if address.needs_token and address.tls_cert is None:
        warn("tokens travel readable: use --tls-cert and --tls-key, or a proxy with TLS in front")
    run(line.runtime, address, _say_ready)


def _say_ready(running: Running) -> None:
    import sys

    click.echo(f"Serving {running.url} – Ctrl-C stops")
    if running.metrics_url is not None:
        click.echo(f"Metrics at {running.metrics_url}")
    sys.stdout.flush()


@click.group(cls=CommandGroup)
def server() -> None:
    """A server in the background: start, stop, look."""


@server.command("start")
@_with_address
@json_option
@click.pass_obj
def server_start(
    line: CommandLine, /, store_url: str | None, as_json: bool, **options: Any
) -> None:
    """Start 'sbhooks serve' in the background, unless it runs.

    It writes to server.log in the home, and goes on when the terminal is closed.
    """
    from sbhooks.output import show
    from sbhooks_server.address import check
    from sbhooks_server.background import start

    address = _address(options)
    check(address, line.config.home)
    running = start(line.config.home, _arguments(options, store_url))
    what = "Serving" if running.is_new else "There is a server already:"
    show(running, lambda out: out.line(f"{what} {running.url}"), as_json=as_json)


@server.command("stop")
@json_option
@click.pass_obj
def server_stop(line: CommandLine, as_json: bool) -> None:
    """Stop the server: it answers what it has begun to answer, then ends."""
    from sbhooks.output import show
    from sbhooks_server.background import stop

    was = stop(line.config.home)
    what = f"Stopped {was.url}" if was.running else "No server was running."
    show(was, lambda out: out.line(what), as_json=as_json)


@server.command("status")
@json_option
@click.pass_obj
def server_status(line: CommandLine, as_json: bool) -> None:
    """Say whether a server runs, and where."""
    from sbhooks.events import utc_now
    from sbhooks.output import show
    from sbhooks.wording import ago
    from sbhooks_server.running import status

    running = status(line.config.home)

    def draw(out: Output) -> None:
        if not running.running:
            out.line("No server is running. Run: sbhooks server start")
            return
        out.fields([
            ("address", str(running.url)),
            ("process", str(running.pid)),
            ("started", ago(running.started_at, utc_now())),
            ("tokens", "needed" if running.needs_token else "not needed on this machine"),
        ])  # fmt: skip

    show(running, draw, as_json=as_json)


def _arguments(options: dict[str, Any], store_url: str | None) -> list[str]:
    """The options of a command, as they are given to another process."""
    found: list[str] = [] if store_url is None else ["--store", store_url]
    for name, value in options.items():
        option = f"--{name.replace('_', '-')}"
        if value is True:
            found.append(option)
        elif isinstance(value, tuple):
            found += [part for each in value for part in (option, str(each))]
        elif value is not None and value is not False:
            found += [option, str(value)]
    return found


COMMANDS = (serve, server, token)
