"""Drifts as a table for people."""

from __future__ import annotations

from sbhooks.output import BAD, GOOD, Cell, Column, Output, Row
from sbhooks.wording import count
from sbhooks_analytics.cells import note_looked_at
from sbhooks_analytics.draw_trends import NAMES, figure
from sbhooks_analytics.drifts import Drifts


def draw_drifts(out: Output, found: Drifts) -> None:
    """Drifts, one on a line."""
    if found.drifts:
        columns = [
            Column("skill", least=12), Column("what"), Column("is", least=6),
            Column("before", right=True), Column("then", right=True), Column("since"),
            Column("noticed"),
        ]  # fmt: skip
        rows: list[Row] = [
            [
                one.skill_name,
                NAMES[one.metric],
                Cell(one.direction, GOOD if one.direction in {"better", "faster"} else BAD),
                figure(one.before, one.metric),
                figure(one.after, one.metric),
                f"{one.started_at:%m-%d}",
                f"{one.detected_at:%m-%d}",
            ]
            for one in found.drifts
        ]
        out.table(columns, rows)
    else:
        out.line(found.reason or "Nothing has drifted.")
    if found.series:
        out.note(
            f"{count(found.series, 'series', 'series')} of rates and durations, day by day; each "
            f"has one false alarm in {found.run_length_days:,.0f} days, all together "
            f"{found.false_alarms_per_month:g} a month."
        )
    note_looked_at(out, found.skills, found.skills_in_all)
