"""The command ``trend``; everything but click is imported inside."""

from __future__ import annotations

import click

from sbhooks.cli_options import Reading, limit_option, reading

metric_option = click.option(
    "--metric", type=click.Choice(("completion_rate", "duration", "invocations")),
    default="completion_rate", show_default=True, help="Which figure.",
)  # fmt: skip
period_option = click.option(
    "--period", type=click.Choice(("hour", "day", "week")), default="day", show_default=True,
    help="What one point of the series is (UTC).",
)  # fmt: skip


@click.command()
@click.argument("skill", required=False)
@reading
@metric_option
@period_option
@limit_option(50, "skills")
def trend(reading: Reading, skill: str | None, metric: str, period: str, limit: int) -> None:
    """Say whether skills become better or worse, with the figures day by day.

    SKILL is the name of a skill; without it, every skill is shown on a line. The slope is robust
    (Theil–Sen), its p-value allows for days that resemble their neighbours. At least 10 complete
    periods with a value are needed. A time without invocations is a gap, not 0 %.
    """
    from typing import cast

    from sbhooks_analytics.numbers import need_numbers

    need_numbers()
    from sbhooks_analytics.draw_trends import draw_trends
    from sbhooks_analytics.series import Metric, Period
    from sbhooks_analytics.trends import known_skill, trends

    query = reading.query()
    if skill is not None:
        query = reading.query(skills=(known_skill(reading.store, query, skill),))
    found = trends(
        reading.store, query, metric=cast("Metric", metric), period=cast("Period", period),
        now=reading.now, limit=limit,
    )  # fmt: skip
    begun = f"No {period} in which something was invoked is over yet. A trend needs ten of them."
    nothing = {"nothing": begun} if reading.store.high_water() else {}
    reading.show(found, lambda out: draw_trends(out, found), empty=not found.trends, **nothing)


COMMANDS = (trend,)
