"""The commands of experiments. Imported whenever the command line is read: click only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import json_option
from sbhooks_experiments.plan_commands import create, edit
from sbhooks_experiments.result_commands import analyze, list_, simulate, status
from sbhooks_experiments.words import OUTCOMES, desk_of

if TYPE_CHECKING:
    from sbhooks.cli_options import CommandLine


@click.group(cls=CommandGroup)
def experiment() -> None:
    """Compare two ways of working: which command, configuration or strategy is better?

    Each unit (a user, session, commit or repository) gets one of two variants, always the same.
    Results can be read at any time: by default they stay right however often you look.
    """


@experiment.command("assign")
@click.argument("name")
@click.argument("unit", required=False)
@click.option("--look", is_flag=True, help="Only say it: the unit does not meet its variant yet.")
@json_option
@click.pass_obj
def assign(line: CommandLine, name: str, unit: str | None, look: bool, as_json: bool) -> None:
    """Say which variant a unit gets, and record that it meets it now.

    UNIT is the name of a user, session, commit or repository; this user, commit or repository by
    default. Asked again, the answer is the same, and so is the time that is kept.
    """
    from sbhooks.output import show
    from sbhooks_experiments.draw import draw_given

    found = desk_of(line).assign(name, unit, expose=not look)
    show(found, lambda out: draw_given(out, found), as_json=as_json)


@experiment.command(
    "run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False}
)
@click.argument("name")
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
@click.pass_context
def run(ctx: click.Context, name: str, arguments: tuple[str, ...]) -> None:
    """Run the command of this unit's variant, and record how it ended.

    Input, output and exit status are the command's own. ARGUMENTS are added to it. No shell
    reads the command: for pipes and variables, name a script.
    """
    from sbhooks_experiments.runner import run as run_variant

    words = list(arguments[1:] if arguments[:1] == ("--",) else arguments)
    ctx.exit(run_variant(desk_of(ctx.obj), name, words))


@experiment.command("record")
@click.argument("name")
@click.argument("unit", required=False)
@click.option(
    "--outcome",
    type=click.Choice(OUTCOMES),
    default="success",
    show_default=True,
    help="How it ended.",
)
@click.option("--duration", type=float, metavar="SECONDS", help="How long it took.")
@click.option("--rating", type=float, metavar="1-5", help="What the user thought of it.")
@click.option("--skill", metavar="NAME", help="What was called.")
@json_option
@click.pass_obj
def record(line: CommandLine, /, name: str, unit: str | None, as_json: bool, **fields: Any) -> None:
    """Record what a unit did under its variant.

    UNIT as in 'assign', which comes first: an outcome of a unit that never met its variant says
    nothing about it.
    """
    from sbhooks.output import show

    found = desk_of(line).record(name, unit, duration_s=fields.pop("duration"), **fields)
    said = f"Recorded {found.outcome} of {found.unit}."
    show(found, lambda out: out.line(said), as_json=as_json)


@experiment.command("stop")
@click.argument("name")
@click.option("--reason", default="", metavar="TEXT", help="Why, for later readers.")
@json_option
@click.pass_obj
def stop(line: CommandLine, name: str, reason: str, as_json: bool) -> None:
    """End an experiment; what was recorded stays."""
    from sbhooks.output import show
    from sbhooks_experiments.draw_plan import PlanDocument

    found = PlanDocument.of(desk_of(line).stop(name, reason=reason))
    show(found, lambda out: out.line(f"Stopped {name}."), as_json=as_json)


for _command in (create, edit, status, analyze, list_, simulate):
    experiment.add_command(_command)
