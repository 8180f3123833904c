"""Baselines, dependencies, clusters and hits as tables for people."""

from __future__ import annotations

from sbhooks.output import BAD, FAINT, GOOD, STRONG, Cell, Column, Output, Row
from sbhooks.wording import NOTHING, count, duration, percent
from sbhooks_analytics.baselines import Baseline, Baselines
from sbhooks_analytics.cells import note_looked_at, range_of
from sbhooks_analytics.clusters import Clusters
from sbhooks_analytics.dependencies import Dependencies
from sbhooks_analytics.draw_trends import p_text
from sbhooks_analytics.ranked import told
from sbhooks_analytics.search import Hits


def draw_baselines(out: Output, found: Baselines) -> None:
    """Each skill over all users; beside one user, where one compares."""
    if found.user is not None:
        _draw_compared(out, found)
        return
    columns = [
        Column("skill", least=12), Column("users", right=True), Column("invoked", right=True),
        Column("ok", right=True), Column("between", right=True, optional=True),
        Column("time", right=True), Column("better than", right=True),
        Column("phase", optional=True),
    ]  # fmt: skip
    rows: list[Row] = [
        [
            one.skill_name,
            f"{one.total_users:,}",
            f"{one.total_invocations:,}",
            percent(one.global_completion_rate),
            range_of(one.rate_low, one.rate_high),
            duration(one.global_avg_duration_seconds),
            f"{one.effectiveness_percentile:.0f} %" if found.skills > 1 else NOTHING,
            one.most_common_workflow_phase or NOTHING,
        ]
        for one in found.baselines
    ]
    out.table(columns, rows)
    looked_at = told(found.skills, found.skills_in_all)
    out.note(
        f"{looked_at}. Better than: share of the other skills, after smoothing, so that 2 of 2 "
        "does not beat 990 of 1,000."
        if found.skills > 1
        else f"{looked_at}: there is no other to compare it with."
    )


def _draw_compared(out: Output, found: Baselines) -> None:
    """One user beside all."""
    columns = [
        Column("skill", least=12), Column("theirs", right=True), Column("ok", right=True),
        Column("between", right=True), Column("of all", right=True), Column("ok", right=True),
        Column("difference", right=True),
    ]  # fmt: skip
    used = [one for one in found.baselines if one.user_invocations is not None]
    rows: list[Row] = [
        [
            one.skill_name,
            f"{one.user_invocations:,}",
            percent(one.user_completion_rate),
            range_of(one.user_rate_low, one.user_rate_high),
            f"{one.total_invocations:,}",
            percent(one.global_completion_rate),
            _difference(one),
        ]
        for one in used
    ]
    if not rows:
        out.line(f"{found.user} used none of these skills.")
        return
    out.table(columns, rows)
    out.note(
        f"{found.user} beside all users of {told(found.skills, found.skills_in_all)}. A difference "
        "is coloured where the rate of all lies outside the interval."
    )


def _difference(one: Baseline) -> Cell:
    """Points between a user and all; coloured when it is more than chance."""
    delta, low, high = one.delta_from_baseline, one.user_rate_low, one.user_rate_high
    text = NOTHING if delta is None else f"{100 * delta:+.1f} points"
    if low is None or high is None or low <= one.global_completion_rate <= high:
        return Cell(text)
    return Cell(text, GOOD if one.global_completion_rate < low else BAD)


def draw_dependencies(out: Output, found: Dependencies) -> None:
    """Pairs of skills."""
    if not found.dependencies:
        out.line(found.reason or "No two skills are used together more or less than by chance.")
        return
    columns = [
        Column("skill", least=10), Column("with", least=10), Column("sessions", right=True),
        Column("lift", right=True), Column("p", right=True, optional=True),
        Column("first", least=8), Column("gap", right=True, optional=True),
    ]  # fmt: skip
    rows: list[Row] = [
        [
            one.skill_a,
            one.skill_b,
            f"{one.co_occurrence_count:,}",
            Cell(f"{one.lift_score:.2f}", GOOD if one.lift_score > 1 else BAD),
            p_text(one.p_value),
            f"{one.first} ({percent(one.first_share)})" if one.first else NOTHING,
            duration(one.median_gap_s),
        ]
        for one in found.dependencies
    ]
    out.table(columns, rows)
    out.note(
        f"{count(found.pairs, 'pair')} of {told(found.skills, found.skills_in_all)} in "
        f"{count(found.sessions, 'session')}; lift over 1: together more often than by chance. "
        "Association, not cause."
    )


def draw_clusters(out: Output, found: Clusters) -> None:
    """Groups of skills."""
    if not found.clusters:
        out.line("No skills are used together often enough to form a group.")
        return
    for one in found.clusters:
        out.line(Cell(one.name, STRONG), f"  {count(len(one.members), 'skill')}")
        members = ", ".join(
            f"{member.skill_name} {member.membership_score:.2f}" for member in one.members[:20]
        )
        out.line(Cell(members, FAINT))
    out.note(
        f"{found.alone:,} of {told(found.skills, found.skills_in_all)} in no group; the figure is "
        "the mean overlap of sessions with the other members."
    )


def draw_hits(out: Output, found: Hits) -> None:
    """Skills that fit."""
    if not found.hits:
        out.line(f"Nothing fits among {told(found.skills, found.skills_in_all)}.")
        return
    columns = [
        Column("skill", least=12), Column("score", right=True), Column("words", right=True),
        Column("meaning", right=True), Column("used", right=True),
        Column("for example", least=16, optional=True),
    ]  # fmt: skip
    rows: list[Row] = [
        [
            one.skill_name, f"{one.score:.2f}", f"{one.words:.2f}", f"{one.meaning:.2f}",
            f"{one.invocation_count:,}", one.example or "",
        ]
        for one in found.hits
    ]  # fmt: skip
    out.table(columns, rows)
    note_looked_at(out, found.skills, found.skills_in_all)
