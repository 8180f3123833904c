"""The command ``sbhooks pipelines``."""

from __future__ import annotations

import click

from sbhooks.cli_options import Reading, limit_option, reading


@click.command()
@reading
@click.option(
    "--pipeline",
    multiple=True,
    metavar="NAME",
    help="Only this pipeline; can be given several times.  [default: all]",
)
@limit_option(20, "pipelines")
def pipelines(reading: Reading, pipeline: tuple[str, ...], limit: int) -> None:
    """Show how pipelines do: success, time, queue, failures, and since which commit.

    "ok" is the share of runs that ended with success, "between" its 95 % interval (Wilson). Runs
    that somebody stopped are left out. "share" is the stage's part of the pipeline's time; the
    largest is the bottleneck. Below the table stands what has changed: a stage that fails since
    a commit, or takes over 20 % longer or shorter, if chance explains that less than 1 time in 100.
    """
    from sbhooks_analytics.draw_pipelines import draw_pipelines
    from sbhooks_analytics.pipelines import pipelines as activity

    found = activity(reading.store, reading.query(), names=pipeline, limit=limit)
    reading.show(
        found,
        lambda out: draw_pipelines(out, found, reading.now),
        empty=not found.pipelines,
        nothing="No pipeline of that name is recorded. See all with: sbhooks pipelines"
        if pipeline
        else "No pipeline is recorded yet. Record a stage with: sbhooks ci run -- COMMAND",
    )
