"""What programs are answered: skills, series, tests, runs, findings and events."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

Step = Literal["hour", "day"]


class Skill(msgspec.Struct, frozen=True, kw_only=True):
    """How a skill fared; durations in seconds.

    Attributes:
        skill_name: What was called.
        total_invocations: How often.
        completed: Invocations with the outcome ``success``.
        completion_rate: Their share, 0 to 1.
        completion_rate_low: Lower end of its 95 % interval (Wilson).
        completion_rate_high: Upper end.
        avg_duration_seconds: Mean; ``None`` without durations, as are the next two.
        p50_seconds: Half of the invocations took no longer; at most 1 % off.
        p95_seconds: 95 of 100 invocations took no longer; at most 1 % off.
        last_invocation_at: When the newest ended, UTC.
    """

    skill_name: str
    total_invocations: int
    completed: int
    completion_rate: float
    completion_rate_low: float
    completion_rate_high: float
    avg_duration_seconds: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    last_invocation_at: datetime


class Skills(msgspec.Struct, frozen=True, kw_only=True):
    """The most used skills first.

    Attributes:
        skills: At most as many as were asked for.
        total: How many there are.
    """

    skills: list[Skill]
    total: int


class Point(msgspec.Struct, frozen=True, kw_only=True):
    """What happened in one hour or day (UTC).

    Attributes:
        at: Its beginning.
        total_invocations: How many ended in it; 0 where nothing happened.
        completed: Of these, with the outcome ``success``.
        avg_duration_seconds: Mean; ``None`` without durations, as is the next.
        p95_seconds: 95 of 100 took no longer; at most 1 % off.
    """

    at: datetime
    total_invocations: int
    completed: int
    avg_duration_seconds: float | None
    p95_seconds: float | None


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """Hours or days in order, without gaps between the first and the last."""

    skill_name: str | None  #: ``None`` for all skills together.
    step: Step  #: What a point stands for.
    points: list[Point]  #: Oldest first; at most 1,000, the newest.


class Test(msgspec.Struct, frozen=True, kw_only=True):
    """All attempts at one test with one set of parameters.

    Attributes:
        test: Its id without parameters.
        params: The parameters.
        project: The project that it belongs to.
        attempts: How many were recorded.
        outcomes: How they ended, in pytest's words: ``{"passed": 12, "failed": 1}``; beside
            them ``"interrupted"`` for those that were stopped, or killed with their run.
        p50_seconds: Half of the attempts took no longer; ``None`` without durations.
        p95_seconds: 95 of 100 attempts took no longer.
        last_at: When the newest ended, UTC.
    """

    test: str
    params: str | None
    project: str | None
    attempts: int
    outcomes: dict[str, int]
    p50_seconds: float | None
    p95_seconds: float | None
    last_at: datetime


class Tests(msgspec.Struct, frozen=True, kw_only=True):
    """Those that failed most often first.

    Attributes:
        tests: At most as many as were asked for.
        total: How many there are.
    """

    tests: list[Test]
    total: int


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One session of a tool.

    Attributes:
        session: Its identity.
        source: The tool that observed it.
        project: What was worked on.
        tool: The tool that ran.
        started_at: UTC.
        ended_at: UTC; ``None`` while it runs, as are the next three.
        outcome: How it ended.
        reason: Why, such as ``"killed"``, if that is known.
        duration_s: Wall-clock time; of a run that was killed, until it was last seen.
        counts: What the tool counted, such as ``{"passed": 12}``.
        commit: What was checked out.
        branch: Likewise.
    """

    session: str
    source: str
    project: str | None
    tool: str
    started_at: datetime
    ended_at: datetime | None
    outcome: str | None
    reason: str | None
    duration_s: float | None
    counts: dict[str, int]
    commit: str | None
    branch: str | None


class Runs(msgspec.Struct, frozen=True, kw_only=True):
    """The newest first."""

    runs: list[Run]  #: At most as many as were asked for.


class Findings(msgspec.Struct, frozen=True, kw_only=True):
    """What plugins found, the most important first.

    Attributes:
        insights: Each as the reference of insights describes its ``kind``.
        as_of: When plugins were asked, UTC. They are asked again when something was stored, but
            not at once where that takes long.
    """

    insights: list[Any]
    as_of: datetime


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Events in the order in which they were stored.

    Attributes:
        events: Each as the reference of events describes its ``kind``.
        position: Give it as ``after`` to read on.
        at_end: Whether there was nothing more when this was answered.
    """

    events: list[Any]
    position: int
    at_end: bool
