"""The commands that read results of experiments. Imported with the command line: click only."""

from __future__ import annotations

from typing import Any

import click

from sbhooks.cli_options import Reading, reading
from sbhooks_experiments.words import METRICS, UNITS


@click.command("status")
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


@click.command("analyze")
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


@click.command("list")
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


@click.command("simulate")
@click.argument("name", required=False)
@click.option(
    "--unit",
    type=click.Choice(UNITS),
    default="user",
    show_default=True,
    help="What is dealt out, where no experiment is named.",
)
@click.option(
    "--metric",
    type=click.Choice(METRICS[:2]),
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
