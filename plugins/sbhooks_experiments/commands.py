"""The commands of experiments. Imported whenever the command line is read: click only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from sbhooks.cli_options import Reading, json_option, reading

if TYPE_CHECKING:
    from sbhooks.cli_options import CommandLine
    from sbhooks_experiments.desk import Desk

_METRICS = ("completion_rate", "avg_duration_seconds", "user_rating")
_UNITS = ("user", "session", "commit", "repository")
_OUTCOMES = ("success", "failure", "error", "timeout", "cancellation", "skip")


@click.group()
def experiment() -> None:
    """Compare two ways of working: which command, configuration or strategy is better?

    Each unit (a user, session, commit or repository) gets one of two variants, always the same.
    Results can be read at any time: by default they stay right however often you look.
    """


@experiment.command("create")
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
    type=click.Choice(_UNITS),
    default="user",
    show_default=True,
    help="What gets a variant and counts as one observation.",
)
@click.option(
    "--metric",
    "primary",
    type=click.Choice(_METRICS),
    multiple=True,
    help="What decides; can be given several times.  [default: completion_rate]",
)
@click.option(
    "--secondary",
    type=click.Choice(_METRICS),
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

    desk = _desk(line)
    plan = plan_of(desk, options)
    found = PlanDocument.of(desk.create(plan))
    show(found, lambda out: draw_plan(out, found), as_json=as_json)


@experiment.command("edit")
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
    found = PlanDocument.of(_desk(line).edit(name, **given))
    show(found, lambda out: draw_plan(out, found), as_json=as_json)


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

    found = _desk(line).assign(name, unit, expose=not look)
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
    ctx.exit(run_variant(_desk(ctx.obj), name, words))


@experiment.command("record")
@click.argument("name")
@click.argument("unit", required=False)
@click.option(
    "--outcome",
    type=click.Choice(_OUTCOMES),
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

    found = _desk(line).record(name, unit, duration_s=fields.pop("duration"), **fields)
    said = f"Recorded {found.outcome} of {found.unit}."
    show(found, lambda out: out.line(said), as_json=as_json)


@experiment.command("status")
@click.argument("name")
@reading
def status(reading: Reading, name: str) -> None:
    """Say how far an experiment is, and whether it is healthy."""
    from sbhooks_experiments.ending import check_whole

    check_whole(reading)
    from sbhooks_experiments.ask import analysis
    from sbhooks_experiments.draw import draw_status
    from sbhooks_experiments.log import state

    found = analysis(reading.store, name, now=reading.now)
    known = state(reading.store, name)
    reading.show(found, lambda out: draw_status(out, known, found))


@experiment.command("analyze")
@click.argument("name")
@click.option(
    "--html",
    "page_path",
    type=click.Path(dir_okay=False, writable=True),
    help="Write the result to this file as well, as a page of its own.",
)
@click.option(
    "--auto-stop",
    is_flag=True,
    help="End the experiment if there is a winner, or nothing more to come.",
)
@reading
def analyze(reading: Reading, name: str, page_path: str | None, auto_stop: bool) -> None:
    """Show the result: health, every metric with its interval, and what follows from it.

    The test that fits is chosen and named. A winner is only named when all checks allow it.
    """
    from sbhooks_experiments.ending import check_whole

    check_whole(reading)
    from sbhooks_experiments.ask import analysis
    from sbhooks_experiments.draw import draw_analysis
    from sbhooks_experiments.ending import end, keep_tables, write_page

    found = analysis(reading.store, name, now=reading.now)
    if auto_stop:
        found = end(reading, found)
    keep_tables(reading)
    if page_path is not None:
        write_page(page_path, found, reading.now)
    reading.show(found, lambda out: draw_analysis(out, found))


@experiment.command("stop")
@click.argument("name")
@click.option("--reason", default="", metavar="TEXT", help="Why, for later readers.")
@json_option
@click.pass_obj
def stop(line: CommandLine, name: str, reason: str, as_json: bool) -> None:
    """End an experiment; what was recorded stays."""
    from sbhooks.output import show
    from sbhooks_experiments.draw_plan import PlanDocument

    found = PlanDocument.of(_desk(line).stop(name, reason=reason))
    show(found, lambda out: out.line(f"Stopped {name}."), as_json=as_json)


@experiment.command("list")
@reading
def list_(reading: Reading) -> None:
    """List all experiments, the newest first."""
    from sbhooks_experiments.ending import check_whole

    check_whole(reading)
    from sbhooks_experiments.ask import listing
    from sbhooks_experiments.draw import draw_list
    from sbhooks_experiments.ending import nothing

    found = listing(reading.store, now=reading.now)
    reading.show(
        found,
        lambda out: (
            draw_list(out, found.experiments, reading.now) if found.experiments else nothing(out)
        ),
    )


@experiment.command("simulate")
@click.argument("name", required=False)
@click.option(
    "--unit",
    type=click.Choice(_UNITS),
    default="user",
    show_default=True,
    help="What is dealt out, where no experiment is named.",
)
@click.option(
    "--metric",
    type=click.Choice(_METRICS[:2]),
    default="completion_rate",
    show_default=True,
    help="What is compared, where no experiment is named.",
)
@click.option("--skill", default="", metavar="NAME", help="Only the history of this skill.")
@click.option(
    "--trials",
    type=click.IntRange(10, 100_000),
    default=500,
    show_default=True,
    help="How often the units are dealt out.",
)
@click.option(
    "--looks",
    type=click.IntRange(1, 1_000),
    default=40,
    show_default=True,
    help="How often each trial is looked at.",
)
@click.option(
    "--alpha",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.05,
    show_default=True,
    help="What every test promises.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="Of the random numbers.")
@reading
def simulate(reading: Reading, name: str | None, **options: Any) -> None:
    """Replay your own history without any difference: how often would a winner be named?

    NAME takes unit, metric, skill and level from an experiment. This is what the rates promised
    by the statistics really are on your data.
    """
    from sbhooks_experiments.draw import draw_simulation
    from sbhooks_experiments.replay import replay

    found = replay(reading.store, name, since=reading.since, projects=reading.projects, **options)
    reading.show(found, lambda out: draw_simulation(out, found))


def _desk(line: CommandLine) -> Desk:
    from sbhooks_experiments.desk import Desk

    return Desk(line.runtime)
