"""The commands that write plans of experiments. Imported with the command line: click only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sbhooks.cli_options import json_option
from sbhooks_experiments.words import METRICS, UNITS, desk_of

if TYPE_CHECKING:
    from sbhooks.cli_options import CommandLine


@click.command("create")
@click.argument("name")
@click.option(
    "--control",
    required=True,
    metavar="TEXT",
    help="What is done now: a command, options, or any words for a strategy.",
)
@click.option("--treatment", required=True, metavar="TEXT", help="What might be better.")
@click.option(
    "--unit",
    type=click.Choice(UNITS),
    default="user",
    show_default=True,
    help="What gets a variant and counts as one observation.",
)
@click.option(
    "--metric",
    "primary",
    type=click.Choice(METRICS),
    multiple=True,
    help="What decides; can be given several times.  [default: completion_rate]",
)
@click.option(
    "--secondary",
    type=click.Choice(METRICS),
    multiple=True,
    help="What is shown and decides nothing.",
)
@click.option(
    "--guardrail",
    "guardrails",
    multiple=True,
    metavar="METRIC:MARGIN",
    help="What must not become worse by more: completion_rate:0.02, avg_duration_seconds:5%.",
)
@click.option(
    "--mode",
    type=click.Choice(["always-valid", "fixed", "bandit"]),
    default="always-valid",
    show_default=True,
    help="When the result may be read.",
)
@click.option(
    "--max-units",
    type=int,
    metavar="N",
    help="Units after which it is over.  [default: from --mde and history, else 1000]",
)
@click.option(
    "--min-units",
    type=int,
    default=10,
    show_default=True,
    metavar="N",
    help="Units per variant before anything is decided.",
)
@click.option(
    "--mde",
    metavar="SHARE",
    type=float,
    help="Smallest difference worth finding, as a share of the control's value: 0.1.",
)
@click.option(
    "--ratio",
    type=float,
    default=0.5,
    show_default=True,
    help="Share of the units that get the treatment.",
)
@click.option(
    "--alpha",
    type=float,
    default=0.05,
    show_default=True,
    help="Probability of naming a winner where there is none.",
)
@click.option(
    "--power",
    type=float,
    default=0.8,
    show_default=True,
    help="Probability of finding a difference of --mde.",
)
@click.option(
    "--method",
    type=click.Choice(["welch", "student"]),
    default="welch",
    show_default=True,
    help="For means.",
)
@click.option("--no-cuped", is_flag=True, help="Do not use what units did before.")
@click.option(
    "--skill",
    default="",
    metavar="NAME",
    help="Under which outcomes are recorded.  [default: the experiment's name]",
)
@click.option("--description", default="", metavar="TEXT", help="Why it is made.")
@click.option(
    "--salt",
    default="",
    metavar="TEXT",
    help="Makes the assignment independent of an experiment with the same name.",
)
@click.option(
    "--hash",
    "hash_",
    type=click.IntRange(1, 2),
    default=2,
    show_default=True,
    help="1 assigns as the old system did.",
)
@click.option(
    "--holdout",
    type=float,
    default=0.0,
    metavar="SHARE",
    help="Share of all units that take part in no experiment.",
)
@click.option(
    "--namespace",
    default="",
    metavar="NAME[:LOW-HIGH]",
    help="Experiments of one namespace with separate spans share no unit: ci:0-0.5.",
)
@json_option
@click.pass_obj
def create(line: CommandLine, /, as_json: bool, **options: Any) -> None:
    """Write down the plan of an experiment and start it.

    NAME is how it is called from now on. The plan has a hash; later edits are visible in every
    result.
    """
    from sbhooks.output import show
    from sbhooks_experiments.draw_plan import PlanDocument, draw_plan
    from sbhooks_experiments.planning import plan_of

    desk = desk_of(line)
    plan = plan_of(desk, options)
    found = PlanDocument.of(desk.create(plan))
    show(found, lambda out: draw_plan(out, found), as_json=as_json)


@click.command("edit")
@click.argument("name")
@click.option("--ratio", type=float, help="Share of further units that get the treatment.")
@click.option("--alpha", type=float, help="Probability of naming a winner where there is none.")
@click.option("--power", type=float, help="Probability of finding a difference of --mde.")
@click.option("--mde", type=float, help="Smallest difference worth finding, as a share.")
@click.option("--max-units", type=int, help="Units after which it is over.")
@click.option("--min-units", type=int, help="Units per variant before anything is decided.")
@click.option("--description", help="Why it is made.")
@json_option
@click.pass_obj
def edit(line: CommandLine, /, name: str, as_json: bool, **fields: Any) -> None:
    """Change the plan of a running experiment; units keep their variant.

    Every change is an event of its own, and is shown with each later result.
    """
    from sbhooks.output import show
    from sbhooks_experiments.draw_plan import PlanDocument, draw_plan

    given = {key: value for key, value in fields.items() if value is not None}
    if not given:
        raise click.UsageError("nothing to change: give at least one option")
    found = PlanDocument.of(desk_of(line).edit(name, **given))
    show(found, lambda out: draw_plan(out, found), as_json=as_json)
