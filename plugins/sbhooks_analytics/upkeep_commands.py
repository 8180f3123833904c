"""The group ``sbhooks analytics``: upkeep of results; heavy imports stand inside."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import Reading, reading

if TYPE_CHECKING:
    from sbhooks.output import Output
    from sbhooks_analytics.calibrate import Calibration
    from sbhooks_analytics.refresh import Refreshed


@click.group(cls=CommandGroup)
def analytics() -> None:
    """Upkeep of the analyses."""


@analytics.command("refresh")
@reading
def analytics_refresh(reading: Reading) -> None:
    """Fill the tables of results, for dashboards and others that read by SQL.

    The commands of sbhooks do not need it: they compute what they show.
    """
    from sbhooks.errors import SbhooksError
    from sbhooks.progress import Progress
    from sbhooks_analytics.numbers import need_numbers

    need_numbers()
    from sbhooks_analytics.refresh import refresh
    from sbhooks_analytics.settings import AnalyticsConfig

    if reading.foreign:
        raise SbhooksError(
            "cannot refresh another store than the configured one: leave out --store"
        )
    settings = reading.runtime.config.section("analytics", AnalyticsConfig)
    hooks = reading.runtime.hooks
    with Progress("refreshing", quiet=reading.as_json) as progress:
        done = refresh(
            reading.store, reading.runtime.config.home, name=reading.runtime.config.store,
            now=reading.now, per_month=settings.false_alarms_per_month,
            embedder=hooks.embed if hooks.can_embed else None, progress=progress,
        )  # fmt: skip
    reading.show(done, lambda out: _draw_refreshed(out, done))


def _draw_refreshed(out: Output, done: Refreshed) -> None:
    from sbhooks.output import Column

    out.table(
        [Column("table"), Column("rows", right=True)],
        [[name, f"{rows:,}"] for name, rows in sorted(done.tables.items())],
    )
    if not done.kept:
        out.note("This store keeps no results; nothing was written.")


@analytics.command("calibrate")
@reading
@click.option(
    "--copies", type=click.IntRange(1, 200), default=20, show_default=True, metavar="N",
    help="Shuffled copies of the history.",
)  # fmt: skip
def analytics_calibrate(reading: Reading, copies: int) -> None:
    """Replay your own history, and say how often each detector alarms on it.

    Also on copies of it whose days are shuffled. There nothing can have changed, so every alarm
    is a false one: that rate is the one to compare with what a detector states. Alarms on your own
    history may be right. With fewer than 28 days of skills, simulated days like yours take the
    place of the copies.
    """
    from sbhooks_analytics.numbers import need_numbers

    need_numbers()
    from sbhooks_analytics.calibrate import calibrate
    from sbhooks_analytics.settings import AnalyticsConfig

    settings = reading.runtime.config.section("analytics", AnalyticsConfig)
    found = calibrate(
        reading.store, reading.query(), now=reading.now, copies=copies,
        per_month=settings.false_alarms_per_month,
    )  # fmt: skip
    reading.show(found, lambda out: _draw_calibration(out, found))


def _draw_calibration(out: Output, found: Calibration) -> None:
    from sbhooks.output import Column, Row
    from sbhooks.wording import NOTHING, count, percent
    from sbhooks_analytics.ranked import told

    if not found.skills and not found.tests:
        out.line(f"{found.reason.capitalize()}.")
        return

    def rate(value: float | None, unit: str) -> str:
        if value is None:
            return NOTHING
        return percent(value) if unit == "of series" else f"{value:.2f}"

    columns = [
        Column("detector"), Column("alarm", least=10), Column("history", right=True),
        Column("false", right=True), Column("stated", right=True), Column("unit"),
    ]  # fmt: skip
    rows: list[Row] = [
        [
            one.detector, one.what, rate(one.observed, one.unit), rate(one.shuffled, one.unit),
            rate(one.stated, one.unit), one.unit,
        ]
        for one in found.rates
    ]  # fmt: skip
    out.table(columns, rows)
    nothing = "shuffled copies of it"
    if found.reason:
        instead = ": their false alarms are those of simulated days like yours"
        out.note(f"Of skills: {found.reason}{instead if found.simulated else ''}.")
        nothing = "copies of it that are shuffled, or simulated" if found.simulated else nothing
    out.note(
        f"History: alarms on {told(found.skills, found.skills_in_all)} over "
        f"{count(found.days, 'day')} and {count(found.tests, 'test')} with ten runs, as they were. "
        f"They may be right. False: alarms on {nothing}, in which nothing changes. That is "
        "what is to be compared with what a detector states."
    )
    changed = next((one for one in found.rates if one.observed and one.detector == "changes"), None)
    if changed is not None:
        out.note("What changed: sbhooks changes.")


COMMANDS = (analytics,)
