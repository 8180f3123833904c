"""The health of tests as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from sbhooks.output import BAD, DOUBT, FAINT, GOOD, Cell, Column, Output, Row
from sbhooks.wording import NOTHING, ago, count, duration, percent
from sbhooks_analytics.attempts import name_of
from sbhooks_analytics.broken import BrokenTests
from sbhooks_analytics.cells import range_of
from sbhooks_analytics.cost import TestCosts
from sbhooks_analytics.draw_tests import rate_of, table_by_project
from sbhooks_analytics.failures import Incidents
from sbhooks_analytics.health import STATES, TestStates
from sbhooks_analytics.quarantine import QuarantineList
from sbhooks_analytics.selection import Selection

if TYPE_CHECKING:
    from sbhooks_analytics.dependence import Dependences

_STYLES = {"broken": BAD, "flaky": DOUBT, "slow": DOUBT, "healthy": GOOD}


def draw_health(out: Output, found: TestStates) -> None:
    """Each test with its state, then how many are in which."""
    columns = [
        Column("test", least=30), Column("state"), Column("decided", right=True),
        Column("failure rate", right=True, optional=True),
        Column("passes since", right=True, optional=True),
    ]  # fmt: skip
    rows: list[Row] = [
        [
            name_of(one.test, one.params),
            Cell(one.state, _STYLES.get(one.state, FAINT)),
            f"{one.runs:,}",
            rate_of(one),
            f"{one.passes_since:,} of {one.passes_needed:,}" if one.passes_needed else NOTHING,
        ]
        for one in found.tests
    ]
    table_by_project(out, columns, rows, [one.project for one in found.tests])
    told = ", ".join(f"{found.counts[state]:,} {state}" for state in STATES if found.counts[state])
    out.note(f"{told}.")
    out.note("Decided: attempts that passed or failed; others were skipped or cut off.")
    if any(one.failure_rate is not None for one in found.tests):
        out.note(
            "Failure rate: on code on which the test also passed, with its 95 % interval, as in "
            "'sbhooks tests flaky'."
        )


def draw_broken(out: Output, found: BrokenTests, now: datetime) -> None:
    """Broken tests, the longest broken first."""
    if not found.tests:
        out.line("No test has failed in each of its last two runs.")
        return
    columns = [Column("test", least=30), Column("failing runs", right=True), Column("since")]
    rows: list[Row] = [
        [name_of(one.test, one.params), Cell(f"{one.runs:,}", BAD), ago(one.since, now)]
        for one in found.tests
    ]
    table_by_project(out, columns, rows, [one.project for one in found.tests])


def draw_failures(out: Output, found: Incidents, now: datetime) -> None:
    """Incidents, what failed most tests first."""
    if not found.incidents:
        out.line("No failures.")
        return
    columns = [
        Column("what", least=20), Column("tests", right=True), Column("runs", right=True),
        Column("failures", right=True), Column("last"),
        Column("for example", least=16, optional=True),
    ]  # fmt: skip
    rows: list[Row] = [
        [
            ": ".join(part for part in (one.type, one.message) if part) or one.fingerprint,
            f"{one.test_count:,}",
            f"{one.run_count:,}",
            Cell(f"{one.failures:,}", BAD),
            ago(one.last_at, now),
            one.tests[0],
        ]
        for one in found.incidents
    ]
    out.table(columns, rows)
    out.note(
        f"{count(found.failures, 'failure')} in the newest {count(found.runs, 'failing run')}."
    )


def draw_cost(out: Output, found: TestCosts) -> None:
    """What tests cost."""
    columns = [
        Column("test", least=30), Column("lost", right=True), Column("reruns", right=True),
        Column("time", right=True), Column("share", right=True),
        Column("timed", right=True, optional=True),
    ]  # fmt: skip
    rows: list[Row] = [
        [
            name_of(one.test, one.params),
            Cell(duration(one.lost_s) if one.lost_s else NOTHING, BAD if one.lost_s else ""),
            f"{one.reruns:,}",
            duration(one.total_s),
            percent(one.share),
            f"{one.n:,}",
        ]
        for one in found.tests
    ]
    out.table(columns, rows)
    again = f"; {count(found.reruns, 'rerun')} in all" if found.reruns else ""
    if not found.lost_s:
        out.note(f"Nothing of {duration(found.total_s)} was lost by flaky failures{again}.")
        return
    out.note(
        f"{duration(found.lost_s)} of {duration(found.total_s)} lost in attempts that failed in a "
        f"run in which the test passed in the end{again}."
    )


def draw_why(out: Output, found: Dependences) -> None:
    """With what failures go together."""
    from sbhooks_analytics.draw_trends import p_is

    out.heading(name_of(found.test, found.params))
    for one in found.dependences:
        out.fields([
            (one.factor, Cell(one.value, DOUBT)),
            ("failed", f"{one.failed_with:,} of {one.with_it:,} with it, {one.failed_without:,} of "
                       f"{one.without_it:,} without ({p_is(one.p_value)})"),
            *([("try", one.command)] if one.command else []),
        ])  # fmt: skip
        out.line("")
    if not found.dependences:
        out.line(found.reason or "Its failures do not depend on anything that was looked at.")
    out.note(
        f"{count(found.failed, 'failure')} in {count(found.attempts, 'attempt')}; "
        f"{count(found.tried, 'circumstance')} compared (Fisher, Benjamini-Hochberg)."
    )


def draw_quarantine(out: Output, found: QuarantineList, now: datetime) -> None:
    """Tests in quarantine."""
    if not found.tests:
        out.line("No test is in quarantine.")
    else:
        columns = [
            Column("test", least=30), Column("owner"), Column("days left", right=True),
            Column("now"), Column("note", least=8, optional=True),
        ]  # fmt: skip
        rows: list[Row] = [
            [
                name_of(one.test, one.params), one.owner or NOTHING,
                f"{(one.expires_at - now).total_seconds() / 86_400:.0f}", one.state or NOTHING,
                one.note or "",
            ]
            for one in found.tests
        ]  # fmt: skip
        out.table(columns, rows)
    for one in found.tests:
        if one.advice:
            out.note(f"{name_of(one.test, one.params)}: {one.advice}.")
    if found.expired:
        out.note(f"{count(found.expired, 'quarantine')} ended by expiring.")


def draw_selection(out: Output, found: Selection, shown: Sequence[str]) -> None:
    """Selected tests, one id on a line, then what such a selection is worth."""
    if found.reason:
        out.line(found.reason.capitalize() + ".")
        return
    for name in shown:
        out.line(name)
    worth = (
        "not enough data to say what it would miss: five failing runs are needed"
        if found.recall is None
        else f"it would have noticed {percent(found.recall)} of {found.failing_runs:,} failing "
        f"runs ({range_of(found.recall_low, found.recall_high)})"
    )
    share = f"{percent(found.time_share)} of the time of all"
    out.note(f"{count(len(found.tests), 'test')}, {duration(found.time_s)}, {share}; {worth}.")
