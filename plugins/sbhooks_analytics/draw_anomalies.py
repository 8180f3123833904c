"""Unusual days as tables and plots for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sbhooks.output import BAD, DOUBT, FAINT, GOOD, Cell, Column, Output, Row
from sbhooks.wording import count
from sbhooks_analytics.anomaly_findings import Finding, Findings
from sbhooks_analytics.cells import note_looked_at
from sbhooks_analytics.draw_trends import NAMES, figure, p_is, plotted
from sbhooks_analytics.explain import Explanation, Judged
from sbhooks_analytics.ranked import told
from sbhooks_analytics.second_opinions import Outliers
from sbhooks_analytics.series import LENGTH

_STATES = {
    "new": Cell("new", DOUBT),
    "confirmed": Cell("confirmed", BAD),
    "rejected": Cell("rejected", FAINT),
    "fixed": Cell("fixed", GOOD),
}


def draw_findings(out: Output, found: Findings, shown: Sequence[Finding], hidden: int) -> None:
    """Findings, one on a line."""
    if shown:
        columns = [
            Column("id"), Column("skill", least=12), Column("what"), Column("expected", right=True),
            Column("seen", right=True), Column("n", right=True, optional=True), Column("since"),
            Column("until"), Column("state", optional=True),
        ]  # fmt: skip
        rows: list[Row] = [
            [
                one.id,
                one.skill_name,
                f"{_short(one)} {one.type}",
                figure(one.expected, one.metric),
                Cell(figure(one.observed, one.metric), BAD),
                f"{one.n:,}",
                _when(one, one.started_at),
                _when(one, one.resolved_at) if one.resolved_at else "now",
                _STATES[one.triage],
            ]
            for one in shown
        ]
        out.table(columns, rows)
    else:
        out.line(found.reason or "Nothing unusual.")
    if hidden:
        out.note(f"{count(hidden, 'more finding')} rejected or fixed: --all shows them.")
    if found.skills:
        looked_at = told(found.skills, found.skills_in_all)
        out.note(
            f"{looked_at} judged on {count(found.days, f'complete {found.period}')} (UTC); at most "
            f"{found.false_alarms_per_month:g} false alarms a month are to be expected."
        )


def draw_explanation(out: Output, story: Explanation) -> None:
    """One finding in full."""
    one = story.finding
    out.heading(f"{one.skill_name}: {one.type} of the {NAMES[one.metric]}")
    for line in plotted(story.series, out.width):
        out.line(line)
    usual = (
        f"{figure(one.expected, one.metric)} (usually {figure(one.expected_low, one.metric)} to "
        f"{figure(one.expected_high, one.metric)} in such a {one.period})"
    )
    until = f"{_when(one, one.resolved_at)}" if one.resolved_at else "it lasts"
    out.fields([
        ("expected", usual),
        ("seen", f"{figure(one.observed, one.metric)} in {count(one.n, 'invocation')}"),
        ("apart by", f"{one.deviation_score:+.1f} standard deviations of such a {one.period}"),
        ("chance", f"{p_is(one.p_value)} of something as unusual in that {one.period}"),
        (f"{one.period}s", f"from {_when(one, one.started_at)}, noticed at the end of "
                           f"{_noticed(one)}, until {until} (UTC)"),
        ("method", one.method),
        ("forest", _forest(story)),
        ("state", Cell(one.triage + (f": {one.note}" if one.note else ""))),
    ])  # fmt: skip
    for old in story.similar:
        out.note(f"Like it: {old.id}, {old.type} from {old.started_at:%Y-%m-%d}, {old.triage}.")


def draw_judged(out: Output, done: Judged) -> None:
    """What was taken down."""
    out.line(f"Finding {done.id} about {done.skill_name} is now {done.triage}.")


def draw_outliers(out: Output, found: Outliers, hourly: bool) -> None:
    """What another method calls unusual."""
    if found.outliers:
        columns = [
            Column("skill", least=12), Column("hour" if hourly else "day"), Column("what"),
            Column("mean", right=True), Column("seen", right=True), Column("score", right=True),
            Column("n", right=True, optional=True),
        ]  # fmt: skip
        rows: list[Row] = [
            [
                one.skill_name,
                f"{one.at:%m-%d %H:00}" if hourly else f"{one.at:%Y-%m-%d}",
                one.type,
                figure(one.baseline, "completion_rate"),
                figure(one.observed, "completion_rate"),
                f"{one.score:+.2f}",
                f"{one.n:,}",
            ]
            for one in found.outliers
        ]
        out.table(columns, rows)
    else:
        out.line("Nothing unusual by this method, or not enough data for it.")
    if found.more:
        out.note(f"{count(found.more, 'more')}, less unusual, not shown.")
    out.note(f"Method: {found.method}; {found.warning}.")
    note_looked_at(out, found.skills, found.skills_in_all)


def _when(one: Finding, at: datetime) -> str:
    return f"{at:%m-%d %H:00}" if one.period == "hour" else f"{at:%m-%d}"


def _short(one: Finding) -> str:
    return {"completion_rate": "rate", "invocations": "volume", "duration": "time"}[one.metric]


def _noticed(one: Finding) -> str:
    """The day or hour at whose end it was noticed."""
    return _when(one, one.detected_at - LENGTH[one.period])


def _forest(story: Explanation) -> str:
    if story.forest_days is None:
        return "not enough data for an isolation forest"
    days = count(story.forest_days, "of its days", "of its days")
    return f"an isolation forest calls {days} unusual"
