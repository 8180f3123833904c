"""The commands ``serve``, ``server start|stop|status`` and ``token …``.

Imported whenever the command line is read, so everything but click is imported inside.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sbhooks.cli_options import CommandLine, json_option, warn

if TYPE_CHECKING:
    from sbhooks.output import Output
    from sbhooks_server.address import Address
    from sbhooks_server.running import Running
    from sbhooks_server.tokens import NewToken

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


@click.group()
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


@click.group()
def token() -> None:
    """Tokens: who may use a server. Make, list, replace and revoke them."""


@token.command("create")
@click.argument("name")
@click.option(
    "--scope", "scopes", multiple=True, type=click.Choice(["ingest", "read", "admin"]),
    default=["read"], show_default=True,
    help="What it is good for: to send events, to ask, or everything. Can be given several times.",
)  # fmt: skip
@click.option(
    "--days", type=click.IntRange(0, 3650), default=365, show_default=True, metavar="N",
    help="How long it is good for; 0 for ever.",
)  # fmt: skip
@json_option
@click.pass_obj
def token_create(
    line: CommandLine, name: str, scopes: tuple[Any, ...], days: int, as_json: bool
) -> None:
    """Make a token and print it, once: only a fingerprint of it is kept.

    Programs show it as 'Authorization: Bearer …'; recorders that forward take it from
    SBHOOKS_TOKEN. Keep it out of URLs and command lines, which others can read.
    """
    from datetime import timedelta

    from sbhooks_server.tokens import NewToken, TokenFile

    secret = TokenFile(line.config.home).create(
        name, scopes, timedelta(days=days) if days else None
    )
    _tell_secret(line, "token created", NewToken(name=name, token=secret), as_json=as_json)


@token.command("rotate")
@click.argument("name")
@json_option
@click.pass_obj
def token_rotate(line: CommandLine, name: str, as_json: bool) -> None:
    """Print a new token under an old name; the old one is refused at once."""
    from sbhooks_server.tokens import RotatedToken, TokenFile

    secret = TokenFile(line.config.home).rotate(name)
    _tell_secret(line, "token rotated", RotatedToken(name=name, token=secret), as_json=as_json)


def _tell_secret(line: CommandLine, act: str, made: NewToken, *, as_json: bool) -> None:
    """Print a secret where it is wanted, and note down that it was made."""
    from sbhooks.output import show
    from sbhooks_server.audit import AuditLog

    AuditLog(line.config.home).write(act, about=made.name)
    show(made, lambda _: click.echo(made.token), as_json=as_json)


@token.command("revoke")
@click.argument("name")
@json_option
@click.pass_obj
def token_revoke(line: CommandLine, name: str, as_json: bool) -> None:
    """Refuse a token from now on, by running servers too."""
    from sbhooks.output import show
    from sbhooks_server.audit import AuditLog
    from sbhooks_server.tokens import Revoked, TokenFile

    TokenFile(line.config.home).revoke(name)
    AuditLog(line.config.home).write("token revoked", about=name)
    show(Revoked(revoked=name), lambda out: out.line(f"Revoked {name}."), as_json=as_json)


@token.command("list")
@json_option
@click.pass_obj
def token_list(line: CommandLine, as_json: bool) -> None:
    """List the tokens: what each is good for, and until when."""
    from sbhooks.events import utc_now
    from sbhooks.output import Column, show
    from sbhooks.wording import moment
    from sbhooks_server.tokens import TokenFile, described

    now = utc_now()
    found = described(TokenFile(line.config.home).tokens(), now)

    def draw(out: Output) -> None:
        if not found.tokens:
            out.line("There are no tokens. Run: sbhooks token create NAME")
            return
        out.table(
            [Column("token", least=12), Column("good for"), Column("until")],
            [
                (t.name, ", ".join(t.scopes),
                 "expired" if t.expired else moment(t.expires_at) if t.expires_at else "for ever")
                for t in found.tokens
            ],
        )  # fmt: skip

    show(found, draw, as_json=as_json)


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
