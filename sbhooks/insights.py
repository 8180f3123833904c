"""Findings about events: the vocabulary of every output.

Plugins answer an :class:`InsightQuery` with :class:`Insight` objects; outputs such as the
command line show them. An output that does not know a kind shows ``summary``, so a plugin
may define its own.
"""

from __future__ import annotations

from datetime import datetime

import msgspec


class InsightQuery(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody wants to know about. Empty tuples and ``None`` do not restrict.

    Attributes:
        kinds: Tags of the wanted insights, for example ``("flaky-test",)``.
        projects: Only what concerns these projects.
        skills: Only what concerns these skills.
        tests: Only what concerns these tests, without parameters.
        since: First time that counts (inclusive).
        until: First time that no longer counts (exclusive).
        now: The time to which "recent" refers; answers are a function of query and store only.
        limit: At most that many insights per kind, best first.
    """

    kinds: tuple[str, ...] = ()
    projects: tuple[str, ...] = ()
    skills: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    since: datetime | None = None
    until: datetime | None = None
    now: datetime
    limit: int = 20

    def wants(self, kind: type[Insight]) -> bool:
        """Whether insights of this kind are asked for."""
        return not self.kinds or kind.__struct_config__.tag in self.kinds


class Insight(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", omit_defaults=True):
    """What all findings have in common.

    Attributes:
        subject: What it is about: a skill, a test, a pipeline, an experiment.
        summary: One sentence for people, complete in itself.
        score: Importance from 0 to 1; callers sort by it, descending.
        n: Number of observations behind it.
        method: How the numbers were made, in a few words.
        evidence: Ids of sessions or events to look at.
        project: The project, where the finding concerns one.
    """

    subject: str
    summary: str
    score: float
    n: int
    method: str
    evidence: tuple[str, ...] = ()
    project: str | None = None


class SlowTest(Insight, frozen=True, kw_only=True, tag="slow-test"):
    """A test that takes a large share of the time; durations in seconds."""

    params: str | None = None  #: The parameters with which it is slow.
    p50_s: float  #: Half of its attempts take no longer.
    p95_s: float  #: 95 of 100 attempts take no longer.
    share: float  #: Of all test time looked at, 0 to 1.


class FlakyTest(Insight, frozen=True, kw_only=True, tag="flaky-test"):
    """A test that passed and failed on the same code.

    Attributes:
        params: The parameters with which it is flaky.
        failure_rate: Share of failed attempts on code on which it also passed.
        failure_rate_low: Lower end of the 95 % interval.
        failure_rate_high: Upper end.
        flips: Number of (code state) groups with both outcomes.
    """

    params: str | None = None
    failure_rate: float
    failure_rate_low: float
    failure_rate_high: float
    flips: int


class BrokenTest(Insight, frozen=True, kw_only=True, tag="broken-test"):
    """A test that has failed in each of its latest runs."""

    params: str | None = None  #: The parameters with which it fails.
    runs: int  #: Consecutive failing runs up to now.
    since: datetime  #: When the first of them ended.


class Trend(Insight, frozen=True, kw_only=True, tag="trend"):
    """A figure of a skill that goes up or down beyond chance; ``subject`` is the skill.

    Attributes:
        metric: ``completion_rate``, ``duration`` or ``invocations``.
        direction: ``improving`` or ``declining``.
        slope_per_day: Change per day in the unit of the metric; of durations relative.
        slope_low: Lower end of its 95 % interval.
        slope_high: Upper end.
        p_value: Of "there is no trend".
    """

    metric: str
    direction: str
    slope_per_day: float
    slope_low: float
    slope_high: float
    p_value: float


class Anomaly(Insight, frozen=True, kw_only=True, tag="anomaly"):
    """A figure of a skill that is not what its past lets expect; ``subject`` is the skill.

    Attributes:
        id: Identity of the finding, the same while it lasts.
        metric: ``completion_rate``, ``duration`` or ``invocations``.
        type: ``drop``, ``spike`` or ``pattern_shift``.
        expected: What the past lets expect; durations in seconds.
        expected_low: Lower limit of what is normal.
        expected_high: Upper limit.
        observed: What was seen instead.
        p_value: Chance of something as unusual if nothing has changed.
        started_at: Begin of the first unusual day, UTC.
        ended_at: End of the last one; ``None`` while it lasts.
        triage: ``new``, ``confirmed``, ``rejected`` or ``fixed``.
    """

    id: str
    metric: str
    type: str
    expected: float
    expected_low: float
    expected_high: float
    observed: float
    p_value: float
    started_at: datetime
    ended_at: datetime | None = None
    triage: str = "new"


class ChangePoint(Insight, frozen=True, kw_only=True, tag="change-point"):
    """The first point of a new level; ``subject`` is the test or skill.

    Attributes:
        metric: ``duration`` or ``completion_rate``.
        at: The first point of the new level, UTC.
        last_before: The last point of the old level, UTC.
        before: The old level; durations in seconds.
        after: The new level.
        ratio: ``after / before``; ``None`` when ``before`` is 0.
        ratio_low: Lower end of its 95 % interval; ``None`` where it is not known.
        ratio_high: Upper end.
        p_value: Of "there is no change".
        commit_before: Commit of the last point of the old level.
        commit_after: Commit of the first point of the new level: the change is behind
            ``commit_before``, up to and with this one.
        changed: What else differs between the two, such as ``tool: 8.1 → 8.2``.
        params: Of the test.
    """

    metric: str
    at: datetime
    last_before: datetime
    before: float
    after: float
    ratio: float | None = None
    ratio_low: float | None = None
    ratio_high: float | None = None
    p_value: float
    commit_before: str | None = None
    commit_after: str | None = None
    changed: tuple[str, ...] = ()
    params: str | None = None


class Drift(Insight, frozen=True, kw_only=True, tag="drift"):
    """A figure whose level moved away slowly, by too little a day to be noticed.

    ``subject`` is the skill.

    Attributes:
        metric: ``completion_rate`` or ``duration``.
        direction: ``better``, ``worse``, ``faster`` or ``slower``.
        started_at: The day on which it began, UTC, as far as that can be told.
        detected_at: The day on which it was noticed.
        before: Level of the days before; durations in seconds.
        after: Level from the begin to the day on which it was noticed.
    """

    metric: str
    direction: str
    started_at: datetime
    detected_at: datetime
    before: float
    after: float
