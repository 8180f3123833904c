"""The commands about Crackerjack; what they need is imported when one is called."""

from __future__ import annotations

from pathlib import Path

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import Reading, json_option, reading


@click.group(cls=CommandGroup)
def crackerjack() -> None:
    """Crackerjack: record its runs, see how its phases do."""


@crackerjack.command(context_settings={"allow_interspersed_args": False})
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
@click.pass_context
def run(ctx: click.Context, /, command: tuple[str, ...]) -> None:
    """Run COMMAND, which runs Crackerjack, and record what it does.

    Write -- before COMMAND, for example: -- uv run crackerjack run -t. Nothing of sbhooks is
    needed in Crackerjack's environment. Input, output, terminal, signals and exit status stay
    the command's own.
    """
    from sbhooks_crackerjack.sbhooks_run import execute

    ctx.exit(execute(command))


@crackerjack.command()
@json_option
def enable(as_json: bool) -> None:
    """Have plain Crackerjack runs of this environment record themselves.

    Writes a .pth file beside sbhooks, which must be installed where Crackerjack is.
    """
    _switch(on=True, as_json=as_json)


@crackerjack.command()
@json_option
def disable(as_json: bool) -> None:
    """Take back what "enable" did."""
    _switch(on=False, as_json=as_json)


@crackerjack.command("import")
@click.option(
    "--database",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Crackerjack's database of workflows.  [default: that of the project here]",
)
@reading
def import_(reading: Reading, database: Path | None) -> None:
    """Take in past runs: their phases, from the database in which Crackerjack keeps them.

    It knows no tools. Runs that were recorded live are left out; importing again changes nothing.
    """
    import os

    from sbhooks.settings import here
    from sbhooks.wording import count
    from sbhooks_crackerjack.import_runs import database_of, import_runs

    folder = Path.cwd()
    path = database or database_of(folder)
    found = import_runs(path, reading.store, here(), folder, os.environ)
    told = f"{count(found.runs, 'run')} with {count(found.phases, 'phase')} taken in"
    more = f", {found.recorded:,} were recorded already" if found.recorded else ""
    reading.show(found, lambda out: out.line(f"{told}{more}."))


@crackerjack.command()
@reading
def report(reading: Reading) -> None:
    """Show how the phases do, and which checks to run first.

    Per phase: invocations of tools (skipped ones are counted apart), the share that succeeded,
    mean time, and what fails most. 'sbhooks top' counts a skipped one as not ok. The checks to
    run first are those most likely to fail per second that they take.
    """
    from sbhooks_crackerjack.report import draw
    from sbhooks_crackerjack.report import report as summed

    found = summed(reading.store, reading.query())
    reading.show(
        found,
        lambda out: draw(out, found, reading.now),
        empty=not found.phases,
        nothing="No run of Crackerjack is recorded yet. Record one with: "
        "sbhooks crackerjack run -- uv run crackerjack run",
    )


def _switch(*, on: bool, as_json: bool) -> None:
    from sbhooks.output import show
    from sbhooks_crackerjack.enabling import draw, switch

    found = switch(on=on)
    show(found, lambda out: draw(out, found), as_json=as_json)
