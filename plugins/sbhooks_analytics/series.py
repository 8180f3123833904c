"""How a skill fared hour by hour, day by day or week by week.

What users see: one value per period, oldest first, and a true gap where nothing is known. A
period without invocations has no completion rate and no duration (it is missing, not 0 %). Its
number of invocations is 0 when something else was recorded in it, and missing when nothing was:
then perhaps nobody was recording. A part of a day is no day: the period that is still going on
is left out, and the one in which a question begins is taken whole.

Invariants: everything comes from rollups, so the sums of a series are those of the log; periods
are in UTC; weeks begin on Monday. Rollups merge, so a week is exactly the sum of its days.

A duration is the median of the invocations that came to their own end (success or failure):
of those that were killed or ran into a limit nobody knows how long they would have taken.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Literal

import msgspec

from sbhooks.cutoff import chunks
from sbhooks.store import Dimension, EventQuery, EventReader, Rollup, merge
from sbhooks_analytics.ranked import VERY_MANY, Ranked, ranked

Metric = Literal["completion_rate", "duration", "invocations"]
Period = Literal["hour", "day", "week"]
METRICS: tuple[Metric, ...] = ("completion_rate", "duration", "invocations")
PERIODS: tuple[Period, ...] = ("hour", "day", "week")
LENGTH = {"hour": timedelta(hours=1), "day": timedelta(days=1), "week": timedelta(weeks=1)}
UNIT = {"completion_rate": "fraction", "duration": "seconds", "invocations": "count"}
MOST_PERIODS = 5_000  #: A longer series keeps its newest part.
_OWN_END = frozenset({"success", "failure"})


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """What happened to one skill in one period.

    Attributes:
        n: Invocations.
        completed: Those with the outcome ``success``.
        own: Sums over those that came to their own end and have a duration, by outcome.
    """

    n: int
    completed: int
    own: Sequence[Rollup]

    @property
    def timed(self) -> Rollup | None:
        """All of ``own`` together; ``None`` without any."""
        return next(iter(merge(self.own, keep=())), None)

    def value(self, metric: Metric) -> float | None:
        """The figure that a metric stands for; ``None`` where it is not known."""
        if metric == "invocations":
            return float(self.n)
        if metric == "completion_rate":
            return self.completed / self.n if self.n else None
        timed = self.timed
        return timed.quantile(0.5) if timed else None

    def weight(self, metric: Metric) -> int:
        """How many observations stand behind the figure."""
        return sum(one.duration_n for one in self.own) if metric == "duration" else self.n


class Series(msgspec.Struct, frozen=True, kw_only=True):
    """One figure of one skill, period by period without a break.

    Attributes:
        skill: What was called.
        metric: ``completion_rate`` (0 to 1), ``duration`` (median, seconds), ``invocations``.
        period: Length of one period.
        starts: When each begins, UTC.
        values: One per period; ``None`` where nothing is known.
        n: Observations behind each value.
    """

    skill: str
    metric: Metric
    period: Period
    starts: list[datetime]
    values: list[float | None]
    n: list[int]


class Tallies(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that happened, by skill and period.

    Attributes:
        period: Length of one period.
        starts: All complete periods looked at, without a break.
        skills: Skill → start → what happened; periods without invocations are missing.
        active: Periods in which anything at all was recorded.
        of: How many skills there are in the time looked at: more than ``skills`` holds where
            only the most used ones were asked for.
    """

    period: Period
    starts: list[datetime]
    skills: Mapping[str, Mapping[datetime, Tally]]
    active: frozenset[datetime]
    of: int

    def series(self, skill: str, metric: Metric) -> Series:
        """One figure of one skill, from its first period on."""
        found = self.skills.get(skill, {})
        first = min(found, default=None)
        starts = [] if first is None else [start for start in self.starts if start >= first]
        return Series(
            skill=skill,
            metric=metric,
            period=self.period,
            starts=starts,
            values=[self._value(found.get(start), start, metric) for start in starts],
            n=[found[start].weight(metric) if start in found else 0 for start in starts],
        )

    def _value(self, tally: Tally | None, start: datetime, metric: Metric) -> float | None:
        if tally is not None:
            return tally.value(metric)
        return 0.0 if metric == "invocations" and start in self.active else None


def tallies(
    store: EventReader,
    query: EventQuery,
    *,
    period: Period,
    now: datetime,
    most: int | None = None,
) -> Tallies:
    """Add up invocations by skill and complete period.

    Args:
        store: The events.
        query: Projects, skills and times to look at. The period that contains ``since`` is taken
            whole, the one that contains ``until`` is left out.
        period: Length of one period.
        now: The period that contains it is not complete, and left out with all later ones.
        most: Only that many skills, the most used; unless the query names some.
    """
    unit: Dimension = "hour" if period == "hour" else "day"
    since = None if query.since is None else begin_of(query.since, period)
    end = begin_of(now if query.until is None else min(now, query.until), period)
    chosen = msgspec.structs.replace(query, kinds=("invocation",), since=since, until=end)
    picked = Ranked(query.skills, 0) if most is None else ranked(store, chosen, most)
    start_of = lru_cache(MOST_PERIODS)(lambda label: begin_of(_start(label), period))
    rows = [
        (str(skill), start_of(label), rollup)
        for rollup in _rollups(store, chosen, picked.skills or query.skills, unit)
        for skill, label in [rollup.key[:2]]
        if skill is not None
    ]
    active = {start for _, start, _ in rows}
    if picked.skills or query.skills:
        active |= _others_active(store, chosen, active, period, of=picked.of)
    skills = _by_skill(rows)
    return Tallies(
        period=period, starts=_between(active, end, period), skills=skills,
        active=frozenset(active), of=max(picked.of, len(skills)),
    )  # fmt: skip


