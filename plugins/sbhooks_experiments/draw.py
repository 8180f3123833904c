"""Answers of experiments for people, with a picture of every interval."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sbhooks.output import BAD, DOUBT, FAINT, GOOD, STRONG, Cell, Column, Output, Row
from sbhooks.wording import ago, count, moment, percent
from sbhooks_experiments.figures import between, change, p_value, value
from sbhooks_experiments.given import Given
from sbhooks_experiments.health import BLOCKING, UNKNOWN, WARNING, Check
from sbhooks_experiments.log import State
from sbhooks_experiments.results import Analysis, ExperimentRow, MetricResult
from sbhooks_experiments.simulate import Simulation

_STYLES = {"treatment": GOOD, "control": GOOD, "unhealthy": BAD, "inconclusive": DOUBT}
_SIGNS = {BLOCKING: Cell("✗", BAD), WARNING: Cell("!", DOUBT), UNKNOWN: Cell("·", FAINT)}
_PLOT = 41  #: Cells of a picture of an interval.


def draw_analysis(out: Output, found: Analysis) -> None:
    """Decision, health, metrics with their intervals, and which plan this is of."""
    out.heading(f"{found.experiment}: {found.summary}")
    out.line(Cell(_sentence(found.reason), _STYLES.get(found.decision, "")))
    if found.stopped_because is not None:
        out.line(_ended(f"The experiment is {found.status}: {found.stopped_because}"))
    out.line("")
    draw_health(out, found.health)
    out.line("")
    _draw_metrics(out, found)
    for rail in found.guardrails:
        left = between(rail.metric, rail.low, rail.high)
        words = f"guardrail {rail.margin} is {rail.state}; left of the margin: {left}"
        out.line(Cell(words, {"broken": BAD, "held": GOOD}.get(rail.state, DOUBT)))
    _draw_units(out, found)
    for note in found.notes:
        out.note(note)


def draw_health(out: Output, health: Sequence[Check]) -> None:
    """Every check on a line."""
    for check in health:
        out.line(_SIGNS.get(check.level, Cell("✓", GOOD)), f" {check.name}: {check.detail}")


def _draw_metrics(out: Output, found: Analysis) -> None:
    columns = [
        Column("metric"),
        Column("control", right=True),
        Column("treatment", right=True),
        Column("effect", right=True),
        Column("between", right=True),
    ]
    rows: list[Row] = [
        [
            f"{result.metric}" + ("" if result.role == "primary" else f" ({result.role})"),
            value(result.metric, result.control),
            value(result.metric, result.treatment),
            change(result.metric, result.effect),
            between(result.metric, result.low, result.high),
        ]
        for result in found.metrics
    ]
    out.table(columns, rows)
    out.line("")
    for result in found.metrics:
        out.note(f"{result.metric}: {_how(result)}")
        if (picture := plot(result)) is not None:
            out.line(f"  worse {picture} better")


def _how(result: MetricResult) -> str:
    """The test, its p-value, and what the interval is."""
    if result.p_adjusted is None:
        return result.test
    p = p_value(result.p_adjusted)
    equals = "" if p.startswith("<") else "= "
    return f"{result.test}, p {equals}{p}, {percent(result.level)} interval"


def plot(result: MetricResult) -> str | None:
    """An interval as a line of characters, better to the right, ``|`` where nothing differs."""
    low, high, effect = result.low, result.high, result.effect
    if low is None or high is None or effect is None:
        return None
    if result.metric == "avg_duration_seconds":
        low, high, effect = -high, -low, -effect
    reach = max(abs(low), abs(high)) * 1.1
    if reach == 0:
        return None
    places = [round((end / reach + 1) / 2 * (_PLOT - 1)) for end in (low, effect, high)]
    cells = ["·"] * _PLOT
    cells[places[0] : places[2] + 1] = "━" * (places[2] - places[0] + 1)
    cells[_PLOT // 2] = "|"
    cells[min(max(places[1], 0), _PLOT - 1)] = "•"
    return "".join(cells)


def _draw_units(out: Output, found: Analysis) -> None:
    units, plan = found.units, found.plan
    out.line("")
    pace = "" if units.per_day is None else f", {units.per_day:,.1f} a day"
    out.fields([
        ("units", f"{units.control:,} control, {units.treatment:,} treatment "
                  f"({units.unit}); {units.exposed:,} of {units.planned:,} planned{pace}"),
        ("outcomes", f"{units.outcomes:,}"),
        ("control", plan.control),
        ("treatment", plan.treatment),
        ("plan", f"{plan.hash[:12]}, {plan.mode}, α = {plan.alpha:g}, "
                 f"{percent(plan.share)} treatment"),
        *(("edited", f"{moment(edit.at)}: {', '.join(edit.changed)}") for edit in plan.edits),
    ])  # fmt: skip
    if found.probability is not None:
        out.line(f"The treatment is better with probability {found.probability:.3f}.")
    reached = [r for r in found.metrics if r.role == "primary" and r.detectable is not None]
    for result in reached:
        out.note(
            f"With {units.planned:,} units the smallest difference in {result.metric} that is "
            f"likely to be found is {change(result.metric, result.detectable).lstrip('+')}."
        )


def draw_status(out: Output, state: State, found: Analysis) -> None:
    """How far an experiment is, without its result."""
    plan, units = found.plan, found.units
    out.heading(f"{state.name}: {found.status}")
    left = max(0, units.planned - units.exposed)
    to_come = f", {left:,} to come" if found.status == "running" else ""
    out.fields([
        ("created", moment(state.created_at)),
        ("control", plan.control),
        ("treatment", plan.treatment),
        ("units", f"{units.exposed:,} of {units.planned:,} ({units.unit}){to_come}"),
        ("outcomes", f"{units.outcomes:,}"),
        ("plan", f"{plan.hash[:12]}" + (
            "" if plan.hash == plan.first_hash else f", first {plan.first_hash[:12]}")),
        *(("edited", f"{moment(edit.at)}: {', '.join(edit.changed)}") for edit in plan.edits),
    ])  # fmt: skip
    out.line("")
    draw_health(out, found.health)


def draw_list(out: Output, rows: Sequence[ExperimentRow], now: datetime) -> None:
    """Every experiment on a line."""
    columns = [
        Column("experiment", least=16),
        Column("status"),
        Column("units", right=True),
        Column("decision", least=12),
        Column("created", right=True, optional=True),
    ]
    out.table(columns, [
        [row.name, row.status, f"{row.exposed:,} of {row.planned:,}", row.summary,
         ago(row.created_at, now)]
        for row in rows
    ])  # fmt: skip
    out.note(f"{count(len(rows), 'experiment')}.")


def draw_given(out: Output, given: Given) -> None:
    """What a unit gets."""
    if given.variant is None:
        out.line(f"{given.unit} does not take part ({given.reason}): do as always.")
    else:
        since = "" if given.assigned_at is None else f", since {moment(given.assigned_at)}"
        out.line(Cell(given.variant, STRONG), f" for {given.unit} ({given.reason}{since})")
    out.line(given.strategy)


def draw_simulation(out: Output, found: Simulation) -> None:
    """False-positive rates, the ones to rely on first."""
    out.heading(f"{count(found.units, found.unit, found.unit + 's')} of history, {found.metric}")
    if found.reason is not None:
        out.line(f"{_sentence(found.reason)}")
        return
    columns = [Column("judged by"), Column("false winners", right=True)]
    rows: list[Row] = [
        [f"always valid, {found.looks} looks (the default)", percent(found.always_valid)],
        ["fixed horizon, per unit, one look", percent(found.fixed)],
        [Cell(f"the same test at each of {found.looks} looks", FAINT), percent(found.repeated)],
        [Cell("t test over single events", FAINT), percent(found.per_event)],
    ]
    out.table(columns, rows)
    out.note(
        f"{found.trials:,} trials without any difference, promised: {percent(found.alpha)}. "
        f"Chance alone moves a rate by ± {percent(found.margin)}. Seed {found.seed}."
    )


def _sentence(text: str) -> str:
    """A reason as a sentence."""
    return _ended(text[:1].upper() + text[1:])


def _ended(text: str) -> str:
    """With a full stop, unless there is one."""
    return text if text.endswith((".", "!", "?")) else f"{text}."
