"""Trends as tables and plots for people."""

from __future__ import annotations

from sbhooks.output import BAD, DOUBT, FAINT, GOOD, Cell, Column, Output, Row
from sbhooks.wording import NOTHING, count, duration, percent, sparkline
from sbhooks_analytics.cells import note_looked_at
from sbhooks_analytics.plot import plot
from sbhooks_analytics.series import Metric, Series
from sbhooks_analytics.trends import SkillTrend, Trends

WORDS = {
    "improving": Cell("improving", GOOD),
    "declining": Cell("declining", BAD),
    "stable": Cell("stable"),
    "insufficient_data": Cell("not enough data", FAINT),
}
NAMES = {"completion_rate": "completion rate", "duration": "median time", "invocations": "volume"}


def draw_trends(out: Output, found: Trends) -> None:
    """One skill in full, or each on a line."""
    if len(found.trends) == 1:
        _draw_one(out, found.trends[0], found)
        return
    columns = [
        Column("skill", least=12),
        Column("trend"),
        Column("now", right=True),
        Column("change a day", right=True),
        Column("p", right=True, optional=True),
        Column(found.period + "s", optional=True),
    ]
    rows: list[Row] = [
        [
            one.skill_name,
            WORDS[one.trend],
            figure(one.level, found.metric),
            change(one.slope_per_day, found.metric),
            p_text(one.p_value),
            sparkline(one.series.values, width=20),
        ]
        for one in found.trends
    ]
    out.table(columns, rows)
    out.note(
        f"Trend of the {NAMES[found.metric]} by {found.period}, complete ones only; p: chance of "
        f"such a slope without a trend."
    )
    note_looked_at(out, len(found.trends), found.skills_in_all, " (--limit)")


def _draw_one(out: Output, one: SkillTrend, found: Trends) -> None:
    out.heading(f"{one.skill_name}: {NAMES[found.metric]} by {found.period}")
    for line in plotted(one.series, out.width):
        out.line(line)
    fields: list[tuple[str | Cell, str | Cell]] = [("trend", WORDS[one.trend])]
    if one.reason:
        fields.append(("", one.reason))
    else:
        low, high = change(one.slope_low, found.metric), change(one.slope_high, found.metric)
        slope = change(one.slope_per_day, found.metric)
        fields.append(("slope", f"{slope} a day, 95 % interval {low} to {high}"))
        fields.append(("p-value", f"{p_text(one.p_value)} ({one.method})"))
    if one.level is not None:
        fields.append(("now", figure(one.level, found.metric)))
    if (season := one.seasonality) is not None:
        width = (
            f"{season.range:.1f} times" if found.metric == "duration"
            else figure(season.range, found.metric)
        )  # fmt: skip
        ends = f"highest on {season.highest}, lowest on {season.lowest}, apart by {width}"
        fields.append((f"by {season.by}", Cell(ends, DOUBT)))
    seen = f"{count(one.n, 'observation')} in {count(one.periods, found.period)}"
    fields.append(("from", f"{seen}; gaps: nothing known"))
    out.fields(fields)


def plotted(series: Series, width: int) -> list[str]:
    """A series as a plot."""
    known = [value for value in series.values if value is not None]
    if not known:
        return []
    high = 1.0 if series.metric == "completion_rate" else max(known)
    labels = figure(high, series.metric), figure(0.0, series.metric)
    return plot(series.values, low=0.0, high=high, labels=labels, width=min(width, 76))


def figure(value: float | None, metric: Metric) -> str:
    """A value with its unit."""
    if value is None:
        return NOTHING
    if metric == "completion_rate":
        return percent(value)
    return duration(value) if metric == "duration" else f"{value:,.0f}"


def change(slope: float | None, metric: Metric) -> str:
    """A change with its sign and unit: percentage points, percent of the time, or a number."""
    if slope is None:
        return NOTHING
    if metric == "invocations":
        return f"{slope:+.2g}"
    points = f"{slope * 100:+.2f}"
    return f"{points} points" if metric == "completion_rate" else f"{points} %"


def p_text(p_value: float | None) -> str:
    """A p-value, with no more digits than it has."""
    if p_value is None:
        return NOTHING
    return "<0.001" if p_value < 0.001 else f"{p_value:.3f}" if p_value < 0.1 else f"{p_value:.2f}"


def p_is(p_value: float | None) -> str:
    """A p-value in a sentence: ``"p = 0.02"`` or ``"p < 0.001"``."""
    text = p_text(p_value)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}"