def series_of(
    store: EventReader,
    query: EventQuery,
    skill: str,
    *,
    metric: Metric,
    period: Period,
    now: datetime,
) -> Series:
    """One figure of one skill; see :func:`tallies`."""
    chosen = msgspec.structs.replace(query, skills=(skill,))
    return tallies(store, chosen, period=period, now=now).series(skill, metric)


def begin_of(at: datetime, period: Period) -> datetime:
    """When the period that contains a time begins, UTC; weeks begin on Monday."""
    at = at.astimezone(UTC)
    if period == "hour":
        return at.replace(minute=0, second=0, microsecond=0)
    day = at.replace(hour=0, minute=0, second=0, microsecond=0)
    if period == "day" or day.toordinal() <= day.weekday():  # no Monday before the year 1
        return day
    return day - timedelta(days=day.weekday())


def _start(label: str | None) -> datetime:
    """The time that a store's word for an hour or a day stands for."""
    text = str(label)
    return datetime.fromisoformat(text if len(text) <= 10 else f"{text}:00").replace(tzinfo=UTC)


def _between(active: Iterable[datetime], end: datetime, period: Period) -> list[datetime]:
    """Every period from the first active one up to ``end``, at most the newest 5,000."""
    first = min(active, default=None)
    if first is None:
        return []
    step = LENGTH[period]
    count = min((end - first) // step, MOST_PERIODS)
    return [end - step * back for back in range(count, 0, -1)]


def _rollups(
    store: EventReader, query: EventQuery, skills: Sequence[str], unit: Dimension
) -> Iterator[Rollup]:
    """Sums by skill and unit, in which ends that are not a skill's own can be told apart.

    Args:
        store: The events.
        query: Which of them.
        skills: Only these; nothing for all.
        unit: Hours or days.
    """
    for some in chunks(skills) if skills else [()]:
        inside = msgspec.structs.replace(query, skills=some)
        if unit == "day":
            yield from store.rollup(inside, by=["skill", unit, "outcome"])
        else:
            yield from _of_hours(store, inside)


def _of_hours(store: EventReader, query: EventQuery) -> Iterator[Rollup]:
    """Sums by skill and hour; by outcome as well only of skills that have ends not their own.

    Stores keep sums by outcome for days. Those of hours come from rows for each project, source
    and phase, many times as many, and most skills do not need them.
    """
    rows = store.rollup(query, by=["skill", "hour"])
    mixed = {str(row.key[0]) for row in rows if not _OWN_END.issuperset(row.outcomes)}
    yield from (row for row in rows if str(row.key[0]) not in mixed)
    for some in chunks(sorted(mixed)):
        inside = msgspec.structs.replace(query, skills=some)
        yield from store.rollup(inside, by=["skill", "hour", "outcome"])


def _others_active(
    store: EventReader, query: EventQuery, known: set[datetime], period: Period, *, of: int
) -> set[datetime]:
    """Periods in which any other skill was invoked; those that are known may be missing.

    The sums of all skills may be millions of rows. So this goes from one period that is not known
    to the next, an event each. Events of projects are not kept by time: to find the next one takes
    a look at all of them, which is worth it in no period that is known already.
    """
    every = msgspec.structs.replace(query, skills=(), limit=1)
    if query.projects and of > VERY_MANY:
        return _looked_up(store, every, known, period)
    if query.projects:
        rows = store.rollup(every, by=["hour" if period == "hour" else "day"])
        return {begin_of(_start(row.key[0]), period) for row in rows}
    found: set[datetime] = set()
    at = query.since
    while event := next(iter(store.events(msgspec.structs.replace(every, since=at))), None):
        at = begin_of(event.at, period)
        found.add(at)
        while at in known or at in found:
            at += LENGTH[period]
    return found


def _looked_up(
    store: EventReader, query: EventQuery, known: set[datetime], period: Period
) -> set[datetime]:
    """Periods with an event, of those that are not known: each is looked at by itself.

    Args:
        store: The events.
        query: Any one event; ends where the last period does.
        known: Periods that need no look.
        period: Length of one.
    """
    first = next(iter(store.events(query)), None)
    if first is None or query.until is None:
        return set()
    begin = begin_of(first.at, period)
    found = {begin}
    for at in _between({begin}, query.until, period):
        if at not in known and at not in found:
            inside = msgspec.structs.replace(query, since=at, until=at + LENGTH[period])
            found.update(at for _ in store.events(inside))
    return found


def _by_skill(
    rows: Sequence[tuple[str, datetime, Rollup]],
) -> dict[str, dict[datetime, Tally]]:
    groups: dict[str, dict[datetime, list[Rollup]]] = {}
    for skill, start, rollup in rows:
        groups.setdefault(skill, {}).setdefault(start, []).append(rollup)
    return {
        skill: {start: _tally(rollups) for start, rollups in found.items()}
        for skill, found in groups.items()
    }


def _tally(rollups: Sequence[Rollup]) -> Tally:
    return Tally(
        n=sum(rollup.n for rollup in rollups),
        completed=sum(rollup.outcomes.get("success", 0) for rollup in rollups),
        own=[one for one in rollups if one.duration_n and _OWN_END.issuperset(one.outcomes)],
    )
