"""Long histories in a few words, for tests and benchmarks of analyses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sbhooks.events import Event, Invocation, Outcome, SessionStart, Vcs


def history_of(
    days: Sequence[tuple[datetime, int, int]],
    *,
    skill: str = "ruff-check",
    duration_s: float | None = 1.0,
    project: str = "acme",
    user: str = "user-1",
    commit: str | None = None,
    tool_version: str | None = None,
) -> list[Event]:
    """Sessions of a skill, one a day, with an invocation a minute.

    Args:
        days: When the day begins, how many invocations completed, how many failed.
        skill: What is invoked.
        duration_s: Of each invocation.
        project: Of each session.
        user: Likewise.
        commit: Likewise.
        tool_version: Likewise.
    """
    made: list[Event] = []
    for start, good, bad in days:
        session = f"{skill}-{start:%Y%m%dT%H}-{user}"
        made.append(SessionStart(
            id=f"{session}-start", at=start, source="cli", session=session, tool="cli",
            tool_version=tool_version, project=project, user=user,
            vcs=Vcs(commit=commit) if commit else None,
        ))  # fmt: skip
        made += [
            Invocation(
                id=f"{session}-{number}", at=start + timedelta(minutes=number + 1),
                source="cli", session=session, skill=skill, duration_s=duration_s,
                outcome=Outcome.SUCCESS if number < good else Outcome.FAILURE,
            )
            for number in range(good + bad)
        ]  # fmt: skip
    return made
