"""The command ``drift``; everything but click is imported inside."""

from __future__ import annotations

import click

from sbhooks.cli_options import Reading, reading


@click.command()
@click.argument("skill", required=False)
@reading
def drift(reading: Reading, skill: str | None) -> None:
    """Show skills whose rate or duration moved away slowly, by too little a day to be noticed.

    Looks at complete days; a drift that was noticed in the last 60 days, or since --since, is
    shown. SKILL is the name of a skill. Sudden changes are found by 'sbhooks anomalies list' and
    'sbhooks changes' sooner.
    """
    from sbhooks_analytics.numbers import need_numbers

    need_numbers()
    from sbhooks_analytics.draw_drifts import draw_drifts
    from sbhooks_analytics.drifts import drifts
    from sbhooks_analytics.settings import AnalyticsConfig
    from sbhooks_analytics.trends import known_skill

    query = reading.query()
    if skill is not None:
        query = reading.query(skills=(known_skill(reading.store, query, skill),))
    settings = reading.runtime.config.section("analytics", AnalyticsConfig)
    found = drifts(reading.store, query, now=reading.now, per_month=settings.false_alarms_per_month)
    reading.show(found, lambda out: draw_drifts(out, found))


COMMANDS = (drift,)
