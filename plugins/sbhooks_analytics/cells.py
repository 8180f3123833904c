"""Cells and ranges that the drawings share."""

from __future__ import annotations

from collections.abc import Iterable

from sbhooks.output import BAD, DOUBT, FAINT, GOOD, Cell
from sbhooks.wording import NOTHING, duration, percent
from sbhooks_analytics.cutoff import INTERRUPTED
from sbhooks_analytics.runs import KILLED, Run

OUTCOMES = {
    "success": Cell("✓ success", GOOD),
    "failure": Cell("✗ failure", BAD),
    "error": Cell("✗ error", BAD),
    "timeout": Cell("✗ timeout", BAD),
    "cancellation": Cell("! cancelled", DOUBT),
    "skip": Cell("· skipped", FAINT),
    "running": Cell("… running"),
}
DETAILS = {
    "passed": Cell("✓ passed", GOOD),
    "failed": Cell("✗ failed", BAD),
    "error": Cell("✗ error", BAD),
    "skipped": Cell("· skipped", FAINT),
    "xfailed": Cell("· xfailed", FAINT),
    "xpassed": Cell("! xpassed", DOUBT),
    INTERRUPTED: Cell("! interrupted", DOUBT),
}


def outcome_cell(run: Run) -> Cell:
    """How a run ended."""
    if run.reason == KILLED:
        return Cell("✗ killed", BAD)
    return OUTCOMES.get(run.outcome, Cell(f"? {run.outcome}", DOUBT))


def detail_cell(outcome: str) -> Cell:
    """How an attempt ended, in pytest's words or as interrupted."""
    return DETAILS.get(outcome, Cell(f"? {outcome}", DOUBT))


def range_of(low: float | None, high: float | None) -> str:
    """Two shares, as in ``36–80 %``; one where both read the same."""
    if low is None or high is None:
        return NOTHING
    first, second = percent(low), percent(high)
    return second if first == second else f"{first[:-2]}–{second}"


def ends_of(values: Iterable[float | None]) -> tuple[float | None, float | None]:
    """The smallest and the largest of the known values."""
    known = [value for value in values if value is not None]
    return (min(known), max(known)) if known else (None, None)


def span_of(times: Iterable[float | None]) -> str:
    """The shortest and the longest of durations; one where both read the same."""
    first, second = map(duration, ends_of(times))
    return second if first == second else f"{first} – {second}"
