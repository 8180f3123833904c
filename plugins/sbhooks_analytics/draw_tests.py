"""Answers about tests as tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sbhooks.output import BAD, Cell, Column, Output, Row
from sbhooks.wording import NOTHING, ago, count, duration, percent, sparkline
from sbhooks_analytics.attempts import SlowTestRow, SlowTests, TestSummary, name_of
from sbhooks_analytics.cells import DETAILS, detail_cell, range_of, span_of
from sbhooks_analytics.flaky import FlakyTestRow, FlakyTests
from sbhooks_analytics.health import TestHealth
from sbhooks_analytics.history import History
from sbhooks_analytics.runs import short_names


def draw_tests(out: Output, found: Sequence[TestSummary], known: int) -> None:
    """Every test on a line; says how many of the known ones these are."""
    columns = [
        Column("test", least=30),
        Column("last"),
        Column("attempts", right=True),
        Column("failed", right=True),
        Column("p50", right=True),
        Column("p95", right=True, optional=True),
    ]
    rows: list[Row] = [
        [
            test.key.name,
            DETAILS.get(test.last_outcome, test.last_outcome),
            f"{test.runs:,}",
            _failed(test.failed + test.errors),
            duration(test.p50_s),
            duration(test.p95_s),
        ]
        for test in found
    ]
    table_by_project(out, columns, rows, [test.project for test in found])
    some = "" if len(found) == known else f"{len(found):,} of "
    out.note(f"{some}{count(known, 'test')}.")


def draw_slow(out: Output, found: SlowTests) -> None:
    """Where time goes."""
    columns = [
        Column("test", least=30),
        Column("share", right=True),
        Column("time", right=True),
        Column("timed", right=True),
        Column("p50", right=True),
        Column("p95", right=True, optional=True),
    ]
    rows: list[Row] = [
        [
            name_of(test.test, test.params),
            percent(test.share),
            duration(test.total_s),
            f"{test.n:,}",
            duration(test.p50_s),
            duration(test.p95_s),
        ]
        for test in found.tests
    ]
    if any(test.slower_since for test in found.tests):
        columns.append(Column("slower", right=True))
        rows = [[*row, _slower(test)] for row, test in zip(rows, found.tests, strict=True)]
    table_by_project(out, columns, rows, [test.project for test in found.tests])
    shown = sum(test.share for test in found.tests)
    out.note(f"Together {percent(shown)} of {duration(found.total_s)} spent in tests.")


def _slower(test: SlowTestRow) -> Cell:
    """By how much a test became slower, and when."""
    if test.slower_since is None:
        return Cell("")
    ratio = test.slower_to_s / max(test.slower_from_s, 1e-6)
    return Cell(f"{ratio:.3g} × since {test.slower_since:%m-%d}", BAD)


def draw_flaky(out: Output, found: FlakyTests, now: datetime) -> None:
    """Flaky tests, then how the verdict is reached."""
    if found.tests:
        columns = [
            Column("test", least=30),
            Column("failed", right=True),
            Column("failure rate", right=True),
            Column("last failed", right=True, optional=True),
        ]
        rows: list[Row] = [
            [
                name_of(test.test, test.params),
                f"{test.failed:,} of {test.attempts:,}",
                rate_of(test),
                ago(test.last_failed_at, now),
            ]
            for test in found.tests
        ]
        table_by_project(out, columns, rows, [test.project for test in found.tests])
    else:
        out.line("No test is known to have passed and failed on the same code.")
    if found.undecided:
        out.note(
            f"{count(found.undecided, 'more test')} passed and failed, but whether on the same "
            "code is not known: not enough data."
        )
    out.note("Flaky: passed and failed in one run, or in runs of the same code. 95 % intervals.")


def draw_history(out: Output, found: History, now: datetime) -> None:
    """The attempts at one test."""
    out.heading(name_of(found.test, found.params))
    if not found.attempts:
        out.line("No attempt in the time looked at.")
        return
    oldest_first = found.attempts[::-1]
    signs = "".join(detail_cell(attempt.outcome).text[0] for attempt in oldest_first)
    times = [attempt.duration_s for attempt in oldest_first]
    out.fields(
        [("outcomes", signs), ("time", f"{sparkline(times, width=len(times))}  {span_of(times)}")]
    )
    out.line("")
    names = short_names([attempt.session for attempt in found.attempts])
    several = len({attempt.params for attempt in found.attempts}) > 1
    columns = [
        Column("when", right=True),
        Column("outcome"),
        Column("time", right=True),
        Column("commit"),
        Column("run"),
        Column("failure", least=10, optional=True),
    ]
    if several:
        columns.insert(2, Column("parameters", least=10))
    rows: list[Row] = []
    for attempt in found.attempts:
        row: list[str | Cell] = [
            ago(attempt.at, now),
            detail_cell(attempt.outcome),
            duration(attempt.duration_s),
            (attempt.commit or NOTHING)[:7],
            names[attempt.session],
            (attempt.failure.type if attempt.failure else None) or "",
        ]
        rows.append([*row[:2], attempt.params or NOTHING, *row[2:]] if several else row)
    out.table(columns, rows)


def table_by_project(
    out: Output, columns: list[Column], rows: Sequence[Row], projects: Sequence[str | None]
) -> None:
    """A table that says to which project each row belongs where that is not clear."""
    if len(set(projects)) > 1:
        columns = [*columns, Column("project", least=8, optional=True)]
        rows = [[*row, name or NOTHING] for row, name in zip(rows, projects, strict=True)]
    out.table(columns, rows)


def _failed(number: int) -> Cell:
    return Cell(f"{number:,}", BAD if number else "")


def rate_of(test: FlakyTestRow | TestHealth) -> str:
    """How often a test failed on code on which it also passed, the same wherever it is shown."""
    if test.failure_rate is None:
        return NOTHING
    if not test.enough_data:
        return "not enough data"
    between = range_of(test.failure_rate_low, test.failure_rate_high)
    return f"{percent(test.failure_rate)} ({between})"
