"""The commands ``token create|rotate|revoke|list``.

Imported whenever the command line is read, so everything but click is imported inside.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import CommandLine, json_option

if TYPE_CHECKING:
    from sbhooks.output import Output
    from sbhooks_server.tokens import NewToken


@click.group(cls=CommandGroup)
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
