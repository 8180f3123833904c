"""The command ``insights``: what all plugins found; everything but click is imported inside."""

from __future__ import annotations

import click

from sbhooks.cli_options import Reading, limit_option, reading


@click.command()
@reading
@click.option(
    "--kind", "kinds", multiple=True, metavar="KIND",
    help="Only this kind, such as flaky-test; may be repeated.",
)  # fmt: skip
@limit_option(20, "insights")
def insights(reading: Reading, kinds: tuple[str, ...], limit: int) -> None:
    """Show what all plugins found, the most important first.

    Flaky, broken and slow tests, trends, unusual days, changes, drifts, and whatever else
    plugins know.
    What was rejected or fixed is left out.
    """
    from sbhooks.insights import InsightQuery
    from sbhooks_analytics.draw_insights import Insights, draw_insights

    query = InsightQuery(
        kinds=kinds, projects=reading.projects, since=reading.since, now=reading.now, limit=limit
    )
    every = reading.runtime.insights(query)
    found = Insights(insights=every[:limit], more=max(len(every) - limit, 0))
    reading.show(found, lambda out: draw_insights(out, found))


COMMANDS = (insights,)
