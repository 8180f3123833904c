"""How the phases of Crackerjack do, and what to run first next time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime

import msgspec

from sbhooks.events import Invocation, Outcome
from sbhooks.output import FAINT, GOOD, Cell, Column, Output
from sbhooks.store import EventQuery, EventReader
from sbhooks.wording import NOTHING, ago, duration, percent
from sbhooks_crackerjack.phases import place
from sbhooks_crackerjack.record import SOURCE

_MOST_CHECKS = 3
_LEAST_S = 0.1  #: No check is taken for quicker.
_BAD = {Outcome.FAILURE, Outcome.ERROR, Outcome.TIMEOUT}


class ToolReport(msgspec.Struct, frozen=True, kw_only=True):
    """One tool in a phase."""

    tool: str
    invocations: int
    completed: int
    mean_s: float | None


class PhaseReport(msgspec.Struct, frozen=True, kw_only=True):
    """One phase.

    Attributes:
        phase: As Crackerjack names it.
        invocations: Tools that were run, every attempt; skipped ones are left out.
        completed: How many of them succeeded.
        skipped: How many were skipped. `sbhooks top` counts these as invocations that did not
            end with success.
        completion_rate: Share of the invocations that succeeded, 0 to 1; ``None`` without any.
        mean_s: Mean time of an invocation.
        tools: By invocations, most first.
        common_failures: Tool and kind of error → how often, most frequent first.
        next_checks: Tools to run first next time, most promising first: those most likely to
            fail per second that they take.
    """

    phase: str
    invocations: int
    completed: int
    skipped: int
    completion_rate: float | None
    mean_s: float | None
    tools: list[ToolReport]
    common_failures: dict[str, int]
    next_checks: list[str]
    last_at: datetime


class PhaseReports(msgspec.Struct, frozen=True, kw_only=True):
    """What `sbhooks crackerjack report --json` prints; phases in the order in which they come."""

    phases: list[PhaseReport]


def report(store: EventReader, query: EventQuery) -> PhaseReports:
    """Sum up the tools of each phase."""
    chosen = msgspec.structs.replace(query, kinds=("invocation",), sources=(SOURCE,))
    phases: dict[str, list[Invocation]] = {}
    for event in store.events(chosen):
        if isinstance(event, Invocation) and event.step:
            phases.setdefault(event.step, []).append(event)
    return PhaseReports(phases=[_phase(name, phases[name]) for name in sorted(phases, key=place)])


def _phase(name: str, events: list[Invocation]) -> PhaseReport:
    run = [event for event in events if event.outcome not in {Outcome.SKIP, Outcome.CANCELLATION}]
    completed = sum(event.outcome is Outcome.SUCCESS for event in run)
    by_tool: dict[str, list[Invocation]] = {}
    for event in run:
        by_tool.setdefault(event.skill, []).append(event)
    failures = Counter(
        f"{event.skill}: {event.error_type or event.outcome}"
        for event in run
        if event.outcome in _BAD
    )
    tools = [_tool(tool, found) for tool, found in by_tool.items()]
    return PhaseReport(
        phase=name,
        invocations=len(run),
        completed=completed,
        skipped=sum(event.outcome is Outcome.SKIP for event in events),
        completion_rate=completed / len(run) if run else None,
        mean_s=_mean(run),
        tools=sorted(tools, key=lambda tool: (-tool.invocations, tool.tool)),
        common_failures=dict(sorted(failures.items(), key=lambda item: (-item[1], item[0]))),
        next_checks=_next_checks(tools),
        last_at=max(event.at for event in events),
    )


def _tool(name: str, events: list[Invocation]) -> ToolReport:
    return ToolReport(
        tool=name,
        invocations=len(events),
        completed=sum(event.outcome is Outcome.SUCCESS for event in events),
        mean_s=_mean(events),
    )


def _next_checks(tools: Iterable[ToolReport]) -> list[str]:
    """Tools that have failed, by the chance of another failure per second of waiting.

    The chance is (failures + 1) / (invocations + 2): Laplace's rule of succession keeps a tool
    that failed in its only run from being certain to fail.
    """
    failing = [tool for tool in tools if tool.completed < tool.invocations]

    def worth(tool: ToolReport) -> float:
        chance = (tool.invocations - tool.completed + 1) / (tool.invocations + 2)
        return chance / max(tool.mean_s or 0.0, _LEAST_S)

    ranked = sorted(failing, key=lambda tool: (-worth(tool), tool.tool))
    return [tool.tool for tool in ranked[:_MOST_CHECKS]]


def _mean(events: Iterable[Invocation]) -> float | None:
    timed = [event.duration_s for event in events if event.duration_s is not None]
    return sum(timed) / len(timed) if timed else None


def draw(out: Output, found: PhaseReports, now: datetime) -> None:
    """Show it to people."""
    out.table(
        [
            Column("phase", least=12), Column("runs", right=True),
            Column("skipped", right=True, optional=True), Column("ok of runs", right=True),
            Column("mean", right=True), Column("last", right=True, optional=True),
            Column("fails most", least=16, optional=True),
        ],
        [
            (
                phase.phase, f"{phase.invocations:,}", f"{phase.skipped:,}",
                percent(phase.completion_rate),
                duration(phase.mean_s), Cell(ago(phase.last_at, now), FAINT),
                next(iter(phase.common_failures), NOTHING),
            )
            for phase in found.phases
        ],
    )  # fmt: skip
    for phase in found.phases:
        if phase.next_checks:
            out.line(f"{phase.phase}: run these first: ", Cell(", ".join(phase.next_checks), GOOD))
