"""Whether a run is good enough: conditions that a pipeline may fail on.

A condition that cannot be judged yet, because nothing is known of earlier runs, does not fail.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from sbhooks.errors import SbhooksError
from sbhooks.output import BAD, DOUBT, GOOD, Cell, Output
from sbhooks.wording import count, duration, percent
from sbhooks_ci.report import RunReport


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How one condition was judged.

    Attributes:
        condition: As it was given.
        holds: Whether the run is good enough; ``None`` when there is not enough data.
        reason: Why, in words.
    """

    condition: str
    holds: bool | None
    reason: str


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks ci gate --json` prints."""

    passed: bool  #: Whether no condition failed.
    verdicts: list[Verdict]


class _Judged(NamedTuple):
    holds: bool | None
    reason: str


def gate(report: RunReport, conditions: Sequence[str]) -> Gate:
    """Judge a run.

    Raises:
        SbhooksError: A condition is none.
    """
    verdicts = []
    for condition in conditions:
        judge, limit = _parsed(condition)
        judged = judge(report, limit)
        verdicts.append(Verdict(condition=condition, holds=judged.holds, reason=judged.reason))
    return Gate(passed=all(v.holds is not False for v in verdicts), verdicts=verdicts)


def draw(out: Output, found: Gate) -> None:
    """Show it to people."""
    marks = {True: ("✓", GOOD), False: ("✗", BAD), None: ("?", DOUBT)}
    out.fields([
        (Cell(f"{marks[verdict.holds][0]} {verdict.condition}", marks[verdict.holds][1]),
         verdict.reason)
        for verdict in found.verdicts
    ])  # fmt: skip


def _failed(report: RunReport, limit: float) -> _Judged:
    bad = [s.stage for s in report.stages if s.outcome not in {"success", "skip"}]
    if not report.counts and not report.stages:
        return _Judged(None, "not enough data: no tests and no stages are recorded")
    if report.failed:
        return _Judged(False, f"{count(len(report.failed), 'test')} failed: {_some(report.failed)}")
    if bad:
        return _Judged(False, f"did not succeed: {', '.join(bad[:3])}")
    return _Judged(True, "nothing failed")


def _flaky(report: RunReport, limit: float) -> _Judged:
    return _none_of("flaky", report.flaky, report)


def _new_flaky(report: RunReport, limit: float) -> _Judged:
    return _none_of("newly flaky", [v for v in report.flaky if v.is_new], report)


def _none_of(words: str, verdicts: Sequence[object], report: RunReport) -> _Judged:
    if not report.counts:
        return _Judged(None, "not enough data: no tests are recorded")
    if not verdicts:
        return _Judged(True, f"no test is {words}")
    return _Judged(False, f"{count(len(verdicts), 'test')} {words}: {_some(verdicts)}")


def _slower(report: RunReport, limit: float) -> _Judged:
    if not report.compared:
        return _Judged(None, "not enough data: no test has passed five times before this run")
    found = [slow for slow in report.slower if slow.ratio > 1 + limit]
    if not found:
        return _Judged(True, f"none of {count(report.compared, 'compared test')} is slower")
    worst = found[0]
    took, usual = duration(worst.duration_s), duration(worst.usual_s)
    return _Judged(
        False, f"{count(len(found), 'test')} slower, worst {worst.test}: {took}, usually {usual}"
    )


def _completion(report: RunReport, limit: float) -> _Judged:
    share = report.completion
    if share is None:
        return _Judged(None, "not enough data: no test has passed or failed")
    return _Judged(share >= limit, f"{percent(share)} of the tests passed")


#: Name → how it is judged, and whether it takes a percentage.
CONDITIONS: dict[str, tuple[Callable[[RunReport, float], _Judged], bool]] = {
    "failed": (_failed, False),
    "flaky": (_flaky, False),
    "new-flaky": (_new_flaky, False),
    "slower": (_slower, True),
    "completion": (_completion, True),
}


def _parsed(condition: str) -> tuple[Callable[[RunReport, float], _Judged], float]:
    name, equals, text = condition.partition("=")
    judge, takes = CONDITIONS.get(name, (None, False))
    if judge is None or takes != bool(equals):
        raise SbhooksError(
            f"{condition!r} is no condition. Write failed, flaky, new-flaky, slower=20% or "
            "completion=95%"
        )
    if not takes:
        return judge, 0.0
    try:
        value = float(text.removesuffix("%"))
    except ValueError:
        value = math.nan
    if not 0 <= value <= 10_000:
        raise SbhooksError(f"{condition!r}: {text!r} is no percentage. Write {name}=20%")
    return judge, value / 100


def _some(verdicts: Sequence[object]) -> str:
    names = [str(getattr(verdict, "test", verdict)) for verdict in verdicts[:3]]
    return ", ".join(names) + (", …" if len(verdicts) > 3 else "")
