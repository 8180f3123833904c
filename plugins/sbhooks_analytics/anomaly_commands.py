"""The commands ``anomalies list|confirm|reject|fixed|explain``; heavy imports stand inside."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, cast

import click

from sbhooks.cli_groups import CommandGroup
from sbhooks.cli_options import Reading, reading

if TYPE_CHECKING:
    from sbhooks_analytics.anomaly_findings import Finding, Findings
    from sbhooks_analytics.decisions import Triage

_alarms_option = click.option(
    "--false-alarms", type=click.FloatRange(1e-4, 100), metavar="N",
    help="False alarms to expect at most in a month, over all skills.  [default: the setting "
    "analytics.false_alarms_per_month, 0.05]",
)  # fmt: skip
_period_option = click.option(
    "--period", type=click.Choice(("day", "hour")), default="day", show_default=True,
    help="What is judged: complete days or hours (UTC).",
)  # fmt: skip
_note_option = click.option("--note", metavar="TEXT", help="Why, in a few words.")


@click.group(cls=CommandGroup)
def anomalies() -> None:
    """Days on which a skill was not what its past lets expect."""


@anomalies.command("list")
@reading
@_period_option
@_alarms_option
@click.option(
    "--method", type=click.Choice(("counts", "zscore", "isolation_forest")), default="counts",
    show_default=True, help="How to tell unusual from usual; only the first keeps a budget.",
)  # fmt: skip
@click.option(
    "--threshold",
    type=click.FloatRange(0.1, 100),
    default=2.0,
    show_default=True,
    metavar="Z",
    help="Of zscore: standard deviations.",
)
@click.option("--all", "everything", is_flag=True, help="Also what was rejected or fixed.")
def anomalies_list(
    reading: Reading,
    *,
    period: str,
    false_alarms: float | None,
    method: str,
    threshold: float,
    everything: bool,
) -> None:
    """List what was unusual in the last 60 days (of hours 7), or since --since.

    Each complete day of each skill is compared with up to 56 days before it: completion rate,
    number of invocations, duration. The tests know how many runs stand behind a figure, and all
    share one budget of false alarms. What lasts is one finding; what lasts 14 days is a
    pattern_shift, and the new normal. Rates and durations of hours (--period hour) are compared
    with up to 168 hours before them: sooner, but the runs of an hour show large changes only.
    """
    from sbhooks_analytics.numbers import need_numbers

    need_numbers()
    from sbhooks_analytics import draw_anomalies

    if method != "counts":
        _others(reading, method, threshold)
        return
    found = _found(reading, false_alarms, period)
    shown = found.findings if everything else [
        one for one in found.findings if one.triage in {"new", "confirmed"}
    ]  # fmt: skip
    hidden = len(found.findings) - len(shown)
    reading.show(found, lambda out: draw_anomalies.draw_findings(out, found, shown, hidden))


@anomalies.command("explain")
@click.argument("finding")
@reading
@_period_option
@_alarms_option
def anomalies_explain(
    reading: Reading, finding: str, period: str, false_alarms: float | None
) -> None:
    """Show one finding in full: what was expected, what was seen, what others were like it.

    FINDING is an id as 'sbhooks anomalies list' shows it, or its beginning.
    """
    from sbhooks_analytics.numbers import need_numbers

    need_numbers()
    from sbhooks_analytics.anomaly_findings import find
    from sbhooks_analytics.draw_anomalies import draw_explanation
    from sbhooks_analytics.explain import explain

    found = _found(reading, false_alarms, period)
    one = find(found.findings, finding)
    story = explain(reading.store, reading.query(), one, found.findings, now=reading.now)
    reading.show(story, lambda out: draw_explanation(out, story))


def _judging(verdict: str, what: str) -> Callable[..., None]:
    def judge(
        reading: Reading, finding: str, note: str | None, period: str, false_alarms: float | None
    ) -> None:
        from sbhooks_analytics.numbers import need_numbers

        need_numbers()
        one = _named(reading, finding, false_alarms, period)
        _judge(reading, one, cast("Triage", verdict), note)

    judge.__doc__ = (
        f"{what}\n\nFINDING is an id as 'sbhooks anomalies list' shows it, or its beginning. The "
        "judgement is recorded as an event; the newest counts."
    )
    return judge


for _name, _verdict, _what in (
    ("confirm", "confirmed", "Say that a finding is real."),
    ("reject", "rejected", "Say that a finding is a false alarm."),
    ("fixed", "fixed", "Say that what a finding is about has been put right."),
    ("reopen", "new", "Take back what was said about a finding."),
):
    _command = _note_option(_period_option(_alarms_option(reading(_judging(_verdict, _what)))))
    anomalies.command(_name)(click.argument("finding")(_command))


def _named(reading: Reading, name: str, false_alarms: float | None, period: str) -> Finding:
    """The finding that a user means."""
    from sbhooks_analytics.anomaly_findings import find

    return find(_found(reading, false_alarms, period).findings, name)


def _judge(reading: Reading, one: Finding, verdict: Triage, note: str | None) -> None:
    from sbhooks_analytics.decisions import FindingTriage, take_down
    from sbhooks_analytics.draw_anomalies import draw_judged
    from sbhooks_analytics.explain import DOCUMENTS

    event = FindingTriage(
        source="analytics", session=f"triage-{one.id}", finding=one.id, verdict=verdict,
        note=note[:500] if note else None, subject=one.skill_name, figure=one.metric,
    )  # fmt: skip
    take_down(reading, event)
    done = DOCUMENTS[verdict](id=one.id, skill_name=one.skill_name, triage=verdict, note=event.note)
    reading.show(done, lambda out: draw_judged(out, done))


def _found(reading: Reading, false_alarms: float | None, period: str) -> Findings:
    from sbhooks_analytics.anomaly_findings import anomalies as look
    from sbhooks_analytics.daily import GRAINS
    from sbhooks_analytics.settings import AnalyticsConfig

    settings = reading.runtime.config.section("analytics", AnalyticsConfig)
    budget = settings.false_alarms_per_month if false_alarms is None else false_alarms
    return look(
        reading.store, reading.query(), now=reading.now, per_month=budget, grain=GRAINS[period]
    )


def _others(reading: Reading, method: str, threshold: float) -> None:
    from sbhooks_analytics.draw_anomalies import draw_outliers
    from sbhooks_analytics.second_opinions import isolation_forest, zscore

    if method == "zscore":
        found = zscore(reading.store, reading.query(), now=reading.now, threshold=threshold)
    else:
        found = isolation_forest(reading.store, reading.query(), now=reading.now)
    reading.show(found, lambda out: draw_outliers(out, found, method == "zscore"))


COMMANDS = (anomalies,)
